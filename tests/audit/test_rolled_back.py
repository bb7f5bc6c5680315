"""A database that was put back, and went on from there: what is kept outside stays, and somebody is told."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.administration import open_audit, open_audit_of_service
from service.audit.checkpoint import SignedCheckpoint
from service.audit.continuity import StoredHistory
from service.audit.log import AuditLog
from service.audit.shipping import FileShipper
from service.errors import CheckpointNotShipped
from service.settings import Settings
from tests.audit.ledger import SIGNER, fill, findings
from tests.audit.thief import SIZE, newest, stolen, tampering
from tests.waiting import until


@dataclass
class Installation:
    """What a service starts with, and what it is told.

    Attributes:
        settings: of it; nothing has been shipped yet.
        told: of what was not shipped.
    """

    settings: Settings
    told: list[Exception] = field(default_factory=list)
    watched: list[Callable[[], bool]] = field(default_factory=list)

    @property
    def outside(self) -> Path:
        return self.settings.home / "audit-checkpoints"

    def kept(self, tenant: str = "acme") -> str:
        return (self.outside / f"{tenant}.checkpoint").read_text()

    def serve(self, database: Engine, opened: ExitStack) -> AuditLog:
        """The audit log of a service that starts now."""
        return open_audit_of_service(self.settings, database, SIGNER, self.told.append, self.watched.append, opened)

    @property
    def failing(self) -> bool:
        return self.watched[-1]()


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(Settings(home=tmp_path / "home"))


@pytest.fixture
def database(original: Path) -> Iterator[Engine]:
    with stolen(original) as engine:
        yield engine


@pytest.fixture
def backup(original: Path) -> Iterator[Engine]:
    """The database as it was before."""
    with stolen(original) as engine:
        yield engine


def _size(note: str) -> int:
    return SignedCheckpoint.parse(note).checkpoint.size


@pytest.mark.parametrize("unshipped", [0, 1, 4])
def test_a_history_that_took_another_way_replaces_nothing(
    unshipped: int, installation: Installation, database: Engine, backup: Engine
) -> None:
    """However many of its entries were committed unseen before one is shipped."""
    fill(open_audit(installation.settings, database, SIGNER), 2)
    kept = installation.kept()
    assert _size(kept) == SIZE + 2
    fill(AuditLog(backup, SIGNER), unshipped)
    with ExitStack() as opened:
        fill(installation.serve(backup, opened), 1)
        assert installation.told
        until(lambda: installation.failing)
    assert all(isinstance(one, CheckpointNotShipped) for one in installation.told)
    assert installation.kept() == kept
    assert _size((installation.outside / "acme.conflict").read_text()) in (SIZE + unshipped, SIZE + unshipped + 1)
    assert [finding.last for finding in tampering(findings(backup, kept))] == [SIZE + 1]


def test_entries_of_another_history_may_come_in_any_order(database: Engine, backup: Engine, tmp_path: Path) -> None:
    fill(AuditLog(database, SIGNER, FileShipper(tmp_path, StoredHistory(database))), 1)
    notes = []
    for _ in range(2):
        fill(AuditLog(backup, SIGNER), 1)
        notes.append(newest(backup))
    shipper = FileShipper(tmp_path, StoredHistory(backup))
    for note in reversed(notes):
        with pytest.raises(CheckpointNotShipped, match="contradicts"):
            shipper.ship("acme", note)
    assert (tmp_path / "acme.checkpoint").read_text() == newest(database)


@pytest.mark.parametrize("since", [0, 2])
def test_a_service_that_starts_on_a_database_put_back_says_so(
    since: int, installation: Installation, database: Engine, backup: Engine
) -> None:
    """Whether it is shorter than what is kept, or as long."""
    fill(open_audit(installation.settings, database, SIGNER), 2)
    kept = installation.kept()
    fill(AuditLog(backup, SIGNER), since)
    with ExitStack() as opened:
        installation.serve(backup, opened)
        until(lambda: installation.failing and installation.told)
    assert installation.kept() == kept
    assert (installation.outside / "acme.conflict").read_text() == newest(backup)


def test_a_service_that_starts_without_a_log_of_which_it_was_told_says_so_until_that_is_explained(
    installation: Installation, database: Engine, original: Path
) -> None:
    fill(open_audit(installation.settings, database, SIGNER), 1)
    (installation.outside / "acme.checkpoint").rename(installation.outside / "initech.checkpoint")
    with ExitStack() as opened:
        installation.serve(database, opened)
        assert installation.failing
        (told,) = installation.told
        assert "no log" in str(told) and isinstance(told, CheckpointNotShipped)
        (installation.outside / "initech.checkpoint").unlink()
        assert not installation.failing


def test_a_service_that_starts_where_the_last_ended_says_nothing(installation: Installation, database: Engine) -> None:
    fill(open_audit(installation.settings, database, SIGNER), 2)
    fill(AuditLog(database, SIGNER), 3)
    with ExitStack() as opened:
        installation.serve(database, opened)
        until(lambda: installation.kept() == newest(database))
        until((installation.outside / "globex.checkpoint").exists)
    with ExitStack() as opened:
        installation.serve(database, opened)
        fill(AuditLog(database, SIGNER), 1)
        fill(installation.serve(database, opened), 1)
    assert installation.told == [] and not installation.failing
    assert _size(installation.kept()) == SIZE + 7
