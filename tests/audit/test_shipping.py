"""Checkpoints outside the database: the newest is kept, a contradiction is not forgotten."""

import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.audit import shipping
from service.audit.checkpoint import Checkpoint, SignedCheckpoint, sign_checkpoint
from service.audit.continuity import StoredHistory
from service.audit.log import AuditLog
from service.audit.shipping import FileShipper
from service.errors import CheckpointNotShipped, DatabaseUnavailable
from tests.audit.ledger import ORIGIN, SIGNER, NamedByRoots, fill


def note(size: int, root: int = 0) -> str:
    return sign_checkpoint(Checkpoint(ORIGIN, size, bytes([root] * 32)), SIGNER)


def shipper_to(folder: Path) -> FileShipper:
    return FileShipper(folder, NamedByRoots())


def test_the_newest_checkpoint_of_each_tenant_is_kept(tmp_path: Path) -> None:
    shipper = shipper_to(tmp_path / "new" / "folder")
    for size in (1, 3, 2):
        shipper.ship("acme", note(size))
    shipper.ship("globex", note(1))
    assert (tmp_path / "new/folder/acme.checkpoint").read_text() == note(3)
    assert (tmp_path / "new/folder/globex.checkpoint").read_text() == note(1)


@pytest.mark.parametrize("size", [1, 3, 4, 9])
def test_a_contradiction_is_kept_and_stops_all_further_shipping(size: int, tmp_path: Path) -> None:
    shipper = shipper_to(tmp_path)
    shipper.ship("acme", note(3))
    shipper.ship("acme", note(3))
    for later in (note(size, 9), note(5)):
        with pytest.raises(CheckpointNotShipped, match="contradicts"):
            shipper.ship("acme", later)
    assert (tmp_path / "acme.checkpoint").read_text() == note(3)
    assert (tmp_path / "acme.conflict").read_text() == note(size, 9)
    shipper.ship("globex", note(1))
    (tmp_path / "acme.conflict").unlink()
    shipper.ship("acme", note(5))
    assert (tmp_path / "acme.checkpoint").read_text() == note(5)


def test_what_cannot_be_compared_now_is_neither_kept_nor_a_contradiction(tmp_path: Path) -> None:
    class Away(NamedByRoots):
        def continues(self, *_: object) -> bool:
            raise DatabaseUnavailable("it does not answer")

    shipper_to(tmp_path).ship("acme", note(3))
    for later in (note(2), note(4)):
        with pytest.raises(CheckpointNotShipped, match="compared"):
            FileShipper(tmp_path, Away()).ship("acme", later)
    assert (tmp_path / "acme.checkpoint").read_text() == note(3)
    assert not (tmp_path / "acme.conflict").exists()


@pytest.mark.parametrize(("root", "kept"), [(0, 4), (9, 3)])
def test_what_another_process_kept_meanwhile_is_compared_too(root: int, kept: int, tmp_path: Path) -> None:
    class Overtaken(NamedByRoots):
        def __init__(self) -> None:
            self.others = [note(3, root)]

        def continues(self, tenant: str, earlier: Checkpoint, later: Checkpoint) -> bool:
            while self.others:
                (tmp_path / "acme.checkpoint").write_text(self.others.pop())
            return super().continues(tenant, earlier, later)

    shipper_to(tmp_path).ship("acme", note(2))
    shipper = FileShipper(tmp_path, Overtaken())
    if root:
        with pytest.raises(CheckpointNotShipped, match="contradicts"):
            shipper.ship("acme", note(4))
    else:
        shipper.ship("acme", note(4))
    assert (tmp_path / "acme.checkpoint").read_text() == note(kept, root)


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointNotShipped) as caught:
        shipper_to(tmp_path / "file").ship("acme", note(1))
    assert str(tmp_path) not in str(caught.value)


def test_a_damaged_file_outside_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "acme.checkpoint").write_bytes(b"\xff garbage")
    with pytest.raises(CheckpointNotShipped):
        shipper_to(tmp_path).ship("acme", note(1))
    assert (tmp_path / "acme.checkpoint").read_bytes() == b"\xff garbage"


def test_a_process_that_never_lets_go_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipper = shipper_to(tmp_path)
    shipper.ship("acme", note(1))
    monkeypatch.setattr(shipping, "_PATIENCE_S", 0.1)
    with open(tmp_path / ".lock", "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with ThreadPoolExecutor(1) as thread:
            waits = thread.submit(shipper.ship, "acme", note(2))
            try:
                assert isinstance(waits.exception(60), CheckpointNotShipped)
            finally:
                fcntl.flock(other, fcntl.LOCK_UN)
    shipper.ship("acme", note(2))
    assert (tmp_path / "acme.checkpoint").read_text() == note(2)


def test_services_that_overtake_one_another_contradict_nobody(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "_PATIENCE_S", 60)
    told: list[Exception] = []

    def serve(_: int) -> None:
        shipper = FileShipper(tmp_path, StoredHistory(database))
        fill(AuditLog(database, SIGNER, shipper, on_failed_shipping=told.append), 10)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(serve, range(4)))
    assert told == []
    assert SignedCheckpoint.parse((tmp_path / "acme.checkpoint").read_text()).checkpoint.size == 40
