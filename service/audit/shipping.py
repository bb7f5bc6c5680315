"""Where checkpoints go outside the database, so that whoever owns it cannot roll it back unnoticed."""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from service.audit.checkpoint import Checkpoint, SignedCheckpoint
from service.audit.continuity import History
from service.errors import CheckpointInvalid, CheckpointNotShipped, DatabaseUnavailable
from service.private_files import replace_durably

SUFFIX = ".checkpoint"
_CONFLICT = ".conflict"
_PATIENCE_S = 2.0
_GLANCE_S = 0.01


class Shipper(Protocol):
    """Takes checkpoints out of the database's reach."""

    def ship(self, tenant: str, note: str) -> None:
        """Keep the newest checkpoint of a tenant; they may come out of order.

        Raises:
            CheckpointNotShipped: it is not kept.
        """


class FileShipper:
    """One file per tenant, ``<tenant>.checkpoint``, in a directory that should be on another machine's disk.

    Whoever owns the database can put it back and go on from there, and each checkpoint of that history is signed,
    too. So of the one kept and a new one, the smaller has to be proved the beginning of the larger, and the larger
    is kept. One that is not proved so is kept beside the first as ``<tenant>.conflict``, and nothing replaces the
    first until a person has removed that file, and best both.

    The proof is asked for here, at once, although the checkpoints in between need not have come: to keep both and
    leave it to a verification would fill the directory, as processes overtake one another all the time.
    """

    def __init__(self, directory: Path, history: History) -> None:
        self._directory = directory
        self._history = history

    def ship(self, tenant: str, note: str) -> None:
        """Write the file atomically and durably.

        Raises:
            CheckpointNotShipped: it cannot be written, or compared with the one kept, or contradicts it.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._keep(tenant, note)
        except (OSError, UnicodeError, CheckpointInvalid) as error:
            raise CheckpointNotShipped("the checkpoint could not be written outside the database") from error
        except DatabaseUnavailable as error:
            raise CheckpointNotShipped("the checkpoint could not be compared with the one kept outside") from error

    def tenants(self) -> set[str]:
        """Those of whom a checkpoint is kept."""
        return {file.name.removesuffix(SUFFIX) for file in self._directory.glob(f"*{SUFFIX}")}

    def _keep(self, tenant: str, note: str) -> None:
        new, settled = SignedCheckpoint.parse(note).checkpoint, False
        while not settled:
            # Compared without the lock: a database that takes its time must not hold up the other tenants.
            kept = self._kept(tenant)
            agrees = kept is None or self._agree(tenant, kept, new)
            if agrees and kept is not None and new.size <= kept.size:
                return
            with _locked(self._directory / ".lock"):
                settled = self._kept(tenant) == kept
                if settled:
                    replace_durably(self._file(tenant, SUFFIX if agrees else _CONFLICT), note.encode(), private=False)
        if not agrees:
            raise CheckpointNotShipped("the checkpoint contradicts the one kept outside the database")

    def _kept(self, tenant: str) -> Checkpoint | None:
        if self._file(tenant, _CONFLICT).exists():
            raise CheckpointNotShipped("an earlier checkpoint contradicts the one kept outside the database")
        return _read(self._file(tenant, SUFFIX))

    def _agree(self, tenant: str, kept: Checkpoint, new: Checkpoint) -> bool:
        earlier, later = sorted((kept, new), key=lambda one: one.size)
        return self._history.continues(tenant, earlier, later)

    def _file(self, tenant: str, suffix: str) -> Path:
        return self._directory / f"{tenant}{suffix}"


class ShipToAll:
    """Several places, each of them tried whatever happens at the others."""

    def __init__(self, shippers: Sequence[Shipper]) -> None:
        self._shippers = tuple(shippers)

    def ship(self, tenant: str, note: str) -> None:
        """Ship to each.

        Raises:
            CheckpointNotShipped: by the first that failed.
        """
        failed: list[Exception] = []
        for shipper in self._shippers:
            try:
                shipper.ship(tenant, note)
            except Exception as error:  # noqa: BLE001
                # The others still have to get it.
                failed.append(error)
        if failed:
            raise failed[0]


def _read(path: Path) -> Checkpoint | None:
    try:
        note = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return SignedCheckpoint.parse(note).checkpoint


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Without waiting for ever: a process that was stopped, or a disk that is away, would stop every recovery.

    Raises:
        BlockingIOError: another process kept the lock.
    """
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
            time.sleep(_GLANCE_S)
