"""``GET /metrics``: what was measured; left out where measurements have a port of their own."""

from fastapi import APIRouter, Response

from service.api.desk import AtDesk
from service.metrics import CONTENT_TYPE

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Measurements, for Prometheus",
    response_class=Response,
    responses={200: {"description": "Text exposition format.", "content": {"text/plain": {}}}},
)
async def metrics(desk: AtDesk) -> Response:
    """Without tenants, subjects or records."""
    return Response(desk.metrics.render(), media_type=CONTENT_TYPE)
