"""What a running service keeps up beside its requests."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from service.access.principal import Principal
from service.access.quota import Quota
from service.app import create_app
from service.audit.checkpoint import SignedCheckpoint, sign_checkpoint
from service.audit.entry import RecoveryAttempt
from service.database.engine import transaction
from service.database.tables import audit_heads, quotas
from service.errors import AuditUnavailable
from service.settings import Settings
from tests.api.conftest import OTHER, TENANT, Service, assert_problem, close, make_tokens
from tests.audit.ledger import SIGNER, bodies
from tests.waiting import until

PATIENCE_S = 20


def test_a_running_service_closes_what_another_left_behind_and_counts_a_log_that_takes_no_entry(
    tmp_path: Path, settings_for: Callable[[Path], Settings]
) -> None:
    app = create_app(settings_for(tmp_path / "home").model_copy(update={"upkeep_interval": 0.01}))
    audit = app.state.desk.parts.audit
    for tenant in (OTHER, TENANT):
        audit.intend(_dead(tenant))
    with transaction(audit._engine) as connection:
        connection.execute(update(audit_heads).where(audit_heads.c.tenant == OTHER).values(edge=bytes(32)))
    close(app, lambda: len(bodies(audit._engine, TENANT)) >= 2)
    assert bodies(audit._engine, TENANT)[1]["result"] == "interrupted"
    assert Service(app, {}).measured("visard_audit_write_failures_total")
    assert Service(app, {}).measured('visard_recoveries_total{fidelity="none",outcome="interrupted"}') == 1


def test_a_running_service_forgets_callers_who_rested(tmp_path: Path, settings_for: Callable[[Path], Settings]) -> None:
    chosen = {"upkeep_interval": 0.01, "requests_per_minute": 60}
    app = create_app(settings_for(tmp_path / "home").model_copy(update=chosen))
    engine = app.state.desk.parts.audit._engine
    Quota(engine, 60, now=lambda: 0).spend(Principal("camera", TENANT, frozenset()))

    def rows() -> int:
        with transaction(engine) as connection:
            return connection.execute(select(func.count()).select_from(quotas)).scalar_one()

    assert rows() == 1
    close(app, lambda: rows() == 0)


def _dead(tenant: str) -> RecoveryAttempt:
    return RecoveryAttempt(
        id=uuid4(),
        tenant=tenant,
        subject="court",
        reason="test",
        case=None,
        record=None,
        image_digest=bytes(32),
        request=None,
        client=None,
        time=datetime.now(UTC),
        lease=timedelta(0),
    )


def test_a_checkpoint_that_does_not_get_out_is_measured_and_nothing_else(
    tmp_path: Path, settings_for: Callable[[Path], Settings], grey: bytes
) -> None:
    changes = {"audit_checkpoint_url": "http://127.0.0.1:1/logs"}
    app = create_app(settings_for(tmp_path / "home").model_copy(update=changes))
    alone = Service(app, make_tokens(app.state.desk.tokens))
    assert_problem(alone.post("/v1/recover", "recover", grey, reason="test"), 404, "record-unknown")
    until(lambda: alone.measured("visard_checkpoint_ship_failures_total"))
    until(lambda: alone.measured("visard_checkpoint_unshipped"))
    assert (tmp_path / "home" / "audit-checkpoints" / f"{TENANT}.checkpoint").exists()
    close(app)


def test_a_checkpoint_that_did_not_get_out_is_shipped_once_it_can_be(
    tmp_path: Path, settings_for: Callable[[Path], Settings], grey: bytes
) -> None:
    app = create_app(settings_for(tmp_path / "home"))
    alone = Service(app, make_tokens(app.state.desk.tokens))
    folder = tmp_path / "home" / "audit-checkpoints"
    folder.touch()
    assert alone.measured("visard_checkpoint_unshipped") == 0
    assert_problem(alone.post("/v1/recover", "recover", grey, reason="test"), 404, "record-unknown")
    until(lambda: alone.measured("visard_checkpoint_unshipped"))
    folder.unlink()
    until(lambda: not alone.measured("visard_checkpoint_unshipped"))
    assert (folder / f"{TENANT}.checkpoint").exists()
    close(app)


def test_a_log_that_contradicts_what_was_shipped_is_told_of_after_a_restart(
    tmp_path: Path, settings_for: Callable[[Path], Settings], grey: bytes
) -> None:
    settings = settings_for(tmp_path / "home")
    app = create_app(settings)
    alone = Service(app, make_tokens(app.state.desk.tokens))
    assert_problem(alone.post("/v1/recover", "recover", grey, reason="test"), 404, "record-unknown")
    close(app)
    kept = tmp_path / "home" / "audit-checkpoints" / f"{TENANT}.checkpoint"
    said = SignedCheckpoint.parse(kept.read_text()).checkpoint
    kept.write_text(sign_checkpoint(replace(said, root=bytes(32)), SIGNER))
    again = create_app(settings)
    until(lambda: Service(again, {}).measured("visard_checkpoint_unshipped"))
    assert kept.with_suffix(".conflict").exists()
    close(again)


def _refused(app: FastAPI, times: int) -> Service:
    """A service whose caller was refused so often within a minute."""
    service = Service(app, make_tokens(app.state.desk.tokens))
    statuses = [service.request("POST", "/v1/recover", "expired").status_code for _ in range(times)]
    assert statuses == [401] * 30 + [429] * (times - 30)
    return service


def _surplus(service: Service) -> list[tuple[object, ...]]:
    entries = [entry for entry in service.entries() if entry["kind"] == "refusals"]
    assert all(entry["since"] <= entry["until"] <= entry["time"] for entry in entries)
    return [(entry["subject"], entry["detail"], entry["count"]) for entry in entries]


def test_refusals_too_many_to_be_written_one_by_one_are_counted_in_the_log_after_their_minute(
    tmp_path: Path, settings_for: Callable[[Path], Settings]
) -> None:
    app = create_app(settings_for(tmp_path / "home").model_copy(update={"upkeep_interval": 0.01}))
    refusals = app.state.desk.refusals
    now = refusals._began
    refusals._now = lambda: now
    service = _refused(app, 33)
    assert _surplus(service) == []
    now += 60
    close(app, lambda: _surplus(service))
    assert _surplus(service) == [("late", "token-refused", 3)]


def test_of_the_last_minute_they_are_counted_when_the_service_ends(
    tmp_path: Path, settings_for: Callable[[Path], Settings]
) -> None:
    app = create_app(settings_for(tmp_path / "home"))
    service = _refused(app, 32)
    close(app, lambda: True)
    assert _surplus(service) == [("late", "token-refused", 2)]
    assert service.entries()[-1]["kind"] == "refusals"


def test_a_count_that_cannot_be_written_is_written_later(
    tmp_path: Path, settings_for: Callable[[Path], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(settings_for(tmp_path / "home").model_copy(update={"upkeep_interval": 0.01}))
    service, audit, failures = _refused(app, 31), app.state.desk.parts.audit, [1, 2]
    append = audit.append

    def seldom(*arguments: Any) -> None:
        if failures:
            failures.pop()
            raise AuditUnavailable("the audit log cannot be written")
        append(*arguments)

    monkeypatch.setattr(audit, "append", seldom)
    now = app.state.desk.refusals._began
    app.state.desk.refusals._now = lambda: now + 60
    close(app, lambda: _surplus(service))
    assert _surplus(service) == [("late", "token-refused", 1)]
    assert service.measured("visard_audit_write_failures_total") == 2
