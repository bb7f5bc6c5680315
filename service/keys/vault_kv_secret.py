"""What Vault's KV engine, version 2, says of our secrets."""

import base64
from typing import Any

from pydantic import AwareDatetime, Base64Bytes, BaseModel, Field, ValidationError, field_validator

from service.keys.derive import KEY_BYTES


class SecretState(BaseModel):
    """What became of a secret: of the first version of it, the only one that we write.

    Attributes:
        created_time: by Vault's clock.
        deletion_time: when it was or will be deleted, which can be undone; None if never.
        destroyed: for good.
        numbers: of all versions there are, the foreign ones among them.
    """

    created_time: AwareDatetime
    deletion_time: AwareDatetime | None
    destroyed: bool
    numbers: list[int] = []

    @field_validator("deletion_time", mode="before")
    @classmethod
    def _never(cls, value: Any) -> Any:
        return None if value == "" else value


def content(master: bytes) -> dict[str, str]:
    """What to write."""
    return {"key": base64.b64encode(master).decode()}


def key_in(answer: Any) -> bytes:
    """The master key in an answer, 32 bytes.

    Raises:
        ValueError: the answer is not as documented, or the secret is none of ours.
    """
    return _Secret.model_validate(answer).data.data.key


def names_in(answer: Any) -> list[str]:
    """The names in a listing.

    Raises:
        ValueError: the answer is not as documented.
    """
    return _Listing.model_validate(answer).data.keys


def state_in(answer: Any) -> SecretState:
    """The state in the metadata of a secret.

    Raises:
        ValueError, LookupError: the answer is not as documented.
    """
    versions = _Metadata.model_validate(answer).data.versions
    return versions[1].model_copy(update={"numbers": sorted(versions)})


def state_of_missing(body: Any) -> SecretState | None:
    """What the answer about a version that is not there says of it; None if it says nothing."""
    try:
        return _Missing.model_validate(body).data.metadata
    except ValidationError:
        return None


class _Key(BaseModel, hide_input_in_errors=True):
    key: Base64Bytes = Field(repr=False)

    @field_validator("key")
    @classmethod
    def _whole(cls, value: bytes) -> bytes:
        if len(value) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        return value


class _SecretData(BaseModel, hide_input_in_errors=True):
    data: _Key


class _Secret(BaseModel, hide_input_in_errors=True):
    data: _SecretData


class _Names(BaseModel):
    keys: list[str]


class _Listing(BaseModel):
    data: _Names


class _Versions(BaseModel):
    versions: dict[int, SecretState]


class _Metadata(BaseModel):
    data: _Versions


class _Gone(BaseModel):
    metadata: SecretState


class _Missing(BaseModel):
    data: _Gone
