"""The HTTP service, put together from its parts and taken apart at the end of its lifespan."""

import os
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace

from fastapi import FastAPI
from sqlalchemy import Engine as DatabaseEngine

from service import __version__
from service.access.jwks import KeySet
from service.access.jwks_fetch import fetch_jwks
from service.access.oidc import OidcTokens, Rules
from service.access.tenants import TenantStore
from service.administration import Access, open_access, open_audit_of_service
from service.api import Desk, UploadLimits, create_api
from service.api.readiness import Readiness
from service.api.workers import Workers
from service.assembly import assemble, open_engine
from service.audit.log import AuditLog, log_failed_shipping
from service.audit.signing import Signer
from service.chores import finish, keep_up
from service.datastore import open_database
from service.engine import EngineRoom
from service.errors import AddressUnusable, EngineClosed, NotForProduction, Refused
from service.keystore import open_keys
from service.metrics import Metrics
from service.operations.parts import Parts
from service.operations.upkeep import Upkeep
from service.settings import Settings
from service.signer import open_signer
from service.tracing import Tracing, open_tracing
from service.weights.bundles import Bundles

_NOBODY = "nobody"


def create_app(settings: Settings) -> FastAPI:
    """The HTTP service; what it opens is closed at the end of its lifespan.

    Raises:
        NotForProduction: ``settings.env`` is production, and a part is for development only.
        AddressUnusable: measurements cannot have the port they should.
        SettingsInvalid: traces are asked for that cannot be made.
        VisardError: as for ``open_parts`` and ``open_access``.
    """
    unfit = embedded_defaults(settings)
    if settings.env == "production" and unfit:
        raise NotForProduction(f"VISARD_ENV=production, but {' and '.join(unfit)}")
    with ExitStack() as opened:
        tracing = open_tracing(os.environ, __version__)
        opened.callback(tracing.close)
        access = opened.enter_context(open_access(settings))
        database = open_database(settings)
        opened.callback(database.dispose)
        keys = opened.enter_context(closing(open_keys(settings, serving=True)))
        signer = open_signer(settings, opened, serving=True)
        bundles = Bundles.open(settings.weights, settings.device)
        metrics = Metrics(__version__, bundles.default.digest.hex())
        observer = _Observer(metrics, tracing)
        engine = open_engine(settings, bundles, settings.queue_limit, observer)
        parts = assemble(settings, database, keys, signer, bundles, engine)
        audit = _audit(settings, database, signer, metrics, opened)
        desk = _desk(settings, replace(parts, audit=audit), access, observer, signer)
        watched = {"vault_ca": settings.vault_ca, "vault_client_cert": settings.vault_client_cert}
        certificates = {name: file for name, file in watched.items() if file is not None}
        upkeep = Upkeep(
            lambda: keep_up(desk, access.tokens, certificates, lambda: upkeep.closed),
            settings.upkeep_interval,
            # A little more than a step that waits for the database.
            longest_s=settings.audit_timeout + 1,
        )
        # Closed from the last to the first.
        opened.callback(finish, desk)
        for close in (desk.readiness.close, desk.workers.close, desk.parts.engine.close, upkeep.close):
            opened.callback(close)
        if settings.metrics_port is not None:
            opened.callback(_serve_metrics(metrics, settings.host, settings.metrics_port))
        return create_api(desk, opened.pop_all().close, upkeep.start, with_metrics=settings.metrics_port is None)


@dataclass(frozen=True, slots=True)
class _Observer:
    """Metrics and traces are told the same."""

    metrics: Metrics
    tracing: Tracing

    def spent(self, phase: str, seconds: float) -> None:
        self.metrics.spent(phase, seconds)
        self.tracing.spent(phase, seconds)

    def evaluated(self, seconds: float, faces: int) -> None:
        self.metrics.evaluated(seconds, faces)


def _audit(
    settings: Settings, database: DatabaseEngine, signer: Signer, metrics: Metrics, opened: ExitStack
) -> AuditLog:
    def failed(error: Exception) -> None:
        log_failed_shipping(error)
        metrics.shipping_failed()

    return open_audit_of_service(settings, database, signer, failed, metrics.watch_shipping, opened)


def embedded_defaults(settings: Settings) -> list[str]:
    """What of the configuration is for development only."""
    unfit = []
    if settings.keystore == "local":
        unfit.append("the keys are in the local keystore, readable by whoever reads its files")
    if settings.database_url is None or settings.database_url.get_secret_value().startswith("sqlite"):
        unfit.append("the database is SQLite")
    if settings.token_pepper is None:
        unfit.append("the key that tokens are hashed with was made here: VISARD_TOKEN_PEPPER is not set")
    return unfit


def _desk(settings: Settings, parts: Parts, access: Access, observer: _Observer, signer: Signer) -> Desk:
    bundles, engine, metrics = parts.bundles, parts.engine, observer.metrics
    workers = Workers(settings.operations, settings.admitted, settings.audit_timeout, lambda _: metrics.audit_failed())
    metrics.watch_places(lambda: workers.taken, settings.admitted)
    # Both: a batch has seats for eight requests, so with no more threads than that they wait for a thread alone.
    metrics.watch_queue(lambda: workers.waiting + engine.waiting)
    parts = replace(parts, observer=observer, afterwards=workers.afterwards)
    readiness = Readiness(
        {
            "database": lambda: _answers(lambda: access.tenants.get(_NOBODY)),
            "keys": parts.keys.check,
            "engine": lambda: _runs(engine),
            "weights": lambda: engine.require(bundles.default.digest),
            "signer": signer.check,
        },
        # A little more than the database is allowed.
        longest_s=settings.audit_timeout + 1,
    )
    metrics.watch_readiness(readiness.seen)
    return Desk(
        parts=parts,
        tokens=access.tokens,
        oidc=_oidc(settings, access.tenants),
        tenants=access.tenants,
        quota=access.quota,
        replays=access.replays,
        metrics=metrics,
        workers=workers,
        readiness=readiness,
        limits=UploadLimits(settings.max_upload_bytes, settings.upload_timeout),
        tracing=observer.tracing,
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


def _runs(engine: EngineRoom) -> None:
    if not engine.alive:
        raise EngineClosed("the engine does not run")
