"""The application: every route, and what is around them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from service import __version__
from service.api import anonymize, approvals, audit, detect, errors, health, metrics, openapi, records, recover
from service.api.desk import Desk
from service.api.middleware import Envelope

_Lifespan = Callable[[FastAPI], Any]
# FastAPI's own would send paths, which hold the ids of records, and texts of exceptions, which may hold anything.
# What is traced is in `service.tracing`.
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def create_api(
    desk: Desk,
    close: Callable[[], None] = lambda: None,
    start: Callable[[], None] = lambda: None,
    *,
    with_metrics: bool = True,
) -> FastAPI:
    """The service over HTTP.

    Args:
        desk: what its routes work with.
        close: called once, after the last answer.
        start: called once, before the first.
        with_metrics: whether measurements are among the routes.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        start()
        yield
        # Off the loop, which goes on meanwhile: what ends last tells it so, and signals are heard.
        await asyncio.to_thread(close)

    app = _application(lifespan, with_metrics)
    app.state.desk = desk
    return app


def openapi_document() -> dict[str, Any]:
    """What ``/openapi.json`` answers."""
    return _application(None, True).openapi()


def _application(lifespan: _Lifespan | None, with_metrics: bool) -> FastAPI:
    app = FastAPI(
        title="Visard",
        version=__version__,
        description="Reversible face anonymization.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    for room in (anonymize, detect, recover, audit, approvals, records, health):
        app.include_router(room.router)
    if with_metrics:
        app.include_router(metrics.router)
    app.add_middleware(Envelope)
    errors.install(app)
    openapi.complete(app)
    return app
