"""Whether the process lives, and whether it is ready."""

from typing import Any

from fastapi import APIRouter, Response

from service.api.answers import Health
from service.api.desk import AtDesk

router = APIRouter(tags=["health"])

_NOT_READY: dict[int | str, dict[str, Any]] = {503: {"description": "Not ready.", "model": Health}}


@router.get("/livez", operation_id="livez", summary="Is the process alive? Consults nothing")
async def livez() -> Health:
    """Always well."""
    return Health(status="ok")


@router.get("/readyz", operation_id="readyz", summary="Should requests come here?", responses=_NOT_READY)
async def readyz(desk: AtDesk, response: Response) -> Health:
    """Well when every part is, and shutdown has not begun."""
    parts = await desk.readiness.parts()
    well = all(parts.values()) and not desk.readiness.draining
    if not well:
        response.status_code = 503
    return Health(
        status="draining" if desk.readiness.draining else "ok" if well else "unavailable",
        parts={part: "ok" if fine else "unavailable" for part, fine in parts.items()},
    )


@router.get("/healthz", operation_id="healthz", summary="The same as /readyz", responses=_NOT_READY)
async def healthz(desk: AtDesk, response: Response) -> Health:
    """For those who ask for it under this name."""
    return await readyz(desk, response)
