"""The OpenAPI document: what FastAPI cannot see in routes that read their own forms."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Response
from pydantic import BaseModel

from service.api.schemas import (
    AnonymizedImage,
    ApprovalForm,
    Approved,
    ConsistencyProof,
    EntryPage,
    ErasedRecord,
    Found,
    InclusionProof,
    KnownRecord,
    Problem,
)

JsonObject = dict[str, Any]

_REFERENCE = "#/components/schemas/"
_SHARED = (
    AnonymizedImage,
    ApprovalForm,
    Approved,
    ConsistencyProof,
    EntryPage,
    ErasedRecord,
    Found,
    InclusionProof,
    KnownRecord,
    Problem,
)
_EXTRA_HEADERS: Mapping[int, tuple[str, str]] = {
    401: ("WWW-Authenticate", "Bearer, RFC 6750."),
    429: ("Retry-After", "Seconds."),
    503: ("Retry-After", "Seconds."),
}


def binary(*formats: str) -> dict[str, type[BaseModel] | None]:
    """Image files as content."""
    return {f"image/{name}": None for name in formats}


def header(description: str, **schema: object) -> JsonObject:
    """A header of an answer."""
    return {"description": description, "schema": {"type": "string", **schema}}


def operation(
    form: type[BaseModel],
    *,
    content: Mapping[str, type[BaseModel] | None],
    problems: tuple[int, ...],
    headers: Mapping[str, JsonObject] | None = None,
) -> JsonObject:
    """Keyword arguments of a route that takes a multipart form.

    Args:
        form: the fields besides the image.
        content: what the answer may be; None stands for bytes.
        problems: statuses of its errors.
        headers: of the answer.
    """
    plain = answers(content, problems, headers)
    plain["openapi_extra"]["requestBody"] = _body(form)
    return plain


def json_operation(
    form: type[BaseModel], answer: type[BaseModel], *, problems: tuple[int, ...], status: int
) -> JsonObject:
    """Keyword arguments of a route that takes and gives a JSON object."""
    plain = answers({"application/json": answer}, problems, status=status)
    content = {"application/json": {"schema": _schema(form, "")}}
    plain["openapi_extra"]["requestBody"] = {"required": True, "content": content}
    return plain


def answers(
    content: Mapping[str, type[BaseModel] | None],
    problems: tuple[int, ...],
    headers: Mapping[str, JsonObject] | None = None,
    status: int = 200,
) -> JsonObject:
    """Keyword arguments of any route that needs a token.

    Args:
        content: what the answer may be; None stands for bytes or plain text.
        problems: statuses of its errors.
        headers: of the answer.
        status: of the answer.
    """
    good: JsonObject = {
        "description": "Done.",
        "content": {kind: {"schema": _schema(model, kind)} for kind, model in content.items()},
    }
    if headers:
        good["headers"] = dict(headers)
    return {
        "response_class": Response,
        "response_model": None,
        "status_code": status,
        "responses": {status: good, **{number: _problem(number) for number in sorted(problems)}},
        "openapi_extra": {"security": [{"bearer": []}]},
    }


def complete(app: FastAPI) -> None:
    """Make ``app.openapi()`` give the complete document."""
    generate = app.openapi

    def openapi() -> JsonObject:
        if app.openapi_schema is None:
            _amend(generate())
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _amend(document: JsonObject) -> None:
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    schemas = components.setdefault("schemas", {})
    for model in _SHARED:
        schema = model.model_json_schema(ref_template=_REFERENCE + "{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema


def _schema(model: type[BaseModel] | None, kind: str) -> JsonObject:
    if model is not None:
        return {"$ref": _REFERENCE + model.__name__}
    return {"type": "string"} if kind.startswith("text/") else {"type": "string", "format": "binary"}


def _problem(status: int) -> JsonObject:
    answer: JsonObject = {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": _schema(Problem, "")}},
    }
    if status in _EXTRA_HEADERS:
        name, description = _EXTRA_HEADERS[status]
        answer["headers"] = {name: header(description)}
    return answer


def _body(form: type[BaseModel]) -> JsonObject:
    schema = form.model_json_schema()
    fields = {name: _field(field) for name, field in schema["properties"].items()}
    image = {"type": "string", "format": "binary", "description": "JPEG, PNG, WebP, TIFF or BMP."}
    whole = {
        "type": "object",
        "properties": {"image": image, **fields},
        "required": ["image", *schema.get("required", ())],
        "additionalProperties": False,
    }
    return {"required": True, "content": {"multipart/form-data": {"schema": whole}}}


def _field(field: JsonObject) -> JsonObject:
    """A field may be left out, but a form cannot say null; and a list in it is written as JSON."""
    kept = {key: value for key, value in field.items() if key not in ("anyOf", "title")}
    if kept.get("default", ...) in (None, [], ()):
        kept.pop("default", None)
    options = [option for option in field.get("anyOf", ()) if option != {"type": "null"}]
    return {**kept, **(options[0] if options else {})}
