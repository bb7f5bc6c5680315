"""The file a local keystore keeps per tenant: JSON, owner-only, replaced as a whole or not at all."""

from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from service.errors import KeystoreInsecure, KeysUnavailable
from service.keys.derive import KEY_BYTES
from service.private_files import OpenToOthers, read_private, replace_durably

_NOTICE = "NOT FOR PRODUCTION: master keys of a local Visard keystore, for development only."
_WRAPPED_BYTES = KEY_BYTES + 12 + 16
INSECURE = "the local keystore is accessible to other users: allow its owner only (0700, 0600)"
_SETTINGS = ConfigDict(
    frozen=True, extra="forbid", hide_input_in_errors=True, ser_json_bytes="hex", val_json_bytes="hex"
)


class StoredKey(BaseModel):
    """One master key, as it is or wrapped with a passphrase, or what remains of a destroyed one."""

    model_config = _SETTINGS

    version: int = Field(ge=1)
    created: AwareDatetime
    master: bytes | None = Field(min_length=KEY_BYTES, max_length=KEY_BYTES, repr=False)
    wrapped: bytes | None = Field(default=None, min_length=_WRAPPED_BYTES, max_length=_WRAPPED_BYTES, repr=False)
    destroyed_at: AwareDatetime | None = None

    def destroyed(self, when: datetime) -> Self:
        """The same entry without its key."""
        return self.model_copy(update={"master": None, "wrapped": None, "destroyed_at": when})

    @property
    def gone(self) -> bool:
        """Whether the key was destroyed."""
        return self.master is None and self.wrapped is None


class KeyFile(BaseModel):
    """All versions of one tenant, oldest first."""

    model_config = _SETTINGS

    notice: str = _NOTICE
    format: Literal[1] = 1
    keys: tuple[StoredKey, ...] = Field(min_length=1)


def read_key_file(path: Path) -> KeyFile | None:
    """Read a key file; None if there is none.

    Raises:
        KeystoreInsecure: others may read or write it.
        KeysUnavailable: it cannot be read, or is damaged.
    """
    try:
        content = read_private(path)
    except OpenToOthers as error:
        raise KeystoreInsecure(INSECURE) from error
    except OSError as error:
        raise KeysUnavailable("the local keystore cannot be read") from error
    if content is None:
        return None
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
    try:
        replace_durably(path, content.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        raise KeysUnavailable("the local keystore cannot be written") from error
