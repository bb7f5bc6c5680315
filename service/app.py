"""The composition root: builds every part from the settings, and nothing else does."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace

from fastapi import FastAPI
from sqlalchemy import Engine as DatabaseEngine

from service import __version__
from service.access.pepper import read_or_make_pepper
from service.access.tenants import TenantStore
from service.access.tokens import TokenStore
from service.api import Desk, UploadLimits, create_api
from service.api.readiness import Readiness
from service.api.workers import Workers
from service.audit.log import AuditLog
from service.audit.shipping import FileShipper
from service.audit.signing import load_or_create_signing_key, load_signing_key
from service.database.engine import make_engine
from service.database.migrate import require_current, upgrade
from service.engine import Engine
from service.errors import EngineClosed, NotForProduction, Refused, VisardError
from service.faces.detection import CenterFaceDetector
from service.imaging import Limits
from service.keys.provider import KeyProvider
from service.keystore import open_keys
from service.metrics import Metrics
from service.operations.parts import Parts
from service.records.store import RecordStore
from service.settings import Settings, made_home
from service.weights.bundles import Bundles

_NOBODY = "nobody"
_SIGNING_KEY = "audit-signing-key.pem"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what, and the keys of those it is about."""

    tenants: TenantStore
    tokens: TokenStore
    keys: KeyProvider


@dataclass(frozen=True, slots=True)
class Custody:
    """The keys of tenants, what hangs on them, and where their destruction is written down."""

    keys: KeyProvider
    records: RecordStore
    audit: AuditLog


def open_parts(settings: Settings, *, serving: bool = False) -> Parts:
    """What the verbs need: the database, the custodian of keys and weights.

    Args:
        serving: for longer than one command, see ``open_keys``.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        DatabaseUrlInvalid: the configured database is of no known kind.
        BundleInvalid: there are no usable weights.
        SettingsInvalid: settings of the key custody are missing or do not fit together.
        Unavailable: database or keystore cannot be opened.
    """
    database = _open_database(settings)
    bundles = Bundles.open(settings.weights, settings.device)
    return Parts(
        detector=CenterFaceDetector(),
        bundles=bundles,
        engine=Engine(bundles),
        keys=open_keys(settings, serving=serving),
        records=RecordStore(database),
        audit=_open_audit(settings, database),
    )


@contextmanager
def open_access(settings: Settings) -> Iterator[Access]:
    """What administration and authentication need, neither weights nor a detector; closed behind the block.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        DatabaseUrlInvalid: the configured database is of no known kind.
        PepperUnusable: the key that hashes tokens cannot be made or used.
        SettingsInvalid: settings of the key custody are missing or do not fit together.
        Unavailable: database or keystore cannot be opened.
    """
    database = _open_database(settings)
    try:
        pepper = read_or_make_pepper(settings.home / "token-pepper")
        with closing(open_keys(settings)) as keys:
            yield Access(TenantStore(database), TokenStore(database, pepper), keys)
    finally:
        database.dispose()


@contextmanager
def open_custody(settings: Settings) -> Iterator[Custody]:
    """What looking after keys needs; closed behind the block.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        DatabaseUrlInvalid: the configured database is of no known kind.
        SettingsInvalid: settings of the key custody are missing or do not fit together.
        Unavailable: database, keystore or the signing key of the audit log cannot be opened.
    """
    database = _open_database(settings)
    try:
        with closing(open_keys(settings)) as keys:
            yield Custody(keys, RecordStore(database), _open_audit(settings, database))
    finally:
        database.dispose()


def open_audit_database(settings: Settings) -> DatabaseEngine:
    """What reading and verifying the audit log needs.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        DatabaseUrlInvalid: the configured database is of no known kind.
        Unavailable: the database cannot be opened.
    """
    return _open_database(settings)


def audit_public_key(settings: Settings) -> bytes | None:
    """The key (32 bytes, Ed25519) this installation's checkpoints are verified with; None before the first entry.

    Raises:
        SigningKeyUnusable: there is a signing key, but not a usable one.
    """
    signer = load_signing_key(settings.home / _SIGNING_KEY)
    return None if signer is None else signer.public_key


def create_app(settings: Settings) -> FastAPI:
    """The HTTP service; what it opens is closed at the end of its lifespan.

    Raises:
        NotForProduction: ``settings.env`` is production, and a part is for development only.
        VisardError: as for ``open_parts`` and ``open_access``.
    """
    unfit = embedded_defaults(settings)
    if settings.env == "production" and unfit:
        raise NotForProduction(f"VISARD_ENV=production, but {' and '.join(unfit)}")
    with ExitStack() as opened:
        access = opened.enter_context(open_access(settings))
        desk = _desk(settings, open_parts(settings, serving=True), access)
        for close in (desk.parts.keys.close, desk.readiness.close, desk.workers.close, desk.parts.engine.close):
            opened.callback(close)
        return create_api(desk, opened.pop_all().close)


def embedded_defaults(settings: Settings) -> list[str]:
    """What of the configuration is for development only."""
    unfit = []
    if settings.keystore == "local":
        unfit.append("the keys are in the local keystore, readable by whoever reads its files")
    if settings.database_url is None or settings.database_url.get_secret_value().startswith("sqlite"):
        unfit.append("the database is SQLite")
    return unfit


def _desk(settings: Settings, parts: Parts, access: Access) -> Desk:
    bundles = parts.bundles
    metrics = Metrics(__version__, bundles.default.digest.hex())
    engine = Engine(bundles, settings.queue_limit, metrics)
    metrics.watch_queue(lambda: engine.waiting)
    limits = Limits(settings.max_upload_bytes, settings.max_pixels)
    parts = replace(parts, engine=engine, limits=limits)
    return Desk(
        parts=parts,
        tokens=access.tokens,
        tenants=access.tenants,
        metrics=metrics,
        workers=Workers(settings.operations, settings.admitted),
        readiness=Readiness(
            {
                "database": lambda: _answers(lambda: access.tenants.get(_NOBODY)),
                "keys": parts.keys.check,
                "engine": lambda: _runs(engine),
                "weights": lambda: bundles.denoiser(bundles.default.digest),
            }
        ),
        limits=UploadLimits(settings.max_upload_bytes, settings.upload_timeout),
    )


def _answers(ask: Callable[[], object]) -> None:
    """A refusal is an answer too."""
    with suppress(Refused):
        ask()


def _runs(engine: Engine) -> None:
    if not engine.alive:
        raise EngineClosed("the engine does not run")


def migrate(settings: Settings) -> list[str]:
    """Bring the configured database to the schema of this version; returns what was applied.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        DatabaseUrlInvalid: the configured database is of no known kind.
        DatabaseUnavailable: it does not answer, or belongs to another version.
    """
    database = _connect(settings)
    try:
        return upgrade(database)
    finally:
        database.dispose()


def _open_database(settings: Settings) -> DatabaseEngine:
    """The embedded one is migrated on the way; another may need rights for that which are not ours to use."""
    database = _connect(settings)
    try:
        if settings.database_url is None:
            upgrade(database)
        else:
            require_current(database)
    except VisardError:
        database.dispose()
        raise
    return database


def _connect(settings: Settings) -> DatabaseEngine:
    home = made_home(settings)
    if settings.database_url is not None:
        return make_engine(settings.database_url.get_secret_value())
    return make_engine(f"sqlite:///{home / 'visard.db'}")


def _open_audit(settings: Settings, database: DatabaseEngine) -> AuditLog:
    home = made_home(settings)
    return AuditLog(database, load_or_create_signing_key(home / _SIGNING_KEY), FileShipper(home / "audit-checkpoints"))
