"""The composition root: builds every part from the settings, and nothing else does."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI
from sqlalchemy import Engine as DatabaseEngine

from service import __version__
from service.access.jwks import KeySet
from service.access.jwks_fetch import fetch_jwks
from service.access.oidc import OidcTokens, Rules
from service.access.pepper import read_or_make_pepper
from service.access.quota import Quota
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
from service.errors import AddressUnusable, EngineClosed, HomeUnusable, NotForProduction, Refused, VisardError
from service.faces.detection import CenterFaceDetector
from service.imaging import Limits
from service.keys.local import LocalKeyStore
from service.keys.provider import KeyProvider
from service.metrics import Metrics
from service.operations.parts import Parts
from service.records.store import RecordStore
from service.replays import ReplayStore
from service.settings import Settings
from service.weights.bundles import Bundles

_NOBODY = "nobody"
_SIGNING_KEY = "audit-signing-key.pem"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what and how often, what they were answered, and the keys of those it is about."""

    tenants: TenantStore
    tokens: TokenStore
    keys: KeyProvider
    quota: Quota | None
    replays: ReplayStore


def open_parts(settings: Settings) -> Parts:
    """What the verbs need: the database, the local keystore and weights.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        DatabaseUrlInvalid: the configured database is of no known kind.
        BundleInvalid: there are no usable weights.
        Unavailable: database or keystore cannot be opened.
    """
    database = _open_database(settings)
    bundles = Bundles.open(settings.weights, settings.device)
    return Parts(
        detector=CenterFaceDetector(),
        bundles=bundles,
        engine=Engine(bundles),
        keys=_open_keys(settings),
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
        Unavailable: database or keystore cannot be opened.
    """
    database = _open_database(settings)
    per_minute = settings.requests_per_minute
    try:
        yield Access(
            tenants=TenantStore(database),
            tokens=TokenStore(database, _pepper(settings)),
            keys=_open_keys(settings),
            quota=None if per_minute is None else Quota(database, per_minute),
            replays=ReplayStore(database, timedelta(seconds=settings.idempotency_retention)),
        )
    finally:
        database.dispose()


def _pepper(settings: Settings) -> bytes:
    if settings.token_pepper is None:
        return read_or_make_pepper(settings.home / "token-pepper")
    return bytes.fromhex(settings.token_pepper.get_secret_value())


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
        AddressUnusable: measurements cannot have the port they should.
        VisardError: as for ``open_parts`` and ``open_access``.
    """
    unfit = embedded_defaults(settings)
    if settings.env == "production" and unfit:
        raise NotForProduction(f"VISARD_ENV=production, but {' and '.join(unfit)}")
    with ExitStack() as opened:
        access = opened.enter_context(open_access(settings))
        access.replays.forget_expired()
        desk = _desk(settings, open_parts(settings), access)
        for close in (desk.readiness.close, desk.workers.close, desk.parts.engine.close):
            opened.callback(close)
        if settings.metrics_port is not None:
            opened.callback(_serve_metrics(desk.metrics, settings.host, settings.metrics_port))
        return create_api(desk, opened.pop_all().close, with_metrics=settings.metrics_port is None)


def embedded_defaults(settings: Settings) -> list[str]:
    """What of the configuration is for development only."""
    unfit = ["the keys are in the local keystore, readable by whoever reads its files"]
    if settings.database_url is None or settings.database_url.get_secret_value().startswith("sqlite"):
        unfit.append("the database is SQLite")
    return unfit


def _desk(settings: Settings, parts: Parts, access: Access) -> Desk:
    bundles = parts.bundles
    metrics = Metrics(__version__, bundles.default.digest.hex())
    engine = Engine(bundles, settings.queue_limit, metrics)
    metrics.watch_queue(lambda: engine.waiting, settings.queue_limit)
    limits = Limits(settings.max_upload_bytes, settings.max_pixels)
    parts = replace(parts, engine=engine, limits=limits, max_faces=settings.max_faces, observer=metrics)
    return Desk(
        parts=parts,
        tokens=access.tokens,
        oidc=_oidc(settings, access.tenants),
        tenants=access.tenants,
        quota=access.quota,
        replays=access.replays,
        metrics=metrics,
        workers=Workers(settings.operations, settings.admitted),
        readiness=Readiness(
            {
                "database": lambda: _answers(lambda: access.tenants.get(_NOBODY)),
                "keys": lambda: _answers(lambda: parts.keys.current_version(_NOBODY)),
                "engine": lambda: _runs(engine),
                "weights": lambda: bundles.denoiser(bundles.default.digest),
            }
        ),
        limits=UploadLimits(settings.max_upload_bytes, settings.upload_timeout),
    )


def _serve_metrics(metrics: Metrics, host: str, port: int) -> Callable[[], None]:
    try:
        return metrics.serve(host, port)
    except OSError as error:
        raise AddressUnusable("cannot listen on VISARD_METRICS_PORT") from error


def _oidc(settings: Settings, tenants: TenantStore) -> OidcTokens | None:
    issuer, audience, url = settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url
    if issuer is None or audience is None or url is None:
        return None
    rules = Rules(
        issuer=issuer,
        audience=audience,
        algorithms=settings.oidc_algorithms,
        leeway_s=settings.oidc_leeway,
        tenant_claim=settings.oidc_tenant_claim,
        scope_claim=settings.oidc_scope_claim,
        scope_prefix=settings.oidc_scope_prefix,
    )
    timeout = settings.oidc_timeout
    return OidcTokens(rules, KeySet(lambda: fetch_jwks(url, timeout), timeout), tenants)


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
    home = _made_home(settings)
    if settings.database_url is not None:
        return make_engine(settings.database_url.get_secret_value())
    return make_engine(f"sqlite:///{home / 'visard.db'}")


def _open_audit(settings: Settings, database: DatabaseEngine) -> AuditLog:
    home = _made_home(settings)
    return AuditLog(database, load_or_create_signing_key(home / _SIGNING_KEY), FileShipper(home / "audit-checkpoints"))


def _open_keys(settings: Settings) -> LocalKeyStore:
    return LocalKeyStore(_made_home(settings) / "keys")


def _made_home(settings: Settings) -> Path:
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnusable("VISARD_HOME cannot be made or is no directory") from error
    return settings.home
