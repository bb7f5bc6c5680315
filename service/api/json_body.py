"""A small JSON body, read after the caller is known; FastAPI would read it before."""

import asyncio
import json
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from service.api.forms import Form
from service.errors import CallerGone, FormInvalid, FormTypeUnsupported, UploadTooLarge, UploadTooSlow

_MAX_BYTES = 64 << 10
_F = TypeVar("_F", bound=Form)


async def read_json(request: Request, form: type[_F], seconds: float) -> _F:
    """Read and validate a JSON object of at most 64 KiB.

    Args:
        form: its fields.
        seconds: it may take to arrive.

    Raises:
        FormTypeUnsupported: the body is something else, or compressed.
        FormInvalid: it is no JSON object, or a field is unknown, missing or wrong.
        UploadTooLarge: it exceeds the limit; the rest is not read.
        UploadTooSlow: it did not arrive in time.
        CallerGone: the client left.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or request.headers.get("content-encoding", "identity") != "identity":
        raise FormTypeUnsupported("send the fields as application/json, not compressed")
    try:
        async with asyncio.timeout(seconds):
            body = await _bounded(request)
    except TimeoutError:
        raise UploadTooSlow("the request body did not arrive in time") from None
    except ClientDisconnect:
        raise CallerGone("the caller did not send the whole request") from None
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise FormInvalid("the body is no JSON") from None
    if not isinstance(fields, dict):
        raise FormInvalid("the body is no JSON object")
    return form.of(fields)


async def _bounded(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > _MAX_BYTES:
            raise UploadTooLarge(f"the request body is larger than {_MAX_BYTES} bytes")
        body += chunk
    return bytes(body)
