"""Errors as problem documents (RFC 9457): the one table from domain errors to HTTP."""

import json
from dataclasses import dataclass
from typing import cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service import errors
from service.access.refusal import TokenRefused
from service.api.desk import desk_of
from service.errors import VisardError, code_of

MEDIA_TYPE = "application/problem+json"
_CHALLENGE = 'Bearer realm="visard"'


@dataclass(frozen=True, slots=True)
class Answer:
    """How a kind of error is answered.

    Attributes:
        status: of HTTP.
        slug: stable name; the error's own if None.
        detail: said instead of the error's message.
        retry_s: seconds after which trying again makes sense.
    """

    status: int
    slug: str | None = None
    detail: str | None = None
    retry_s: int | None = None


# A record of another tenant, one that was changed and one that never was must look the same.
_NO_RECORD = Answer(404, "record-unknown", "no record of this image was found")
_FAULT = Answer(500, "fault", "the service failed; the log knows more under the id of this request")

ANSWERS: dict[type[VisardError], Answer] = {
    errors.VisardError: _FAULT,
    errors.BadInput: Answer(400),
    errors.UnsupportedFormat: Answer(415),
    errors.ImageDamaged: Answer(422),
    errors.ImageTooLarge: Answer(413),
    errors.MultiFrame: Answer(422),
    errors.DepthUnsupported: Answer(422),
    errors.AlphaUnsupported: Answer(422),
    errors.RecordDamaged: Answer(422),
    errors.RecordTooLarge: Answer(422),
    errors.RecordVersionUnknown: Answer(422),
    errors.NoFaces: Answer(422),
    errors.SelectionInvalid: Answer(422),
    errors.TooManyFaces: Answer(422),
    errors.FormInvalid: Answer(422),
    errors.FormTypeUnsupported: Answer(415),
    errors.UploadTooLarge: Answer(413),
    errors.UploadTooSlow: Answer(408),
    errors.FileUnusable: Answer(400),
    errors.NameUnusable: Answer(400),
    errors.ManifestUnusable: Answer(400),
    errors.IdempotencyKeyInvalid: Answer(400),
    errors.IdempotencyKeyReused: Answer(422),
    errors.TenantInvalid: Answer(422),
    errors.PolicyInvalid: Answer(422),
    errors.ParameterInvalid: Answer(422),
    errors.ApprovalInvalid: Answer(422),
    errors.TokenInvalid: Answer(422),
    errors.ReasonInvalid: Answer(422),
    errors.AuditValueInvalid: Answer(422),
    errors.CheckpointInvalid: Answer(422),
    errors.PublicKeyInvalid: Answer(422),
    errors.AuditExportDamaged: Answer(422),
    errors.AuditRangeInvalid: Answer(422),
    errors.Refused: Answer(403),
    TokenRefused: Answer(401),
    errors.ScopeMissing: Answer(403),
    errors.RateExceeded: Answer(429),
    errors.RequestInProgress: Answer(409, retry_s=2),
    errors.AnswerGone: Answer(410),
    errors.TenantUnknown: Answer(403),
    errors.TenantExists: Answer(409),
    errors.TokenUnknown: Answer(404),
    errors.RecordUnknown: _NO_RECORD,
    errors.RecordRefused: _NO_RECORD,
    errors.KeyVersionUnknown: _NO_RECORD,
    errors.KeyDestroyed: Answer(410),
    errors.KeyHeldElsewhere: Answer(409),
    errors.KeysForbidden: Answer(403),
    errors.DestructionRefused: Answer(409),
    errors.AlreadyAnonymized: Answer(409),
    errors.RecordErased: Answer(410),
    errors.PolicyForbids: Answer(403),
    errors.ApprovalMissing: Answer(403),
    errors.RecordMismatch: Answer(409),
    errors.BundleUnknown: Answer(409),
    errors.AuditEntriesPresent: Answer(409),
    errors.AuditEntryUnknown: Answer(404),
    errors.Unavailable: Answer(503, retry_s=5),
    errors.IdentityProviderUnavailable: Answer(503, retry_s=10),
    errors.KeysUnavailable: Answer(503, retry_s=5),
    errors.KeystoreInsecure: Answer(503, retry_s=60),
    errors.DatabaseUnavailable: Answer(503, retry_s=5),
    errors.DatabaseOutdated: Answer(503, retry_s=60),
    errors.AuditUnavailable: Answer(503, retry_s=5),
    errors.AuditTampered: Answer(503, retry_s=60),
    errors.SigningKeyUnusable: Answer(503, retry_s=60),
    errors.CheckpointNotShipped: Answer(503, retry_s=5),
    errors.EngineBusy: Answer(429, retry_s=2),
    errors.EngineClosed: Answer(503, retry_s=5),
    errors.EngineUnavailable: Answer(503, retry_s=5),
    errors.FilesUnavailable: Answer(503, retry_s=5),
    # Nobody reads this one; the log and the metrics do.
    errors.CallerGone: Answer(499),
    errors.CheckpointUrlInvalid: _FAULT,
    errors.DatabaseUrlInvalid: _FAULT,
    errors.BundleInvalid: _FAULT,
    errors.PepperUnusable: _FAULT,
    errors.SettingsInvalid: _FAULT,
    errors.AddressUnusable: _FAULT,
    errors.NotForProduction: _FAULT,
    errors.HomeUnusable: _FAULT,
    errors.EvaluationUnavailable: _FAULT,
}
_STATUS_SLUGS = {404: "not-found", 405: "method-not-allowed"}


def problem(request_id: str, status: int, slug: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A problem document as an answer."""
    return Response(json.dumps(body_of(request_id, status, slug, detail)), status, headers, MEDIA_TYPE)


def body_of(request_id: str, status: int, slug: str, detail: str) -> dict[str, str | int]:
    """A problem document."""
    return {
        "type": f"urn:visard:problem:{slug}",
        "title": slug.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "instance": request_id,
    }


def fault(request_id: str) -> Response:
    """The answer to what nobody foresaw; it tells nothing."""
    return problem(request_id, _FAULT.status, "fault", _FAULT.detail or "")


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` as a problem."""
    app.add_exception_handler(VisardError, _domain)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _parameters)


async def _domain(request: Request, error: Exception) -> Response:
    known = cast(VisardError, error)
    answer = next(ANSWERS[kind] for kind in type(known).__mro__ if kind in ANSWERS)
    metrics = desk_of(request).metrics
    if isinstance(known, errors.AuditUnavailable):
        metrics.audit_failed()
    if isinstance(known, errors.KeysUnavailable | errors.KeysForbidden):
        metrics.keys_failed()
    slug, detail = answer.slug or code_of(type(known)), answer.detail or str(known)
    request.state.problem = slug
    return problem(request.state.request_id, answer.status, slug, detail, _headers(known, answer))


def _headers(error: VisardError, answer: Answer) -> dict[str, str]:
    retry_s = error.retry_s if isinstance(error, errors.RateExceeded) else answer.retry_s
    if retry_s is not None:
        return {"Retry-After": str(retry_s)}
    if isinstance(error, TokenRefused):
        return {"WWW-Authenticate": _CHALLENGE}
    if isinstance(error, errors.ScopeMissing):
        return {"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope"'}
    return {}


async def _http(request: Request, error: Exception) -> Response:
    raised = cast(HTTPException, error)
    slug = _STATUS_SLUGS.get(raised.status_code, "http-error")
    detail = "there is nothing here" if raised.status_code == 404 else slug.replace("-", " ")
    return problem(request.state.request_id, raised.status_code, slug, detail, dict(raised.headers or {}))


async def _parameters(request: Request, error: Exception) -> Response:
    first = cast(RequestValidationError, error).errors()[0]
    detail = f"the parameter '{first['loc'][-1]}': {first['msg']}"
    return await _domain(request, errors.ParameterInvalid(detail))
