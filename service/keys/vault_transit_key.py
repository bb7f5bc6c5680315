"""What Vault's transit engine says of a key, and what that means for its versions."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from service.keys.derive import KEY_BYTES
from service.keys.provider import KeyVersion


class TransitKey(BaseModel):
    """A named key.

    Attributes:
        keys: when each version was made, Unix time; without those below ``min_decryption_version``.
        min_encryption_version: versions below make no HMAC; 0 if there is no limit.
        min_decryption_version: of no use to us, but trimming asks for it.
        min_available_version: versions below were trimmed, for good; 0 or 1 if none were.
    """

    keys: dict[int, int] = Field(min_length=1)
    min_encryption_version: int = 0
    min_decryption_version: int = 1
    min_available_version: int = 0

    @property
    def latest(self) -> int:
        """The newest version."""
        return max(self.keys)

    @property
    def first(self) -> int:
        """The oldest version that was not trimmed."""
        return max(1, self.min_available_version)

    def listed(self, version: int) -> KeyVersion:
        """One version, as ``KeyProvider.versions`` lists it."""
        made = self.keys.get(version)
        destroyed = version < self.first
        return KeyVersion(
            version,
            None if made is None else datetime.fromtimestamp(made, UTC),
            destroyed,
            withheld=not destroyed and version < self.min_encryption_version,
        )


def key_of(answer: Any) -> TransitKey:
    """The key in an answer.

    Raises:
        ValueError: the answer is not as documented.
    """
    return _KeyAnswer.model_validate(answer).data


def mac_of(answer: Mapping[str, Any], version: int) -> bytes:
    """The 32 bytes of an HMAC-SHA256, written ``vault:vVERSION:BASE64``.

    Raises:
        ValueError: the answer is not as documented, or another version made it.
    """
    prefix, _, encoded = _MacAnswer.model_validate(answer).data.hmac.rpartition(":")
    mac = base64.b64decode(encoded, validate=True)
    if prefix != f"vault:v{version}" or len(mac) != KEY_BYTES:
        raise ValueError("not the HMAC that was asked for")
    return mac


class _KeyAnswer(BaseModel):
    data: TransitKey


class _Mac(BaseModel, hide_input_in_errors=True):
    hmac: str = Field(repr=False)


class _MacAnswer(BaseModel, hide_input_in_errors=True):
    data: _Mac
