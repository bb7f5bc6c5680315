"""The key that tokens are hashed with: a file of its own, so that the database alone cannot check a guess."""

import os
import secrets
import stat
from pathlib import Path

from service.errors import PepperUnusable

PEPPER_BYTES = 32

_OTHERS = 0o077


def read_or_make_pepper(path: Path) -> bytes:
    """The 32 bytes in ``path``, made (0600) on first use; of several who make it at once, one wins for all.

    Raises:
        PepperUnusable: it cannot be read or made, has another length, or others may read or write it.
    """
    try:
        if not path.exists():
            _make(path)
        return _read(path)
    except OSError as error:
        raise PepperUnusable("the key that hashes tokens cannot be read or made") from error


def _read(path: Path) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _OTHERS:
            raise PepperUnusable("the key that hashes tokens is accessible to other users: allow its owner only (0600)")
        pepper = file.read(PEPPER_BYTES + 1)
    if len(pepper) != PEPPER_BYTES:
        raise PepperUnusable("the key that hashes tokens is damaged")
    return pepper


def _make(path: Path) -> None:
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(secrets.token_bytes(PEPPER_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link is made whole, and only where nothing is: the loser reads the winner's.
        os.link(part, path)
    except FileExistsError:
        return
    finally:
        part.unlink(missing_ok=True)
