"""The file a local keystore keeps per tenant: JSON, owner-only, replaced as a whole or not at all."""

import os
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from service.errors import KeystoreInsecure, KeysUnavailable
from service.keys.derive import KEY_BYTES

_NOTICE = "NOT FOR PRODUCTION: unencrypted master keys of a local Visard keystore, for development only."
_OTHERS = 0o077
_SETTINGS = ConfigDict(
    frozen=True, extra="forbid", hide_input_in_errors=True, ser_json_bytes="hex", val_json_bytes="hex"
)


class StoredKey(BaseModel):
    """One master key, or what remains of a destroyed one."""

    model_config = _SETTINGS

    version: int = Field(ge=1)
    created: AwareDatetime
    master: bytes | None = Field(min_length=KEY_BYTES, max_length=KEY_BYTES, repr=False)
    destroyed_at: AwareDatetime | None = None

    def destroyed(self, when: datetime) -> Self:
        """The same entry without its key."""
        return self.model_copy(update={"master": None, "destroyed_at": when})


class KeyFile(BaseModel):
    """All versions of one tenant, oldest first."""

    model_config = _SETTINGS

    notice: str = _NOTICE
    format: Literal[1] = 1
    keys: tuple[StoredKey, ...] = Field(min_length=1)


def require_private(mode: int) -> None:
    """Refuse what group or others may touch.

    Raises:
        KeystoreInsecure: any of their permission bits is set.
    """
    if mode & _OTHERS:
        raise KeystoreInsecure("the local keystore is accessible to other users: allow its owner only (0700, 0600)")


def read_key_file(path: Path) -> KeyFile | None:
    """Read a key file; None if there is none.

    Raises:
        KeystoreInsecure: others may read or write it.
        KeysUnavailable: it cannot be read, or is damaged.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeysUnavailable("the local keystore cannot be read") from error
    with open(descriptor, "rb") as file:
        require_private(os.fstat(descriptor).st_mode)
        content = file.read()
    try:
        return KeyFile.model_validate_json(content)
    except ValueError:
        # The cause could quote the file, and with it a key.
        raise KeysUnavailable("a file of the local keystore is damaged") from None


def replace_key_file(path: Path, content: KeyFile) -> None:
    """Replace a key file atomically and durably. The caller holds the keystore's lock.

    Raises:
        KeysUnavailable: it cannot be written.
    """
    # One fixed name: what a crash left behind holds keys, and must not outlive the next write.
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content.model_dump_json(indent=2).encode() + b"\n")
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise KeysUnavailable("the local keystore cannot be written") from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
