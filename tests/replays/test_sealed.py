"""What is kept of an answer tells nothing to who has the database, and goes with its image."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, LargeBinary, event, select, update

from service.database.engine import make_engine, transaction
from service.database.tables import replays
from service.errors import AnswerGone, DatabaseUnavailable, IdempotencyKeyReused, RequestInProgress
from service.records.store import RecordStore
from service.replays import LEASE, Claim, ReplayStore
from tests.replays.conftest import ANSWER, ONE, PEPPER, RETENTION, TWO, Clock, begun, count, images_in, made, row_of


def test_the_database_holds_neither_what_was_asked_nor_what_was_answered(store: ReplayStore, database: Engine) -> None:
    claim = begun(store, "my-very-own-key", subject="Dr. Ada")
    for held in (row_of(database), kept_in(store, claim, database)):
        columns = b"|".join(bytes(value) if isinstance(value, bytes) else str(value).encode() for value in held)
        for secret in (b"my-very-own-key", b"Ada", ONE, ANSWER.body, b"image/png", b"x-visard-record", PEPPER):
            assert secret not in columns
        assert held.id != hashlib.sha256(json.dumps(["acme", "Dr. Ada", "my-very-own-key"]).encode()).digest()


def kept_in(store: ReplayStore, claim: Claim, database: Engine) -> Any:
    store.keep(claim, ANSWER, made(database))
    return row_of(database)


def test_hashes_need_the_pepper_and_the_callers_key(database: Engine, clock: Clock) -> None:
    stores = [ReplayStore(database, pepper, RETENTION, now=clock) for pepper in (PEPPER, b"q" * 32)]
    claims = [begun(store, key) for store in stores for key in ("key", "another")]
    for column in ("id", "request", "key"):
        assert len({getattr(claim, column) for claim in claims}) == len(claims)
    again = ReplayStore(database, PEPPER, RETENTION, now=lambda: clock() + LEASE)
    assert begun(again).key == claims[0].key


def test_what_was_kept_under_another_pepper_is_unknown(store: ReplayStore, database: Engine, clock: Clock) -> None:
    store.keep(begun(store), ANSWER, made(database))
    begun(ReplayStore(database, b"q" * 32, RETENTION, now=clock))
    assert store.begin("acme", "camera", "key", ONE) == ANSWER


def test_a_pepper_has_32_bytes(database: Engine) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        ReplayStore(database, b"salt", RETENTION)


def test_the_same_answer_is_never_encrypted_to_the_same_bytes(store: ReplayStore, database: Engine) -> None:
    for key in ("key", "another"):
        store.keep(begun(store, key), ANSWER, made(database))
    with transaction(database) as connection:
        rows = connection.execute(select(replays.c.head, replays.c.body)).all()
    nonces = {value[:12] for row in rows for value in row}
    assert len(nonces) == 4


@pytest.mark.parametrize("column", ["head", "body"])
@pytest.mark.parametrize("change", ["flipped", "cut", "empty", "exchanged", "of another"])
def test_a_damaged_answer_is_refused_and_not_made_anew(
    change: str, column: str, store: ReplayStore, database: Engine
) -> None:
    store.keep(begun(store), ANSWER, made(database))
    kept = row_of(database)
    store.keep(begun(store, "another"), ANSWER, made(database))
    value = getattr(kept, column)
    with transaction(database) as connection:
        other = connection.execute(select(replays).where(replays.c.id != kept.id)).one()
        changed = {
            "flipped": value[:-1] + bytes([value[-1] ^ 1]),
            "cut": value[:20],
            "empty": b"",
            "exchanged": kept.body if column == "head" else kept.head,
            "of another": getattr(other, column),
        }[change]
        connection.execute(update(replays).where(replays.c.id == kept.id).values({column: changed}))
    for _ in range(2):
        with pytest.raises(AnswerGone, match="damaged"):
            store.begin("acme", "camera", "key", ONE)
    assert store.begin("acme", "camera", "another", ONE) == ANSWER


@pytest.mark.parametrize("how", ["deleted", "forgotten", "purged"])
def test_an_answer_is_erased_with_its_image(
    how: str, store: ReplayStore, images: RecordStore, database: Engine, clock: Clock
) -> None:
    other = begun(store, "other")
    store.keep(other, ANSWER, made(database))
    image = made(database, clock() + LEASE if how == "purged" else None, erasable=how != "forgotten")
    store.keep(begun(store), ANSWER, image)
    assert store.begin("acme", "camera", "key", ONE) == ANSWER
    assert not images.delete("globex", image)
    assert not images.forget_seal("globex", image)
    assert store.begin("acme", "camera", "key", ONE) == ANSWER
    if how == "deleted":
        assert images.delete("acme", image)
    elif how == "forgotten":
        assert images.forget_seal("acme", image)
    else:
        clock.time += LEASE
        assert images.purge_expired() == 1
    with transaction(database) as connection:
        row = connection.execute(select(replays).where(replays.c.record == image)).one()
    assert (row.head, row.body) == (None, None)
    clock.time += 2 * LEASE
    for _ in range(2):
        with pytest.raises(AnswerGone, match="erased"):
            store.begin("acme", "camera", "key", ONE)
    with pytest.raises(IdempotencyKeyReused):
        store.begin("acme", "camera", "key", TWO)
    assert store.begin("acme", "camera", "other", ONE) == ANSWER
    clock.time += RETENTION
    begun(store)


def test_an_answer_ends_in_the_second_in_which_its_image_expires(
    store: ReplayStore, database: Engine, clock: Clock
) -> None:
    store.keep(begun(store), ANSWER, made(database, clock() + timedelta(seconds=2)))
    clock.time += timedelta(seconds=1)
    assert store.begin("acme", "camera", "key", ONE) == ANSWER
    clock.time += timedelta(seconds=1)
    with pytest.raises(AnswerGone):
        store.begin("acme", "camera", "key", ONE)


def test_nothing_is_kept_of_an_image_that_is_gone_already(
    store: ReplayStore, images: RecordStore, database: Engine, clock: Clock
) -> None:
    erased = made(database)
    images.delete("acme", erased)
    claim = begun(store)
    for image in (erased, made(database, clock())):
        with pytest.raises(AnswerGone):
            store.keep(claim, ANSWER, image)
    assert (row_of(database).record, row_of(database).body) == (None, None)
    store.release(claim)
    begun(store)


def test_an_image_that_nobody_got_goes_with_the_claim(store: ReplayStore, database: Engine) -> None:
    other, unseen = made(database), made(database)
    store.release(begun(store), unseen)
    assert (images_in(database), count(database)) == ({other}, 0)


def test_who_lost_the_claim_takes_its_image_along_and_nothing_of_the_next_one(
    store: ReplayStore, database: Engine, clock: Clock
) -> None:
    slow = begun(store)
    clock.time += LEASE
    next_one, unseen, given = begun(store), made(database), made(database)
    store.keep(next_one, ANSWER, given)
    with pytest.raises(RequestInProgress):
        store.keep(slow, ANSWER, unseen)
    store.release(slow, unseen)
    assert images_in(database) == {given}
    assert store.begin("acme", "camera", "key", ONE) == ANSWER


def test_an_answer_that_was_kept_after_all_keeps_its_image(store: ReplayStore, database: Engine) -> None:
    """The commit went through, and only the word of it was lost."""
    claim, image = begun(store), made(database)
    store.keep(claim, ANSWER, image)
    store.release(claim, image)
    assert images_in(database) == {image}
    assert store.begin("acme", "camera", "key", ONE) == ANSWER


def test_an_image_is_not_purged_behind_the_back_of_who_keeps_its_answer(
    store: ReplayStore, database: Engine, clock: Clock
) -> None:
    """Whoever purges between the look at the record and the commit would not see the answer, and leave it."""
    image = made(database, clock() + LEASE)
    other = make_engine(database.url.render_as_string(hide_password=False), patience=2)
    late, purged = RecordStore(other, lambda: clock() + LEASE), list[object]()

    def purge(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT records.id") and not purged:
            purged.append("begun")
            try:
                purged.append(late.purge_expired())
            except DatabaseUnavailable as error:
                purged.append(error)

    claim = begun(store)
    event.listen(database, "after_cursor_execute", purge)
    try:
        store.keep(claim, ANSWER, image)
    finally:
        event.remove(database, "after_cursor_execute", purge)
    assert len(purged) == 2 and images_in(database) == {image}
    assert late.purge_expired() == 1
    assert row_of(database).body is None
    other.dispose()


def test_every_column_with_bytes_is_one_that_was_thought_of() -> None:
    held = {column.name for column in replays.columns if isinstance(column.type, LargeBinary)}
    assert held == {"id", "request", "head", "body"}
