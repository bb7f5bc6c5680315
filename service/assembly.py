"""How what draws is built from the settings: the parts of the verbs, the engine, the cluster."""

from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import Engine as DatabaseEngine

from service.access.approvals import ApprovalStore
from service.access.tenants import TenantStore
from service.administration import open_audit
from service.audit.proofs import AuditProofs
from service.audit.reading import AuditReader
from service.audit.signing import Signer
from service.cluster.connection import LOCAL, Connection, connect
from service.cluster.connection import Access as ClusterAccess
from service.datastore import open_database
from service.engine import Engine, EngineRoom, Observer
from service.engine.observer import NOBODY
from service.errors import SettingsInvalid
from service.faces.detection import CenterFaceDetector
from service.imaging import Limits
from service.keys.provider import KeyProvider
from service.keystore import open_keys
from service.operations.parts import Parts
from service.records.store import RecordStore
from service.settings import Settings
from service.signer import open_signer
from service.transport import is_this_machine
from service.weights.bundles import Bundles

_QUEUE_LIMIT = 64


def open_parts(settings: Settings, queue_limit: int = _QUEUE_LIMIT) -> Parts:
    """What the verbs need: the database, the custodian of keys and weights.

    Args:
        queue_limit: requests that may wait for the engine.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        DatabaseUrlInvalid: the configured database is of no known kind.
        BundleInvalid: there are no usable weights.
        SettingsInvalid: settings of the key custody or the engine are missing or do not fit together.
        Unavailable: database, engine or keystore cannot be opened.
    """
    # What it opens ends with the process.
    signer = open_signer(settings, ExitStack())
    bundles = Bundles.open(settings.weights, settings.device)
    engine = open_engine(settings, bundles, queue_limit)
    return assemble(settings, open_database(settings), open_keys(settings), signer, bundles, engine)


def open_engine(
    settings: Settings, bundles: Bundles, queue_limit: int = _QUEUE_LIMIT, observer: Observer = NOBODY
) -> EngineRoom:
    """The configured engine.

    Args:
        queue_limit: requests that may wait for it.
        observer: is told what it does.

    Raises:
        SettingsInvalid: Ray is not installed, or its token is missing.
        EngineUnavailable: the cluster does not answer, or nothing is deployed on it.
    """
    if settings.engine == "local":
        return Engine(bundles, queue_limit, observer)
    connection = join_cluster(settings, settings.ray_address)
    from service.cluster.room import RayRoom

    return RayRoom(queue_limit, observer, connection.close)


def join_cluster(settings: Settings, address: str) -> Connection:
    """Connect this process to a Ray cluster.

    Raises:
        SettingsInvalid: Ray is not installed, or its token is missing.
        EngineUnavailable: the cluster does not answer, or refuses the token.
    """
    return connect(cluster_access(settings, address))


def weights_on_nodes(settings: Settings) -> Path | None:
    """The configured weights as processes find them that run in another folder."""
    weights = settings.weights
    return weights.absolute() if weights is not None and weights.exists() else weights


def cluster_access(settings: Settings, address: str) -> ClusterAccess:
    """How a Ray cluster is reached.

    Raises:
        SettingsInvalid: a token is needed, and there is none.
    """
    token = settings.ray_token
    here = address == LOCAL or is_this_machine(address.rpartition(":")[0].strip("[]"))
    if token is None and address != LOCAL and not (here and settings.env == "development"):
        raise SettingsInvalid("VISARD_RAY_TOKEN is needed: without it, everybody may run programs on the cluster")
    return ClusterAccess(address, None if token is None else token.get_secret_value())


def assemble(
    settings: Settings,
    database: DatabaseEngine,
    keys: KeyProvider,
    signer: Signer,
    bundles: Bundles,
    engine: EngineRoom,
) -> Parts:
    """The parts around a database, a custodian of keys, who signs the audit log, and an engine.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
    """
    return Parts(
        detector=CenterFaceDetector(),
        bundles=bundles,
        engine=engine,
        keys=keys,
        tenants=TenantStore(database),
        approvals=ApprovalStore(database),
        records=RecordStore(database),
        audit=open_audit(settings, database, signer),
        audits=AuditReader(database),
        proofs=AuditProofs(database),
        limits=Limits(settings.max_upload_bytes, settings.max_pixels),
        max_faces=settings.max_faces,
    )
