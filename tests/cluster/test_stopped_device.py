"""A replica whose device has stopped: what it answers, and what its client makes of that; without a cluster."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from service.cluster.answers import Answer, answer_of
from service.engine.observer import NOBODY
from service.errors import BundleUnknown, EngineClosed, EngineUnavailable
from tests.engine.devices import PLAN

# Ray reads its environment when it is imported: late, and behind the tests that join a cluster.
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]

_CLOSED = Answer(None, "EngineClosed", "the device has stopped")


def _broken() -> list[Any]:
    raise RuntimeError("CUDA error")


def _unknown() -> list[Any]:
    raise BundleUnknown("not here")


@pytest.mark.parametrize("alive", [True, False])
def test_an_error_of_a_stopped_device_says_so(alive: bool) -> None:
    from service.cluster.replica import Replica

    replica = Replica.__new__(Replica)
    replica._engine = cast(Any, SimpleNamespace(alive=alive))
    assert replica._answered(lambda: [1]) == Answer([1])
    assert replica._answered(_broken) == (answer_of(_broken) if alive else _CLOSED)
    assert replica._answered(_unknown) == (answer_of(_unknown) if alive else _CLOSED)


def _room(monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> Any:
    """A client of replicas that answer so, one after the other."""
    from service.cluster import room

    left = list(answers)

    def carry(*_: object) -> Any:
        return SimpleNamespace(result=lambda timeout_s: left.pop(0))

    handle = SimpleNamespace(carry=SimpleNamespace(remote=carry))
    monkeypatch.setattr(room, "_PAUSE_S", 0.0)
    monkeypatch.setattr(room.serve, "get_app_handle", lambda _: handle)
    return room.RayRoom(4, NOBODY, lambda: None)


def test_another_replica_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    room = _room(monkeypatch, _CLOSED, _CLOSED, Answer(["a face"]))
    assert room.anonymize(b"", PLAN, ["a task"]) == ["a face"]
    assert room.waiting == 0


def test_none_of_them_works(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineUnavailable, match="a device that has stopped"):
        _room(monkeypatch, *[_CLOSED] * 3).anonymize(b"", PLAN, ["a task"])


def test_a_service_that_ends_asks_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    room = _room(monkeypatch, _CLOSED)
    room._sent.given_up = True
    with pytest.raises(EngineClosed):
        room.anonymize(b"", PLAN, ["a task"])
