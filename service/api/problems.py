"""The errors of each kind of route, as the OpenAPI document shows them: by status, each with an example."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from service import errors
from service.access.refusal import TokenRefused
from service.api.errors import ANSWERS, MEDIA_TYPE, body_of
from service.errors import VisardError, code_of

JsonObject = dict[str, Any]
Kinds = tuple[type[VisardError], ...]

CALLER: Kinds = (
    TokenRefused,
    errors.ScopeMissing,
    errors.RateExceeded,
    errors.EngineBusy,
    errors.IdentityProviderUnavailable,
    errors.DatabaseUnavailable,
    errors.VisardError,
)
"""Of every route that needs a token."""

UPLOAD: Kinds = (
    errors.FormTypeUnsupported,
    errors.FormInvalid,
    errors.UploadTooLarge,
    errors.UploadTooSlow,
    errors.UnsupportedFormat,
    errors.ImageDamaged,
    errors.ImageTooLarge,
    errors.MultiFrame,
    errors.RecordDamaged,
)
"""Of every route that takes an image."""

KEYS: Kinds = (
    errors.KeysForbidden,
    errors.KeysUnavailable,
    errors.KeystoreInsecure,
    errors.EngineClosed,
    errors.EngineUnavailable,
)
"""Of every route that needs keys and the device."""

ANONYMIZE: Kinds = (
    *CALLER,
    *UPLOAD,
    *KEYS,
    errors.NoFaces,
    errors.TooManyFaces,
    errors.SelectionInvalid,
    errors.DepthUnsupported,
    errors.AlphaUnsupported,
    errors.RecordTooLarge,
    errors.AlreadyAnonymized,
    errors.IdempotencyKeyInvalid,
    errors.IdempotencyKeyReused,
    errors.RequestInProgress,
    errors.AnswerGone,
    errors.TenantUnknown,
    errors.KeyDestroyed,
    errors.PolicyForbids,
)
DETECT: Kinds = (*CALLER, *UPLOAD)
RECOVER: Kinds = (
    *CALLER,
    *UPLOAD,
    *KEYS,
    errors.ReasonInvalid,
    errors.SelectionInvalid,
    errors.RecordVersionUnknown,
    errors.RecordUnknown,
    errors.RecordMismatch,
    errors.BundleUnknown,
    errors.AuditUnavailable,
    errors.AuditTampered,
    errors.RecordErased,
    errors.KeyDestroyed,
    errors.KeyHeldElsewhere,
    errors.ApprovalMissing,
)
AUDIT: Kinds = (*CALLER, errors.ParameterInvalid, errors.AuditRangeInvalid, errors.AuditEntryUnknown)
RECORDS: Kinds = (
    *CALLER,
    errors.ParameterInvalid,
    errors.RecordUnknown,
    errors.RecordErased,
    errors.AuditUnavailable,
    errors.AuditTampered,
)
APPROVALS: Kinds = (
    *CALLER,
    errors.FormTypeUnsupported,
    errors.FormInvalid,
    errors.UploadTooLarge,
    errors.UploadTooSlow,
    errors.ApprovalInvalid,
    errors.ReasonInvalid,
    errors.RecordUnknown,
    errors.RecordErased,
    errors.AuditUnavailable,
    errors.AuditTampered,
)

_REQUEST = "0b9c1e6c3a1f4f7d9a52d0c1b7f5e3a8"


def responses_of(kinds: Iterable[type[VisardError]], schema: JsonObject) -> dict[int, JsonObject]:
    """The responses of an operation that may fail in these ways, by status.

    Args:
        kinds: see ``ANSWERS``.
        schema: of a problem.
    """
    found: dict[int, list[type[VisardError]]] = {}
    for kind in kinds:
        found.setdefault(ANSWERS[kind].status, []).append(kind)
    return {status: _response(status, schema, of_status) for status, of_status in sorted(found.items())}


def _example(kind: type[VisardError]) -> dict[str, JsonObject]:
    answer = ANSWERS[kind]
    slug = answer.slug or code_of(kind)
    meaning = (kind.__doc__ or "").partition("\n")[0]
    return {slug: {"summary": meaning, "value": body_of(_REQUEST, answer.status, slug, answer.detail or meaning)}}


def _response(status: int, schema: JsonObject, kinds: list[type[VisardError]]) -> JsonObject:
    examples = {slug: example for kind in kinds for slug, example in _example(kind).items()}
    return {
        "description": HTTPStatus(status).phrase,
        "headers": {name: header for kind in kinds for name, header in _headers(kind).items()},
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }


def _headers(kind: type[VisardError]) -> JsonObject:
    if kind in (TokenRefused, errors.ScopeMissing):
        return {"WWW-Authenticate": {"description": "Bearer, RFC 6750.", "schema": {"type": "string"}}}
    if kind is errors.RateExceeded or ANSWERS[kind].retry_s is not None:
        return {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
    return {}
