"""Who takes part in which evaluation: faces come and go between two of them, and no photo keeps another waiting."""

import gc
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from service.engine import MAX_BATCH, Engine
from service.errors import EngineBusy
from tests.engine.devices import DIGEST, EVALUATIONS, OTHER, PATIENCE_S, PLAN, Networks, faces
from tests.waiting import until

Ask = Callable[[Engine], Any]


class Room:
    """An engine, and requests that arrive during the evaluations a test names."""

    def __init__(self, pool: ThreadPoolExecutor, queue_limit: int = 64) -> None:
        self.networks = Networks()
        self.engine = Engine(self.networks, queue_limit)
        self._pool = pool

    def play(self, begin: Ask, arrivals: dict[int, list[Ask]]) -> list[Any]:
        """Begin with a request, and let others arrive during the evaluations of these numbers; what all got."""
        made: list[Future[Any]] = []
        self.networks.during = lambda before: made.extend(map(self._queued, arrivals.get(before, [])))
        first = self._pool.submit(begin, self.engine).result(PATIENCE_S)
        return [first, *(future.result(PATIENCE_S) for future in made)]

    def _queued(self, ask: Ask) -> "Future[Any]":
        before = self.engine.waiting
        future = self._pool.submit(ask, self.engine)
        until(lambda: self.engine.waiting > before or future.done(), 0.001)
        return future

    def present(self, seed: int) -> list[list[int]]:
        """Which faces of a request were in every evaluation."""
        return [[number % 100 for number in numbers if number // 100 == seed] for numbers in self.networks.faces]


@pytest.fixture
def room() -> Iterator[Room]:
    with ThreadPoolExecutor(32) as pool:
        made = Room(pool)
        with made.engine:
            yield made


def photo(count: int, seed: int, digest: bytes = DIGEST) -> Ask:
    """Ask for strangers for the faces of a photo."""
    return lambda engine: engine.anonymize(digest, PLAN, faces(count, seed))


def ranges(present: list[list[int]]) -> dict[int, tuple[int, int]]:
    """The first and the last evaluation of every face."""
    found: dict[int, tuple[int, int]] = {}
    for number, those in enumerate(present):
        for face in those:
            found[face] = (found.get(face, (number, number))[0], number)
    return found


def test_faces_join_and_leave_between_evaluations(room: Room) -> None:
    room.play(photo(1, 1), {4: [photo(2, 2)], 9: [photo(1, 3)]})
    assert ranges(room.present(1)) == {0: (0, EVALUATIONS - 1)}
    assert ranges(room.present(2)) == dict.fromkeys((0, 1), (5, EVALUATIONS + 4))
    assert ranges(room.present(3)) == {0: (10, EVALUATIONS + 9)}
    assert room.networks.sizes == [1] * 5 + [3] * 5 + [4] * 4 + [3] * 5 + [1] * 5


def test_a_small_photo_does_not_wait_for_a_large_one(room: Room) -> None:
    room.play(photo(20, 1), {3: [photo(1, 2)]})
    assert ranges(room.present(2)) == {0: (4, EVALUATIONS + 3)}
    assert {*room.networks.sizes[: 2 * EVALUATIONS]} == {MAX_BATCH}
    # The last of the large one's faces made room, and went on where it had stopped.
    assert room.present(1)[4] == [*range(MAX_BATCH - 1)]
    taken = Counter(face for those in room.present(1) for face in those)
    assert taken == dict.fromkeys(range(20), EVALUATIONS)


def test_photos_of_many_faces_share_evenly_and_in_order(room: Room) -> None:
    room.play(photo(12, 1), {1: [photo(12, 2)], 2: [photo(12, 3)]})
    shares = [[len(room.present(seed)[number]) for seed in (1, 2, 3)] for number in range(4)]
    assert shares == [[8, 0, 0], [8, 0, 0], [4, 4, 0], [3, 3, 2]]
    for seed in (1, 2, 3):
        begun = [first for _, (first, _) in sorted(ranges(room.present(seed)).items())]
        assert begun == sorted(begun)


def test_more_requests_than_seats_take_turns(room: Room) -> None:
    seeds = range(1, MAX_BATCH + 3)
    room.play(photo(3, 1), {1: [photo(2, seed) for seed in seeds[1:]]})
    late = [ranges(room.present(seed))[0][0] for seed in seeds[MAX_BATCH:]]
    again = [ranges(room.present(seed))[1][0] for seed in seeds[1:MAX_BATCH]]
    assert max(late) <= min(again)
    assert {*room.networks.sizes[2:20]} == {MAX_BATCH}


def test_networks_take_turns(room: Room) -> None:
    room.play(photo(2, 1), {2: [photo(3, 2, OTHER)]})
    digests = [digest for digest, _ in room.networks.seen]
    assert digests == [DIGEST] * 3 + [DIGEST, OTHER] * (EVALUATIONS - 3) + [OTHER] * 3


def test_both_directions_and_other_plans_share(room: Room) -> None:
    mine, other = faces(2, seed=1), replace(PLAN, steps=4, evaluations=3, grid="late", t0=0.04)
    (made, norms), _ = room.engine.anonymize(DIGEST, other, mine)
    back = [replace(mine[0], pixels=made[None], norms=norms)]
    alone = room.engine.recover(DIGEST, other, back)
    before = len(room.networks.seen)
    _, shared = room.play(photo(1, 2), {before + 2: [lambda engine: engine.recover(DIGEST, other, back)]})
    assert room.networks.sizes[before : before + 4] == [1, 1, 1, 2]
    assert (shared[0][0] - alone[0][0]).abs().max() < 1e-9


def test_who_has_a_seat_is_not_waiting() -> None:
    """A photo of many faces takes one place in the queue only while it has none on the device."""
    refused: list[type] = []

    def ask_too_much(engine: Engine) -> None:
        try:
            engine.anonymize(DIGEST, PLAN, faces(1, seed=9))
        except EngineBusy as error:
            refused.append(type(error))

    with ThreadPoolExecutor(32) as pool:
        room = Room(pool, queue_limit=1)
        with room.engine:
            room.play(photo(20, 1), {2: [photo(1, 2), ask_too_much], 4: [photo(1, 3)]})
    assert refused == [EngineBusy]
    assert ranges(room.present(3)) == {0: (5, EVALUATIONS + 4)}


def test_who_is_done_leaves_no_face_behind(room: Room) -> None:
    """Neither on the device, which others are using, nor with the idle thread."""
    kept: list[weakref.ref[Any]] = []
    gone: list[list[bool]] = []

    def one(engine: Engine) -> None:
        (task,) = faces(1, seed=2)
        kept.extend((weakref.ref(task.pixels), weakref.ref(task.context.known)))
        engine.anonymize(DIGEST, PLAN, [task])

    def look(engine: Engine) -> None:
        gc.collect()
        gone.append([face() is None for face in kept])

    room.play(photo(20, 1), {1: [one], 2 * EVALUATIONS: [look]})
    one(room.engine)
    until(lambda: all(face() is None for face in kept))
    assert gone == [[True, True]]
