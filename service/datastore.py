"""The configured database, opened and brought up to date."""

from sqlalchemy import Engine as DatabaseEngine

from service.database.engine import make_engine
from service.database.migrate import pending, require_current, upgrade
from service.errors import VisardError
from service.home import made_home
from service.settings import Settings


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


def open_database(settings: Settings) -> DatabaseEngine:
    """The embedded one is migrated on the way; another may need rights for that which are not ours to use.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        DatabaseUrlInvalid: the configured database is of no known kind.
        Unavailable: it cannot be opened, or belongs to another version.
    """
    database = _connect(settings)
    try:
        if settings.database_url is None:
            # Only who must migrate takes the lock that keeps writers out.
            if pending(database):
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
        return make_engine(settings.database_url.get_secret_value(), settings.audit_timeout)
    return make_engine(f"sqlite:///{home / 'visard.db'}", settings.audit_timeout)
