"""Around every request: its id, what it holds, its log line, its metrics, its trace, and an answer whatever happens."""

import logging
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.desk import Desk
from service.api.errors import fault
from service.api.logs import REQUEST, about, place_of
from service.tracing import RequestTrace

_HEADER = "X-Request-Id"
_ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_UNMATCHED = "unmatched"
_PIECE = 64 << 10
_log = logging.getLogger("visard.access")


class Envelope:
    """The outermost layer, as plain ASGI: it neither buffers nor reads a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        desk: Desk = scope["app"].state.desk
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        with desk.tracing.request(headers) as trace, about(request_id, trace.id), ExitStack() as held:
            state["held"] = held
            await self._answer(scope, receive, send, desk, trace)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, desk: Desk, trace: RequestTrace) -> None:
        request_id = scope["state"]["request_id"]
        began, status = time.perf_counter(), 0
        desk.metrics.began()

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _stamp(MutableHeaders(scope=message), request_id)
            for piece in _pieces(message):
                await send(piece)

        try:
            await self._app(scope, receive, stamped)
        except Exception as error:  # noqa: BLE001
            _log_fault(error)
            if not status:
                await fault(request_id)(scope, receive, stamped)
        finally:
            _account(scope, desk, trace, status or 499, time.perf_counter() - began)


def _pieces(message: Message) -> Iterator[Message]:
    """A body in pieces: the server takes one when its caller has taken those before, and a whole one at once."""
    body, more = message.get("body", b""), message.get("more_body", False)
    if len(body) <= _PIECE:
        yield message
        return
    for start in range(0, len(body), _PIECE):
        end = start + _PIECE
        yield {**message, "body": body[start:end], "more_body": more or end < len(body)}


def _account(scope: Scope, desk: Desk, trace: RequestTrace, status: int, seconds: float) -> None:
    route, problem = getattr(scope.get("route"), "path", _UNMATCHED), scope["state"].get("problem")
    desk.metrics.answered(route, status, seconds)
    trace.answered(scope["method"], route, status, problem)
    fields = {
        "request": scope["state"]["request_id"],
        "method": scope["method"],
        "route": route,
        "status": status,
        "seconds": round(seconds, 4),
        "problem": problem,
        "client": scope["client"][0] if scope.get("client") else None,
    }
    _log.info("request", extra={"fields": fields})


def _request_id(headers: Headers) -> str:
    given = headers.get(_HEADER, "")
    return given if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex


def _stamp(headers: MutableHeaders, request_id: str) -> None:
    headers[_HEADER] = request_id
    # Answers hold faces: no cache may keep them, no browser may guess what they are.
    headers["Cache-Control"] = "no-store"
    headers["X-Content-Type-Options"] = "nosniff"


def _log_fault(error: Exception) -> None:
    # The text of a foreign exception may hold pixels, keys or URLs: where it happened must do.
    fields = {"request": REQUEST.get(), **place_of(type(error), error.__traceback__)}
    _log.error("fault", extra={"fields": fields})
