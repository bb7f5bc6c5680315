"""How what needs neither weights nor a detector is built from the settings: the tables, the keys, the audit log."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine

from service.access.approvals import ApprovalStore
from service.access.pepper import read_or_make_pepper
from service.access.quota import Quota
from service.access.tenants import TenantStore
from service.access.tokens import TokenStore
from service.audit.background import PersistentShipper
from service.audit.continuity import StoredHistory
from service.audit.head import newest
from service.audit.log import AuditLog
from service.audit.shipping import FileShipper, Shipper, ShipToAll
from service.audit.signing import Signer
from service.audit.uploading import UrlShipper
from service.database.engine import snapshot
from service.datastore import open_database
from service.home import made_home
from service.keys.provider import KeyProvider
from service.keystore import open_keys
from service.operations.books import Afterwards, at_once
from service.records.store import RecordStore
from service.replays import ReplayStore
from service.settings import Settings
from service.signer import open_signer

_CHECKPOINTS = "audit-checkpoints"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what and how often, what they were answered, and the keys of those it is about."""

    tenants: TenantStore
    tokens: TokenStore
    keys: KeyProvider
    quota: Quota | None
    replays: ReplayStore


@dataclass(frozen=True, slots=True)
class OpenBooks:
    """The tables and the audit log, where nobody waits for what is to be done afterwards; see ``Books``."""

    tenants: TenantStore
    approvals: ApprovalStore
    records: RecordStore
    audit: AuditLog
    afterwards: Afterwards = at_once


@dataclass(frozen=True, slots=True)
class Custody:
    """The keys of tenants, what hangs on them, and where their destruction is written down."""

    keys: KeyProvider
    records: RecordStore
    audit: AuditLog


@contextmanager
def open_access(settings: Settings) -> Iterator[Access]:
    """What administration and authentication need; closed behind the block.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        DatabaseUrlInvalid: the configured database is of no known kind.
        PepperUnusable: the key that hashes tokens cannot be made or used.
        SettingsInvalid: settings of the key custody are missing or do not fit together.
        Unavailable: database or keystore cannot be opened.
    """
    database = open_database(settings)
    per_minute = settings.requests_per_minute
    try:
        pepper = _pepper(settings)
        tokens = TokenStore(database, pepper)
        with closing(open_keys(settings)) as keys:
            yield Access(
                tenants=TenantStore(database),
                tokens=tokens,
                keys=keys,
                quota=None if per_minute is None else Quota(database, per_minute),
                replays=ReplayStore(database, pepper, timedelta(seconds=settings.idempotency_retention)),
            )
    finally:
        database.dispose()


@contextmanager
def open_books(settings: Settings) -> Iterator[OpenBooks]:
    """What a command needs that touches no image and no key of a tenant; closed behind the block.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        DatabaseUrlInvalid: the configured database is of no known kind.
        SettingsInvalid: settings of Vault are missing or do not fit together.
        Unavailable: the database or the signing key of the audit log cannot be opened.
    """
    with ExitStack() as opened:
        database = open_database(settings)
        opened.callback(database.dispose)
        audit = open_audit(settings, database, open_signer(settings, opened))
        yield OpenBooks(TenantStore(database), ApprovalStore(database), RecordStore(database), audit)


@contextmanager
def open_custody(settings: Settings) -> Iterator[Custody]:
    """What looking after keys needs; closed behind the block.

    Raises:
        SettingsInvalid: settings of the key custody are missing or do not fit together.
        Unavailable: the keystore cannot be opened.
        VisardError: as for ``open_books``.
    """
    with open_books(settings) as books, closing(open_keys(settings)) as keys:
        yield Custody(keys, books.records, books.audit)


def _pepper(settings: Settings) -> bytes:
    if settings.token_pepper is None:
        return read_or_make_pepper(settings.home / "token-pepper")
    return bytes.fromhex(settings.token_pepper.get_secret_value())


def open_audit(settings: Settings, database: Engine, signer: Signer) -> AuditLog:
    """The audit log of a command: it waits until every checkpoint has arrived.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        CheckpointUrlInvalid: checkpoints cannot be sent where they should.
    """
    home = made_home(settings)
    shippers: list[Shipper] = [FileShipper(home / _CHECKPOINTS, StoredHistory(database)), *_elsewhere(settings)]
    return AuditLog(database, signer, ShipToAll(shippers))


def open_audit_of_service(
    settings: Settings,
    database: Engine,
    signer: Signer,
    failed: Callable[[Exception], None],
    watch: Callable[[Callable[[], bool]], None],
    opened: ExitStack,
) -> AuditLog:
    """As ``open_audit``, but no request waits for another machine, and what fails is tried again.

    Args:
        failed: is told of every time a checkpoint did not get out.
        watch: is given what says whether one is not out yet.
        opened: closes what runs in the background.
    """
    near = FileShipper(made_home(settings) / _CHECKPOINTS, StoredHistory(database))
    shipper = PersistentShipper(near, _elsewhere(settings), failed)
    opened.callback(shipper.close)
    watch(lambda: shipper.failing)
    with snapshot(database) as connection:
        shipper.catch_up(newest(connection))
    return AuditLog(database, signer, shipper, on_failed_shipping=failed)


def _elsewhere(settings: Settings) -> list[Shipper]:
    if settings.audit_checkpoint_url is None:
        return []
    token = settings.audit_checkpoint_token
    return [UrlShipper(settings.audit_checkpoint_url, None if token is None else token.get_secret_value())]
