"""Where checkpoints go outside the database, so that whoever owns it cannot roll it back unnoticed."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from service.audit.checkpoint import Checkpoint, SignedCheckpoint
from service.errors import CheckpointInvalid, CheckpointNotShipped
from service.private_files import replace_durably

SUFFIX = ".checkpoint"
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

    A smaller checkpoint never replaces a larger one. Two different checkpoints of the same size are proof of a
    rewritten log: the second is kept beside the first as ``<tenant>.conflict``, and nothing replaces the first
    until a person has removed that file, and best both.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def ship(self, tenant: str, note: str) -> None:
        """Write the file atomically and durably.

        Raises:
            CheckpointNotShipped: it cannot be written, or contradicts the one kept.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with _locked(self._directory / ".lock"):
                self._keep(tenant, note)
        except (OSError, UnicodeError, CheckpointInvalid) as error:
            raise CheckpointNotShipped("the checkpoint could not be written outside the database") from error

    def _keep(self, tenant: str, note: str) -> None:
        kept, conflict = self._directory / f"{tenant}{SUFFIX}", self._directory / f"{tenant}.conflict"
        if conflict.exists():
            raise CheckpointNotShipped("an earlier checkpoint contradicts the one kept outside the database")
        new = SignedCheckpoint.parse(note).checkpoint
        old = _read(kept)
        if old is not None and new.size == old.size and new != old:
            _replace(conflict, note)
            raise CheckpointNotShipped("the checkpoint contradicts the one kept outside the database")
        if old is None or new.size > old.size:
            _replace(kept, note)


def _read(path: Path) -> Checkpoint | None:
    try:
        note = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return SignedCheckpoint.parse(note).checkpoint


def _replace(path: Path, note: str) -> None:
    replace_durably(path, note.encode(), private=False)


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
