"""Many clients at once; run as a module, what a request costs besides the network. Measured, never judged.

usage: python -m tests.drills.load [--clients N] [--seconds S]
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from skimage.data import astronaut

from service.settings import Settings
from tests.files import encoded
from tests.given import take
from tests.serving import ANALYTIC, NETWORK, Installation, Process, serving

WISHES: dict[str, tuple[str, dict[str, str]]] = {
    "detect": ("/v1/detect", {}),
    "anonymize": ("/v1/anonymize", {}),
    "recover, exact": ("/v1/recover", {"reason": "load"}),
    "recover, generative": ("/v1/recover", {"reason": "load", "fidelity": "generative"}),
}


@dataclass(frozen=True)
class Answer:
    """What is kept of an answer.

    Attributes:
        what: was asked for.
        seconds: it took.
        attempt: in the audit log, if any.
        record: that was made, if any.
        at: when it came; of a clock that never goes back.
    """

    what: str
    status: int
    seconds: float
    attempt: str | None
    record: str | None
    at: float


class Visitor:
    """Asks a service for ``WISHES``, with a photo of one face."""

    def __init__(self, service: Process, photo: bytes) -> None:
        self.service = service
        self._photo = photo
        self._image = service.post("/v1/anonymize", "all", photo).raise_for_status().content

    def ask(self, what: str) -> Answer:
        path, fields = WISHES[what]
        answer = self.service.post(path, "all", self._image if "reason" in fields else self._photo, **fields)
        return Answer(
            what,
            answer.status_code,
            answer.elapsed.total_seconds(),
            answer.headers.get("x-visard-audit"),
            answer.headers.get("x-visard-record") if path == "/v1/anonymize" else None,
            time.monotonic(),
        )


def load(visitor: Visitor, clients: int, goes: Callable[[], Iterable[object]]) -> list[Answer]:
    """Clients that ask for everything in turn, and come back later when they are told to.

    Args:
        goes: one for each request of a client.
    """

    def client(number: int) -> list[Answer]:
        answers = []
        wishes = itertools.islice(itertools.cycle(WISHES), number, None)
        for what, _ in zip(wishes, goes(), strict=False):
            answers.append(visitor.ask(what))
            if answers[-1].status == 429:
                time.sleep(1)
        return answers

    with ThreadPoolExecutor(clients) as pool:
        return [answer for answers in pool.map(client, range(clients)) for answer in answers]


def until(seconds: float) -> Iterator[None]:
    """Goes for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


def main() -> None:
    take()
    # What was measured so far is shown though the rest takes long, into a file too.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(description="What requests cost, with many clients and with one.")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    photo = encoded(np.ascontiguousarray(astronaut()[20:240, 120:320]))
    with tempfile.TemporaryDirectory() as home:
        installation = Installation.make(Settings(home=Path(home)))
        with serving(installation, ANALYTIC) as service:
            print(f"{chosen.clients} clients for {chosen.seconds:g} s, analytic denoiser, SQLite")
            _print_crowd(load(Visitor(service, photo), chosen.clients, lambda: until(chosen.seconds)), chosen.seconds)
        # The network takes its time: two say enough.
        for module, name, requests in ((ANALYTIC, "analytic denoiser", 10), (NETWORK, "packaged network", 2)):
            with serving(installation, module) as service:
                print(f"\none client, {name}, a photo of one face, SQLite; milliseconds (medians of {requests})")
                _print_costs(Visitor(service, photo), requests)


def _print_crowd(answers: list[Answer], seconds: float) -> None:
    counts = Counter(answer.status for answer in answers)
    print("answers:", ", ".join(f"{status} x {number}" for status, number in sorted(counts.items())))
    for what in dict.fromkeys(answer.what for answer in answers):
        took = sorted(a.seconds for a in answers if a.what == what and a.status == 200)
        if took:
            middle, late = statistics.median(took), took[int(0.95 * (len(took) - 1))]
            print(f"{what:20} {len(took) / seconds:6.1f} a second, median {middle:.2f} s, 95 % {late:.2f} s")


def _print_costs(visitor: Visitor, requests: int) -> None:
    """Medians; the device's share is read from the service's own metrics."""
    print(f"{'':20} {'request':>9} {'solve':>9} {'all else':>9}")
    for what in WISHES:
        costs = [_cost(visitor, what) for _ in range(requests)]
        total, solve = (statistics.median(parts) for parts in zip(*costs, strict=True))
        rest = statistics.median(whole - part for whole, part in costs)
        print(f"{what:20} " + " ".join(f"{1000 * seconds:9.1f}" for seconds in (total, solve, rest)))


def _cost(visitor: Visitor, what: str) -> tuple[float, float]:
    """Seconds of a request, and of the device for it."""
    before = _solved_s(visitor.service)
    total = visitor.ask(what).seconds
    return total, _solved_s(visitor.service) - before


def _solved_s(service: Process) -> float:
    """Seconds the device has worked so far."""
    families = text_string_to_metric_families(service.get("/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    wanted = "visard_phase_duration_seconds_sum"
    return sum(s.value for s in samples if s.name == wanted and s.labels["phase"] == "solve")


if __name__ == "__main__":
    main()
