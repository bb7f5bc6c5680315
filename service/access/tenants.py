"""The tenants, and what each has chosen."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from service.database import tables
from service.database.engine import exclusive, transaction
from service.errors import TenantExists, TenantUnknown
from service.tenancy import Policy, checked_tenant

_LOCK = "visard-tenants"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant.

    Attributes:
        name: as in tokens, keys and records.
        created: UTC.
        policy: what it has chosen.
    """

    name: str
    created: datetime
    policy: Policy


class TenantStore:
    """The table of tenants. Every method raises ``DatabaseUnavailable`` when the database fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, name: str, policy: Policy | None = None) -> Tenant:
        """Commit a new tenant. Its key is made elsewhere.

        Raises:
            TenantInvalid: no tenant can have this name.
            TenantExists: there is one of this name.
        """
        tenant = Tenant(checked_tenant(name), datetime.now(UTC), policy or Policy())
        with exclusive(self._engine, _LOCK) as connection:
            if _find(connection, name) is not None:
                raise TenantExists(f"there is a tenant '{name}' already")
            values = {"name": tenant.name, "created": tenant.created, **_columns(tenant.policy)}
            connection.execute(insert(tables.tenants).values(values))
        return tenant

    def get(self, name: str) -> Tenant:
        """The tenant of this name.

        Raises:
            TenantInvalid: no tenant can have this name.
            TenantUnknown: there is none.
        """
        with transaction(self._engine) as connection:
            return _existing(connection, name)

    def policy_of(self, name: str) -> Policy:
        """What a tenant has chosen; the defaults for one that was never made, which has only a key.

        Raises:
            TenantInvalid: no tenant can have this name.
        """
        with transaction(self._engine) as connection:
            found = _find(connection, checked_tenant(name))
        return Policy() if found is None else found.policy

    def list(self) -> tuple[Tenant, ...]:
        """All tenants, by name."""
        with transaction(self._engine) as connection:
            rows = connection.execute(select(tables.tenants).order_by(tables.tenants.c.name)).all()
        return tuple(map(_tenant, rows))

    def set(self, name: str, **choices: Any) -> Tenant:
        """Change some of what a tenant has chosen; what was made before stays as it was made.

        Args:
            choices: attributes of ``Policy``.

        Raises:
            TenantInvalid: no tenant can have this name.
            TenantUnknown: there is no such tenant.
            PolicyInvalid: the choices do not go together with those that stay.
        """
        with exclusive(self._engine, _LOCK) as connection:
            policy = replace(_existing(connection, name).policy, **choices)
            connection.execute(
                update(tables.tenants).where(tables.tenants.c.name == name).values(_columns(policy)),
            )
            return _existing(connection, name)


def _columns(policy: Policy) -> dict[str, Any]:
    columns = asdict(policy)
    lifetime = columns.pop("lifetime")
    return {**columns, "lifetime_s": None if lifetime is None else round(lifetime.total_seconds())}


def _tenant(row: Row[Any]) -> Tenant:
    fields = dict(row._mapping)
    seconds = fields.pop("lifetime_s")
    lifetime = None if seconds is None else timedelta(seconds=seconds)
    return Tenant(fields.pop("name"), fields.pop("created"), Policy(lifetime=lifetime, **fields))


def _existing(connection: Connection, name: str) -> Tenant:
    tenant = _find(connection, checked_tenant(name))
    if tenant is None:
        raise TenantUnknown("there is no such tenant")
    return tenant


def _find(connection: Connection, name: str) -> Tenant | None:
    row = connection.execute(select(tables.tenants).where(tables.tenants.c.name == name)).one_or_none()
    return None if row is None else _tenant(row)
