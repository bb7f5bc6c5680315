"""The OpenAPI document: what FastAPI cannot see in routes that read their own forms."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Response
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel

from service.api.answers import Problem
from service.api.auth import scope_of
from service.api.problems import Kinds, responses_of

JsonObject = dict[str, Any]

_REFERENCE = "#/components/schemas/"
_referred: dict[str, type[BaseModel]] = {}
"""The models that routes refer to, by name: they become components of the document."""
_REQUEST_ID = (
    "Id of the request, in the log and in problems: the caller's own if it is 1 to 128 of letters, digits and `._:-`,"
    " otherwise one that is made."
)
_BEARER = "A token of `visard token create`, or a JWT of the identity provider that is configured."
_IMAGE_TYPES = "image/jpeg, image/png, image/webp, image/tiff, image/bmp"


def binary(*formats: str) -> dict[str, type[BaseModel] | None]:
    """Image files as content."""
    return {f"image/{name}": None for name in formats}


def header(description: str, **schema: object) -> JsonObject:
    """A header of an answer."""
    return {"description": description, "schema": {"type": "string", **schema}}


def header_parameter(name: str, description: str, **schema: object) -> JsonObject:
    """A header of a request."""
    return {"name": name, "in": "header", **header(description, **schema)}


def operation(
    form: type[BaseModel],
    *,
    content: Mapping[str, type[BaseModel] | None],
    problems: Kinds,
    headers: Mapping[str, JsonObject] | None = None,
    parameters: Sequence[JsonObject] = (),
) -> JsonObject:
    """Keyword arguments of a route that takes a multipart form.

    Args:
        form: the fields besides the image.
        content: what the answer may be; None stands for bytes.
        problems: how it fails.
        headers: of the answer.
        parameters: besides the form.
    """
    plain = answers(content, problems, headers)
    plain["openapi_extra"]["requestBody"] = _body(form)
    if parameters:
        plain["openapi_extra"]["parameters"] = list(parameters)
    return plain


def json_operation(form: type[BaseModel], answer: type[BaseModel], *, problems: Kinds, status: int) -> JsonObject:
    """Keyword arguments of a route that takes and gives a JSON object."""
    plain = answers({"application/json": answer}, problems, status=status)
    content = {"application/json": {"schema": _schema(form, "")}}
    plain["openapi_extra"]["requestBody"] = {"required": True, "content": content}
    return plain


def answers(
    content: Mapping[str, type[BaseModel] | None],
    problems: Kinds,
    headers: Mapping[str, JsonObject] | None = None,
    status: int = 200,
) -> JsonObject:
    """Keyword arguments of any route that needs a token.

    Args:
        content: what the answer may be; None stands for bytes or plain text.
        problems: how it fails.
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
        "responses": {status: good, **responses_of(problems, _schema(Problem, ""))},
        "openapi_extra": {},
    }


def complete(app: FastAPI) -> None:
    """Make ``app.openapi()`` give the complete document."""
    generate = app.openapi

    def openapi() -> JsonObject:
        if app.openapi_schema is None:
            _amend(generate(), iter_route_contexts(app.routes))
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _amend(document: JsonObject, routes: Iterable[RouteContext]) -> None:
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "description": _BEARER}}
    schemas = components.setdefault("schemas", {})
    for name, model in sorted(_referred.items()):
        schema = model.model_json_schema(ref_template=_REFERENCE + "{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = schema
    for operations in document["paths"].values():
        for one in operations.values():
            _name_request(one)
    for route in routes:
        _name_scope(route, document["paths"].get(route.path, {}))


def _name_scope(route: RouteContext, operations: JsonObject) -> None:
    """What the caller must be allowed (OpenAPI 3.1 lists roles here for any kind of scheme); read from the route."""
    scope = scope_of(route)
    if scope is not None:
        for method in route.methods or ():
            if method.lower() in operations:
                operations[method.lower()]["security"] = [{"bearer": [scope.value]}]


def _name_request(one: JsonObject) -> None:
    """The id of the request goes in and comes out everywhere."""
    given = header_parameter("X-Request-Id", _REQUEST_ID, examples=["upload-4711"])
    one.setdefault("parameters", []).append(given)
    for response in one["responses"].values():
        response.setdefault("headers", {})["X-Request-Id"] = header(_REQUEST_ID)


def _schema(model: type[BaseModel] | None, kind: str) -> JsonObject:
    if model is not None:
        _referred[model.__name__] = model
        return {"$ref": _REFERENCE + model.__name__}
    return {"type": "string"} if kind.startswith("text/") else {"type": "string", "format": "binary"}


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
    content = {"schema": whole, "encoding": {"image": {"contentType": _IMAGE_TYPES}}}
    return {"required": True, "content": {"multipart/form-data": content}}


def _field(field: JsonObject) -> JsonObject:
    """A field may be left out, but a form cannot say null; and a list in it is written as JSON."""
    kept = {key: value for key, value in field.items() if key not in ("anyOf", "title")}
    if kept.get("default", ...) in (None, [], ()):
        kept.pop("default", None)
    options = [option for option in field.get("anyOf", ()) if option != {"type": "null"}]
    choices = [choice for option in options for choice in option.get("enum", [option.get("const")])]
    if None not in choices and len(options) > 1:
        return {**kept, "type": "string", "enum": choices}
    return {**kept, **(options[0] if options else {})}
