"""Migrations: from nothing to the tables of this version and back, on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, func, inspect, select

from service.database.engine import transaction
from service.database.migrate import migration_config, pending, require_current, upgrade
from service.database.tables import audit_entries, audit_leases, metadata, replays
from service.errors import AuditEntriesPresent, DatabaseOutdated

ENTRY: dict[str, Any] = {
    "tenant": "acme",
    "index": 0,
    "attempt": uuid4(),
    "kind": "intent",
    "time": datetime(2026, 1, 2, tzinfo=UTC),
    "body": b"",
    "proof": b"",
    "checkpoint": "",
}


def test_upgrade_brings_an_empty_database_to_the_tables_of_this_version(empty_database: Engine) -> None:
    assert pending(empty_database)
    upgrade(empty_database)
    assert not pending(empty_database)
    upgrade(empty_database)
    with transaction(empty_database) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_names_of_constraints_and_indexes_follow_the_convention(database: Engine) -> None:
    found = inspect(database)
    for table in metadata.sorted_tables:
        assert found.get_pk_constraint(table.name)["name"] == f"pk_{table.name}"
    assert {index["name"] for index in found.get_indexes("records")} == {
        "ix_records_tenant_pixels_digest",
        "ix_records_pixels_digest",
        "ix_records_tenant_custodian_key_version",
        "ix_records_expires",
    }
    assert [unique["name"] for unique in found.get_unique_constraints("audit_entries")] == [
        "uq_audit_entries_attempt_kind"
    ]


def test_downgrade_to_base_leaves_nothing(database: Engine) -> None:
    with transaction(database) as connection:
        command.downgrade(migration_config(connection), "base")
    assert inspect(database).get_table_names() == ["alembic_version"]
    assert pending(database)
    upgrade(database)
    assert not pending(database)


def test_attempts_that_have_not_ended_get_a_lease(database: Engine) -> None:
    opened, ended = uuid4(), uuid4()
    with transaction(database) as connection:
        command.downgrade(migration_config(connection), "0004")
        for index, (attempt, kind) in enumerate([(opened, "intent"), (ended, "intent"), (ended, "outcome")]):
            connection.execute(
                audit_entries.insert().values(ENTRY | {"index": index, "attempt": attempt, "kind": kind})
            )
    upgrade(database)
    with transaction(database) as connection:
        (lease,) = connection.execute(audit_leases.select()).all()
    assert lease.attempt == opened
    assert timedelta(0) < lease.lease_until - datetime.now(UTC) <= timedelta(hours=1)


def test_kept_answers_are_dropped_where_the_other_version_cannot_read_them(database: Engine) -> None:
    now = datetime.now(UTC)
    kept: dict[str, Any] = {"id": bytes(32), "tenant": "acme", "request": bytes(32), "holder": uuid4()}
    kept |= {"lease_until": now, "expires": now + timedelta(days=1), "head": b"{}", "body": b"in the clear"}
    count = select(func.count()).select_from(replays)
    with transaction(database) as connection:
        connection.execute(replays.insert().values(kept))
        command.downgrade(migration_config(connection), "0005")
        assert connection.execute(count).scalar_one() == 0
        connection.execute(replays.insert().values(kept))
    upgrade(database)
    with transaction(database) as connection:
        assert connection.execute(count).scalar_one() == 0


def test_downgrade_refuses_to_destroy_audit_entries(database: Engine) -> None:
    with transaction(database) as connection:
        connection.execute(audit_entries.insert().values(ENTRY))
    with pytest.raises(AuditEntriesPresent), transaction(database) as connection:
        command.downgrade(migration_config(connection), "base")
    with transaction(database) as connection:
        assert len(connection.execute(audit_entries.select()).all()) == 1


def test_a_database_of_a_newer_version_is_left_alone(database: Engine) -> None:
    with transaction(database) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'ffff'")
    assert pending(database)
    for refused in (upgrade, require_current):
        with pytest.raises(DatabaseOutdated, match="a newer version"):
            refused(database)
    with transaction(database) as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "ffff"
