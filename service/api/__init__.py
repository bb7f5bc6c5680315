"""The only room that knows HTTP."""

from service.api.desk import Desk, UploadLimits
from service.api.routes import create_api, openapi_document

__all__ = ["Desk", "UploadLimits", "create_api", "openapi_document"]
