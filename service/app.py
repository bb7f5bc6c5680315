"""The composition root: builds every part from the settings, and nothing else does."""

from service.audit.log import AuditLog
from service.database.engine import make_engine
from service.database.migrate import upgrade
from service.engine import Engine
from service.errors import HomeUnusable
from service.faces.detection import CenterFaceDetector
from service.keys.local import LocalKeyStore
from service.operations.parts import Parts
from service.records.store import RecordStore
from service.settings import Settings
from service.weights.bundles import Bundles


def open_parts(settings: Settings) -> Parts:
    """The embedded set-up: SQLite, the local keystore and bundled weights below ``settings.home``.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        BundleInvalid: there are no usable weights.
        Unavailable: database or keystore cannot be opened.
    """
    home = settings.home
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnusable("VISARD_HOME cannot be made or is no directory") from error
    database = make_engine(f"sqlite:///{home / 'visard.db'}")
    upgrade(database)
    bundles = Bundles.open(settings.weights, settings.device)
    return Parts(
        detector=CenterFaceDetector(),
        bundles=bundles,
        engine=Engine(bundles),
        keys=LocalKeyStore(home / "keys"),
        records=RecordStore(database),
        audit=AuditLog(database),
    )
