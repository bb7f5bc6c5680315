"""What a serving process does every so often, beside its requests."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

from service.access.tokens import TokenStore
from service.api import Desk
from service.api.refusals import Surplus
from service.audit.entry import Kind
from service.errors import AuditUnavailable
from service.keys.certificates import first_end
from service.metrics import Metrics
from service.operations.upkeep import in_turn, tidy

_SOON = timedelta(days=7)


def keep_up(desk: Desk, tokens: TokenStore, certificates: Mapping[str, Path]) -> None:
    """Do everything once; what fails is raised after the rest.

    Args:
        certificates: files whose end is watched, by the name of their setting.
    """
    in_turn(
        lambda: _audited(desk, partial(tidy, desk.parts.audit, desk.parts.records, partial(_interrupted, desk))),
        lambda: _write_surplus(desk),
        desk.replays.forget_expired,
        lambda: _forget_quotas(desk),
        lambda: desk.metrics.expiring(tokens.expiring(_SOON)),
        *(partial(_watch, name, file, desk.metrics) for name, file in certificates.items()),
    )


def finish(desk: Desk) -> None:
    """Write down what waits for the end of a minute; after the last request."""
    with suppress(AuditUnavailable):
        _write_surplus(desk, unfinished=True)


def _interrupted(desk: Desk) -> None:
    desk.metrics.recovery("interrupted")


def _audited(desk: Desk, call: Callable[[], object]) -> None:
    try:
        call()
    except AuditUnavailable:
        desk.metrics.audit_failed()
        raise


def _write_surplus(desk: Desk, *, unfinished: bool = False) -> None:
    """Say how many refusals were not written down one by one."""
    in_turn(*(partial(_write, desk, surplus) for surplus in desk.refusals.take(unfinished=unfinished)))


def _write(desk: Desk, surplus: Surplus) -> None:
    fields, audit = surplus.fields(), desk.parts.audit
    try:
        _audited(desk, lambda: audit.append(surplus.tenant, Kind.REFUSALS, uuid4(), fields, datetime.now(UTC)))
    except AuditUnavailable:
        desk.refusals.put_back(surplus)
        raise


def _forget_quotas(desk: Desk) -> None:
    if desk.quota is not None:
        desk.quota.forget_rested()


def _watch(name: str, certificate: Path, metrics: Metrics) -> None:
    metrics.certificate_ends(name, first_end(certificate).timestamp())
