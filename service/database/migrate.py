"""Bringing a database to the schema of this version."""

from collections.abc import Iterable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

import migrations
from service.database.engine import exclusive, transaction
from service.errors import DatabaseOutdated


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
        DatabaseOutdated: a newer version has migrated it.
        DatabaseUnavailable: the database failed.
    """
    with exclusive(engine, "visard-migrations", unhurried=True) as connection:
        config = migration_config(connection)
        scripts = ScriptDirectory.from_config(config)
        held = MigrationContext.configure(connection).get_current_heads()
        _require_known(held, scripts)
        command.upgrade(config, "head")
        applied = scripts.iterate_revisions("head", held or "base")
        return [f"{script.revision}: {script.doc}" for script in reversed(list(applied))]


def require_current(engine: Engine) -> None:
    """Let pass a database with the schema of this version.

    Raises:
        DatabaseOutdated: migrations are missing, or a newer version has migrated it.
        DatabaseUnavailable: the database did not answer.
    """
    scripts = ScriptDirectory.from_config(migration_config())
    held = _held(engine)
    _require_known(held, scripts)
    if set(held) != set(scripts.get_heads()):
        raise DatabaseOutdated("the database lacks migrations of this version: run `visard migrate`")


def pending(engine: Engine) -> bool:
    """Whether the schema differs from what this version needs.

    Raises:
        DatabaseUnavailable: the database did not answer.
    """
    return set(_held(engine)) != set(ScriptDirectory.from_config(migration_config()).get_heads())


def _held(engine: Engine) -> tuple[str, ...]:
    with transaction(engine) as connection:
        return MigrationContext.configure(connection).get_current_heads()


def _require_known(held: Iterable[str], scripts: ScriptDirectory) -> None:
    # Nothing but this version's own is known: whatever else is there came later.
    if not set(held) <= {script.revision for script in scripts.walk_revisions()}:
        raise DatabaseOutdated("a newer version of Visard has migrated the database: run that version")
