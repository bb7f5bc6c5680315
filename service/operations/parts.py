"""What the operations work with; built once by the composition root."""

from dataclasses import dataclass
from typing import Protocol

from service.access.approvals import ApprovalStore
from service.access.tenants import TenantStore
from service.audit.log import AuditLog
from service.audit.proofs import AuditProofs
from service.audit.reading import AuditReader
from service.engine import EngineRoom
from service.faces.detection import Detector
from service.imaging import Limits
from service.keys.provider import KeyProvider
from service.operations.books import Afterwards, at_once
from service.operations.phases import NOBODY, Observer
from service.records.store import RecordStore
from service.weights.bundles import Bundles


class Studio(Protocol):
    """The parts that draw, which need neither database nor keys: all that a machine of a cluster has."""

    @property
    def detector(self) -> Detector:
        """Finds faces."""
        ...

    @property
    def bundles(self) -> Bundles:
        """The weights."""
        ...

    @property
    def engine(self) -> EngineRoom:
        """Carries faces."""
        ...

    @property
    def limits(self) -> Limits:
        """Of an image file."""
        ...

    @property
    def max_faces(self) -> int | None:
        """That are replaced in one image; any number if None."""
        ...

    @property
    def observer(self) -> Observer:
        """Is told how long the phases take."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The rooms an operation goes through.

    Attributes:
        limits: of an image file.
        max_faces: that are replaced in one image; any number if None.
        observer: is told how long the phases of an operation take.
        afterwards: runs what must not be waited for by the caller; where nobody waits it may run at once.
    """

    detector: Detector
    bundles: Bundles
    engine: EngineRoom
    keys: KeyProvider
    tenants: TenantStore
    approvals: ApprovalStore
    records: RecordStore
    audit: AuditLog
    audits: AuditReader
    proofs: AuditProofs
    limits: Limits = Limits()
    max_faces: int | None = None
    observer: Observer = NOBODY
    afterwards: Afterwards = at_once
