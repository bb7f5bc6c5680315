"""The tenants, and what each has chosen."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, insert, select, update

from service.database import tables
from service.database.engine import exclusive, transaction
from service.errors import TenantExists, TenantUnknown
from service.tenancy import SealPolicy, checked_tenant


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant.

    Attributes:
        name: as in tokens, keys and records.
        created: UTC.
        seal: where the exact faces of its images are kept.
    """

    name: str
    created: datetime
    seal: SealPolicy


class TenantStore:
    """The table of tenants. Every method raises ``DatabaseUnavailable`` when the database fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, name: str, seal: SealPolicy = "record") -> Tenant:
        """Commit a new tenant. Its key is made elsewhere.

        Raises:
            TenantInvalid: no tenant can have this name.
            TenantExists: there is one of this name.
        """
        tenant = Tenant(checked_tenant(name), datetime.now(UTC), seal)
        with exclusive(self._engine, "visard-tenants") as connection:
            if _find(connection, name) is not None:
                raise TenantExists(f"there is a tenant '{name}' already")
            values = {"name": tenant.name, "created": tenant.created, "seal": tenant.seal}
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

    def list(self) -> tuple[Tenant, ...]:
        """All tenants, by name."""
        with transaction(self._engine) as connection:
            rows = connection.execute(select(tables.tenants).order_by(tables.tenants.c.name)).all()
        return tuple(Tenant(**row._mapping) for row in rows)

    def set(self, name: str, *, seal: SealPolicy) -> Tenant:
        """Change what a tenant has chosen; what was made before stays as it was made.

        Raises:
            TenantInvalid: no tenant can have this name.
            TenantUnknown: there is no such tenant.
        """
        with transaction(self._engine) as connection:
            _existing(connection, name)
            connection.execute(update(tables.tenants).where(tables.tenants.c.name == name).values(seal=seal))
            return _existing(connection, name)


def _existing(connection: Connection, name: str) -> Tenant:
    tenant = _find(connection, checked_tenant(name))
    if tenant is None:
        raise TenantUnknown("there is no such tenant")
    return tenant


def _find(connection: Connection, name: str) -> Tenant | None:
    row = connection.execute(select(tables.tenants).where(tables.tenants.c.name == name)).one_or_none()
    return None if row is None else Tenant(**row._mapping)
