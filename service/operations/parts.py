"""What the operations work with; built once by the composition root."""

from dataclasses import dataclass

from service.audit.log import AuditLog
from service.engine import Engine
from service.faces.detection import Detector
from service.imaging import Limits
from service.keys.provider import KeyProvider
from service.operations.phases import NOBODY, Observer
from service.records.store import RecordStore
from service.weights.bundles import Bundles


@dataclass(frozen=True, slots=True)
class Parts:
    """The rooms an operation goes through.

    Attributes:
        limits: of an image file.
        max_faces: that are replaced in one image; any number if None.
        observer: is told how long the phases of an operation take.
    """

    detector: Detector
    bundles: Bundles
    engine: Engine
    keys: KeyProvider
    records: RecordStore
    audit: AuditLog
    limits: Limits = Limits()
    max_faces: int | None = None
    observer: Observer = NOBODY
