"""``visard batch`` on threads: what takes too long, and what is under way when something else fails."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.batch import work
from service.batch.work import Job, Outcome, Threads
from service.errors import EngineUnavailable, KeysUnavailable
from tests.batch.conftest import Bench
from tests.batch.stubs import DRAWN, Crowd
from tests.commands.visard import visard


@pytest.fixture
def becomes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], Outcome]], None]:
    """What becomes of a photo, by its name."""

    def choose(outcome: Callable[[str], Outcome]) -> None:
        monkeypatch.setattr(work, "carry_out", lambda job, *_: outcome(job.source))

    return choose


def _jobs(count: int) -> Iterator[Job]:
    return (Job(str(number), None) for number in range(count))  # type: ignore[arg-type]


def test_an_image_without_end_ends_the_run_and_is_named(bench: Bench, becomes: Callable[..., None]) -> None:
    never = threading.Event()

    def outcome(name: str) -> Outcome:
        if name == "b.png":
            never.wait()
        return DRAWN

    becomes(outcome)
    bench.deadline_s = 1.0
    began = time.monotonic()
    try:
        with bench.batch() as (batch, crew), pytest.raises(EngineUnavailable, match=r"b\.png is not done after 1 s"):
            batch.run(crew)
        assert time.monotonic() - began < 30
        assert set(bench.lines) == {"a.png", "below/c.png"}
    finally:
        never.set()


def test_an_image_has_its_time_from_when_a_thread_takes_it(bench: Bench, becomes: Callable[..., None]) -> None:
    becomes(lambda _: (time.sleep(3), DRAWN)[1])
    crew = Threads(1, bench.source, None, bench.parts, deadline_s=5)  # type: ignore[arg-type]
    assert [outcome for _, outcome in crew.work(_jobs(2))] == [DRAWN] * 2


def test_what_is_drawn_when_the_keys_go_is_committed_first(
    bench: Bench, becomes: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def begin(*_: Any) -> Any:
        asked.append("")
        if len(asked) == 3:
            raise KeysUnavailable("no keys")
        return None

    monkeypatch.setattr("service.batch.run.patiently", lambda call: call())
    monkeypatch.setattr("service.batch.run.NewImage.begin", begin)
    becomes(lambda _: (time.sleep(0.2), DRAWN)[1])
    with bench.batch() as (batch, crew), pytest.raises(KeysUnavailable):
        batch.run(crew.threads)
    assert set(bench.lines) == {"a.png", "b.png"}


def test_each_is_given_back_once_and_no_thread_stays(bench: Bench, becomes: Callable[..., None]) -> None:
    becomes(lambda _: DRAWN)
    before = threading.active_count()
    crew = Threads(3, bench.source, None, bench.parts)  # type: ignore[arg-type]
    assert sorted(int(job.source) for job, _ in crew.work(_jobs(50))) == list(range(50))
    assert threading.active_count() == before


def test_no_thread_is_refused_by_the_engine_of_the_run(
    tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISARD_WEIGHTS", str(small_bundle))
    crowd = Crowd(80)
    monkeypatch.setattr(work, "carry_out", crowd.carry_out)
    (tmp_path / "photos").mkdir()
    for number in range(crowd.count):
        (tmp_path / "photos" / f"{number}.png").touch()
    assert visard("batch", tmp_path / "photos", tmp_path / "out", "--threads", crowd.count) == 0
    assert not crowd.refused
