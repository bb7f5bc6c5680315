"""Records in the database: found by their tenant, erased for good."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from service.database.engine import make_engine
from service.database.migrate import upgrade
from service.errors import DatabaseUnavailable
from service.records.store import RecordStore, StoredRecord
from tests.interference import interference

TIME = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
DIGEST = b"d" * 32


def _stored(tenant: str = "acme", *, age: int = 0, digest: bytes = DIGEST, version: int = 1) -> StoredRecord:
    return StoredRecord(
        id=uuid4(),
        tenant=tenant,
        custodian="local",
        key_version=version,
        created=TIME - timedelta(seconds=age),
        pixels_digest=digest,
        record=b"record \x00\xff",
        seal=b"seal of the pixels " * 500,
        secret=b"thirty-two bytes of per-row secret"[:32],
    )


@pytest.fixture
def store(database: Engine) -> RecordStore:
    return RecordStore(database)


def test_a_row_comes_back_as_it_was_stored(store: RecordStore) -> None:
    full = _stored()
    bare = dataclasses.replace(_stored(), seal=None, secret=None)
    for stored in (full, bare):
        store.add(stored)
        assert store.by_id("acme", stored.id) == stored


def test_the_newest_image_with_these_pixels_is_found(store: RecordStore) -> None:
    newest = _stored(age=1)
    for stored in (_stored(age=5), newest, _stored(age=3), _stored(digest=b"e" * 32), _stored("globex")):
        store.add(stored)
    assert store.by_pixels("acme", DIGEST) == newest
    assert store.by_pixels("acme", b"f" * 32) is None


def test_a_tenant_never_reaches_the_row_of_another(store: RecordStore) -> None:
    stored = _stored()
    store.add(stored)
    assert store.by_id("globex", stored.id) is None
    assert store.by_pixels("globex", DIGEST) is None
    assert store.count_by_key_version("globex", "local") == {}
    assert store.owners(stored.id, DIGEST, but="globex") == [("acme", stored.id)]
    assert store.owners(None, DIGEST, but="acme") == store.owners(None, None, but="globex") == []
    assert not store.forget_seal("globex", stored.id)
    assert not store.delete("globex", stored.id)
    assert store.by_id("acme", stored.id) == stored


def test_records_are_counted_by_key_version(store: RecordStore) -> None:
    for version in (1, 2, 2):
        store.add(_stored(version=version))
    store.add(dataclasses.replace(_stored(), custodian="vault-kv"))
    assert store.count_by_key_version("acme", "local") == {1: 1, 2: 2}
    assert store.count_by_key_version("acme", "vault-kv") == {1: 1}


def test_erasure_does_not_fail_because_others_write(store: RecordStore, database: Engine) -> None:
    deleted, expired = _stored(), dataclasses.replace(_stored(), expires=TIME)
    for stored in (deleted, expired):
        store.add(stored)
    with interference(database):
        assert store.delete("acme", deleted.id)
        assert store.purge_expired() == 1


def test_a_forgotten_seal_takes_its_secret_along_and_leaves_the_record(store: RecordStore) -> None:
    stored, other = _stored(), _stored()
    store.add(stored)
    store.add(other)
    assert store.forget_seal("acme", stored.id)
    assert store.by_id("acme", stored.id) == dataclasses.replace(stored, seal=None, secret=None)
    assert store.by_id("acme", other.id) == other
    assert not store.forget_seal("acme", uuid4())


def test_an_erasable_record_keeps_the_secret_its_keys_need(store: RecordStore) -> None:
    stored = dataclasses.replace(_stored(), erasable=True)
    store.add(stored)
    assert not store.forget_seal("acme", stored.id)
    assert store.by_id("acme", stored.id) == stored


def test_what_was_removed_is_remembered_for_its_tenant(store: RecordStore, database: Engine) -> None:
    deleted = _stored()
    expired = dataclasses.replace(_stored(), expires=TIME)
    for stored in (deleted, expired):
        store.add(stored)
    assert store.delete("acme", deleted.id)
    assert not store.removed("acme", uuid4())
    for _ in range(2):
        for stored in (deleted, expired):
            assert store.by_id("acme", stored.id) is None
            assert (store.removed("acme", stored.id), store.removed("globex", stored.id)) == (True, False)
        assert RecordStore(database, lambda: TIME - timedelta(seconds=1)).purge_expired() == 0
        store.purge_expired()


def test_a_deleted_row_is_gone(store: RecordStore) -> None:
    stored, other = _stored(), _stored()
    store.add(stored)
    store.add(other)
    assert store.delete("acme", stored.id)
    assert store.by_id("acme", stored.id) is None
    assert store.by_id("acme", other.id) == other
    assert not store.delete("acme", stored.id)


@pytest.mark.parametrize("erase", [RecordStore.delete, RecordStore.forget_seal])
def test_erased_bytes_are_in_no_file_of_sqlite(
    sqlite_url: str, tmp_path: Path, erase: Callable[[RecordStore, str, UUID], bool]
) -> None:
    engine = make_engine(sqlite_url)
    upgrade(engine)
    store = RecordStore(engine)
    stored = _stored()
    store.add(stored)
    assert stored.secret is not None
    assert any(stored.secret in path.read_bytes() for path in tmp_path.iterdir())
    assert erase(store, "acme", stored.id)
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert stored.secret not in content
        assert b"seal of the pixels" not in content
    engine.dispose()


def test_an_id_is_stored_once(store: RecordStore) -> None:
    stored = _stored()
    store.add(stored)
    with pytest.raises(DatabaseUnavailable):
        store.add(dataclasses.replace(stored, tenant="globex"))
    assert store.by_id("acme", stored.id) == stored


def test_repr_shows_no_secret() -> None:
    assert not {"secret", "seal"} & set(repr(_stored()).replace("=", " ").replace("(", " ").split())


def test_a_database_that_fails_is_named(empty_database: Engine) -> None:
    with pytest.raises(DatabaseUnavailable):
        RecordStore(empty_database).by_id("acme", uuid4())
