"""Mixed load for a while; `make soak` is the same for two hours."""

from tests.drills.load import Answer, until
from tests.drills.soak import Soaked, soak
from tests.effort import count, drilling
from tests.serving import ANALYTIC, Installation, serving


def test_mixed_load(installation: Installation, photo: bytes) -> None:
    goes = (lambda: until(180)) if drilling() else (lambda: range(12))
    with serving(installation, ANALYTIC) as service:
        soaked = soak(service, photo, count(4, 8), goes)
    soaked.check(installation)
    print(*soaked.lines(), sep="\n")


def test_growth_is_seen() -> None:
    assert Soaked([], [100.0, 300, 310, 310, 320, 315, 312, 311]).growth_mib < 10
    assert Soaked([], [float(mib) for mib in range(100, 500)]).growth_mib > 150


def test_slowing_is_seen() -> None:
    def took(seconds: float) -> float:
        return Soaked([answer(1)] * 400 + [answer(seconds)] * 400, []).slowdown

    def answer(seconds: float) -> Answer:
        return Answer("recover", 200, seconds, None, None, 0)

    assert took(1) == 1
    assert took(3) == 3
