"""Bringing a database to the schema of this version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

import migrations
from service.database.engine import exclusive, transaction
from service.errors import DatabaseOutdated, DatabaseUnavailable


def migration_config(connection: Connection | None = None) -> Config:
    """The Alembic configuration, made in code so that an installed package needs no ini file."""
    config = Config()
    # The value goes through configparser, to which a percent sign is special.
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine) -> list[str]:
    """Apply what is missing in one transaction and return the titles; others that try at the same time wait.

    Raises:
        DatabaseUnavailable: the database failed, or holds a schema this version does not know.
    """
    with exclusive(engine, "visard-migrations", unhurried=True) as connection:
        config = migration_config(connection)
        held = MigrationContext.configure(connection).get_current_revision()
        try:
            command.upgrade(config, "head")
            applied = ScriptDirectory.from_config(config).iterate_revisions("head", held or "base")
            return [f"{script.revision}: {script.doc}" for script in reversed(list(applied))]
        except CommandError as error:
            raise DatabaseUnavailable("the database belongs to another version of Visard") from error


def require_current(engine: Engine) -> None:
    """Let pass a database with the schema of this version.

    Raises:
        DatabaseOutdated: migrations are missing, or it belongs to another version.
        DatabaseUnavailable: the database did not answer.
    """
    if pending(engine):
        raise DatabaseOutdated("the database has another schema than this version needs: run `visard migrate`")


def pending(engine: Engine) -> bool:
    """Whether the schema differs from what this version needs.

    Raises:
        DatabaseUnavailable: the database did not answer.
    """
    wanted = ScriptDirectory.from_config(migration_config()).get_heads()
    with transaction(engine) as connection:
        return set(MigrationContext.configure(connection).get_current_heads()) != set(wanted)
