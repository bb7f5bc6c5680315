"""Which workers a crew keeps, and whose fault it is when one has to go; with a Ray that is played."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from service.batch.work import Failed, Job, Lost, Outcome
from service.errors import EngineUnavailable, KeysUnavailable
from service.imaging import Limits
from service.operations.anonymize import Anonymized, AnonymizeRequest, Drawn
from tests.cluster.fake_ray import FakeRay

# Ray reads its environment when it is imported: late, and behind the tests that join a cluster.
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]

_DRAWN = Drawn(Anonymized(b"", "png", uuid4(), (cast(Any, "a face"),)), None, b"")
_BROKEN = Lost("the device fails", broken=True)
_DEADLINE_S = 60
_COMMIT_S = 25


def _crew(threads: int = 1) -> Any:
    from service.cluster import crew

    order = crew.Order(
        source="photos",
        request=AnonymizeRequest(tenant="demo"),
        weights=Path("weights"),
        bundles=(),
        device="cpu",
        limits=Limits(),
        max_faces=None,
        threads=threads,
        guarded=True,
    )
    return crew.RayCrew(order, None, _DEADLINE_S)


def _dies() -> Outcome:
    from ray.exceptions import RayActorError

    raise RayActorError


class Well:
    """A worker that draws whatever it gets."""

    def __init__(self) -> None:
        self.got: list[str] = []

    def prepare(self) -> str | None:
        return None

    def answer(self) -> None:
        """Is there."""

    def carry_out(self, job: Job) -> Outcome:
        self.got.append(job.source)
        return _DRAWN


class Broken(Well):
    def carry_out(self, job: Job) -> Outcome:
        super().carry_out(job)
        return _BROKEN


class Dies(Well):
    def carry_out(self, job: Job) -> Outcome:
        super().carry_out(job)
        return _dies()


class GoneBefore(Well):
    def answer(self) -> None:
        _dies()


class Unprepared(Well):
    def prepare(self) -> str | None:
        return "no network fits the device"


class DiesUnprepared(Well):
    def prepare(self) -> str | None:
        return str(_dies())


class Endless(Well):
    carry_out_is_endless = True


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    """One worker at a time; a test says what they do."""
    made = FakeRay(lambda _: Well(), processors=1)
    monkeypatch.setattr("service.cluster.crew.ray", made)
    monkeypatch.setattr("service.cluster.crew.time", SimpleNamespace(monotonic=lambda: made.now))
    monkeypatch.setattr("service.cluster.crew.require_safe", lambda _: None)
    return made


def _jobs(names: Iterable[str]) -> Iterator[Job]:
    return (Job(name, cast(Any, None)) for name in names)


def _works(names: Iterable[str], at_once: int | None = None, threads: int = 1) -> list[tuple[str, Outcome]]:
    return [(job.source, done) for job, done in _crew(threads).work(_jobs(names), at_once)]


def _works_slowly(ray: FakeRay, names: Iterable[str]) -> dict[str, Outcome]:
    """With a caller that is busy with each result for a while."""
    outcomes = {}
    for job, outcome in _crew().work(_jobs(names)):
        outcomes[job.source] = outcome
        if outcome == _DRAWN:
            ray.now += _COMMIT_S
    return outcomes


def _first(ray: FakeRay, *kinds: type[Well]) -> None:
    """What the first workers are; the others are well."""
    ray.make = lambda number: kinds[number]() if number < len(kinds) else Well()


def test_a_worker_whose_device_is_broken_is_replaced_and_gets_nothing_more(ray: FakeRay) -> None:
    _first(ray, Broken)
    outcomes = dict(_works("abcdef", threads=2))
    assert [len(actor.inside.got) for actor in ray.actors] == [1, 4]
    assert not ray.actors[0].alive
    # Two were with it: one was tried, the other one is no reason to suspect anything.
    lost = [outcome for outcome in outcomes.values() if isinstance(outcome, Lost)]
    assert len(lost) == 2 and _BROKEN in lost and all(outcome.reason for outcome in lost)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Broken, "the device fails"),
        (Unprepared, "no network fits the device"),
        (DiesUnprepared, "died while it got"),
        (GoneBefore, "died while it had nothing"),
    ],
)
def test_where_no_worker_does_anything_the_run_ends(ray: FakeRay, kind: type[Well], said: str) -> None:
    ray.make = lambda _: kind()
    with pytest.raises(EngineUnavailable, match=said):
        _works([str(number) for number in range(100)])
    assert len(ray.actors) == 3
    assert not any(actor.alive for actor in ray.actors)


@pytest.mark.parametrize("kind", [Unprepared, DiesUnprepared])
def test_a_worker_that_could_not_get_ready_is_replaced(ray: FakeRay, kind: type[Well]) -> None:
    _first(ray, kind)
    assert _works(["a"]) == [("a", _DRAWN)]


def test_who_draws_in_between_is_replaced_again_and_again(ray: FakeRay) -> None:
    class Weakens(Well):
        def carry_out(self, job: Job) -> Outcome:
            super().carry_out(job)
            return _DRAWN if len(self.got) == 1 else _BROKEN

    ray.make = lambda _: Weakens()
    outcomes = _works([str(number) for number in range(40)], at_once=1)
    assert len(outcomes) == 40
    assert [outcome for _, outcome in outcomes].count(_DRAWN) == 20


def test_a_death_is_the_images_and_its_worker_is_replaced_once(ray: FakeRay) -> None:
    _first(ray, Dies)
    outcomes = dict(_works("abcd", threads=2))
    assert [outcomes[name] for name in "ab"] == [Lost(), Lost()]
    assert [outcomes[name] for name in "cd"] == [_DRAWN, _DRAWN]
    assert len(ray.actors) == 2


def test_an_image_is_not_given_to_a_worker_that_died_before(ray: FakeRay) -> None:
    _first(ray, GoneBefore, GoneBefore)
    assert _works(["a"]) == [("a", _DRAWN)]
    assert len(ray.actors) == 3


def test_an_image_without_end_loses_its_worker(ray: FakeRay) -> None:
    _first(ray, Endless)
    outcomes = dict(_works("abcd", threads=2))
    # Two were with it: the one that had its time is suspected, the other one is not.
    lost = [outcome for outcome in outcomes.values() if isinstance(outcome, Lost)]
    assert len(lost) == 2 and Lost() in lost and any(outcome.reason for outcome in lost)
    assert list(outcomes.values()).count(_DRAWN) == 2
    assert [actor.alive for actor in ray.actors] == [False, True]
    assert ray.now == _DEADLINE_S


def test_an_image_has_its_time_from_when_a_worker_gets_it(ray: FakeRay) -> None:
    class Stuck(Well):
        @property
        def carry_out_is_endless(self) -> bool:
            return bool(self.got)

    _first(ray, Stuck)
    assert _works_slowly(ray, "ab") == {"a": _DRAWN, "b": Lost()}
    assert ray.now == _COMMIT_S + _DEADLINE_S


def test_the_time_of_an_image_passes_while_others_are_done(ray: FakeRay) -> None:
    ray.processors = 2
    _first(ray, Endless)
    assert _works_slowly(ray, "abc") == {"a": Lost(), "b": _DRAWN, "c": _DRAWN}
    assert ray.now == _DEADLINE_S


def test_a_worker_gets_no_more_than_it_has_threads_for(ray: FakeRay) -> None:
    ray.processors = 2
    made = _crew(threads=2)
    for names in ("abcd", "efgh"):
        assert [done for _, done in made.work(_jobs(names))] == [_DRAWN] * 4
        # It dies between two rounds: the other one is not to get its share.
        ray.actors[0].inside.answer = _dies
    assert (ray.most, len(ray.actors)) == (2, 3)


def test_what_runs_is_finished_before_an_error_of_who_gives_out_the_work_is_raised(ray: FakeRay) -> None:
    def jobs() -> Iterator[str]:
        yield from "ab"
        raise KeysUnavailable("no keys")

    done: list[str] = []
    made = _crew()
    with pytest.raises(KeysUnavailable):
        done.extend(job.source for job, _ in made.work(_jobs(jobs())))
    assert sorted(done) == ["a", "b"]


def test_what_fails_by_itself_says_nothing_of_the_worker(ray: FakeRay) -> None:
    class Fails(Well):
        def carry_out(self, job: Job) -> Outcome:
            return Failed("image-damaged", "it is damaged")

    ray.make = lambda _: Fails()
    assert len(_works([str(number) for number in range(10)])) == 10
    assert len(ray.actors) == 1
