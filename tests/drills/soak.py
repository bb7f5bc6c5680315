"""Mixed load for long: memory, records, the audit log, and how long answers take, quarter by quarter.

usage: python -m tests.drills.soak [--minutes M] [--clients N] [--pause S]

Exit 1 if memory grew, answers became slow, a record is missing, an answer was an error or the audit log does not
verify.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from skimage.data import astronaut

from service.settings import Settings
from tests.drills.load import WISHES, Answer, Visitor, load, until
from tests.files import encoded
from tests.given import take
from tests.serving import ANALYTIC, Installation, Process, serving

QUARTERS = 4
GROWTH_MIB = 48
"""What the last quarter may take beyond the second: allocators settle, leaks go on."""
SLOWDOWN = 2
"""How many times the second quarter's p99 the last one's may be: what grows with every request grows on."""
_SAMPLES_A_SECOND = 4
_T = TypeVar("_T")


@dataclass(frozen=True)
class Soaked:
    """What was seen.

    Attributes:
        answers: in the order they came.
        memory: resident, in MiB, at even distances.
    """

    answers: list[Answer]
    memory: list[float]

    @property
    def growth_mib(self) -> float:
        """Of memory, from the second quarter to the last: the first one warms up."""
        quarters = _quarters(self.memory)
        return statistics.median(quarters[-1]) - statistics.median(quarters[1])

    @property
    def slowdown(self) -> float:
        """The p99 of the last quarter over that of the second."""
        quarters = _quarters(self.answers)
        return _took(quarters[-1], 0.99) / _took(quarters[1], 0.99)

    def check(self, installation: Installation) -> None:
        """Nothing failed, nothing is lost, and all of it is in the log."""
        assert {answer.status for answer in self.answers} <= {200, 429}
        done = [answer for answer in self.answers if answer.status == 200]
        installation.check_records({answer.record for answer in done if answer.record})
        installation.check_log({answer.attempt for answer in done if answer.attempt})
        assert self.growth_mib < GROWTH_MIB, f"memory grew by {self.growth_mib:.0f} MiB"

    def lines(self) -> Iterator[str]:
        """For a person."""
        counts = Counter(answer.status for answer in self.answers)
        yield "answers: " + ", ".join(f"{status} x {number}" for status, number in sorted(counts.items()))
        for number, quarter in enumerate(_quarters(self.answers), 1):
            p50, p99 = _took(quarter, 0.5), _took(quarter, 0.99)
            memory = statistics.median(_quarters(self.memory)[number - 1])
            yield f"quarter {number}: p50 {p50:.2f} s, p99 {p99:.2f} s, memory {memory:.0f} MiB"


def _quarters(values: list[_T]) -> list[list[_T]]:
    edges = [len(values) * part // QUARTERS for part in range(QUARTERS + 1)]
    return [values[begin:end] for begin, end in itertools.pairwise(edges)]


def _took(answers: list[Answer], part: float) -> float:
    """Seconds that this part of them, of 1, took at most; refusals are quick and do not count."""
    took = sorted(answer.seconds for answer in answers if answer.status == 200)
    return took[int(part * (len(took) - 1))]


def soak(service: Process, photo: bytes, clients: int, goes: Callable[[], Iterable[object]]) -> Soaked:
    """Load a service; see ``load``. Its memory is looked at once every client was given everything."""
    visitor = Visitor(service, photo)
    answers = load(visitor, clients, lambda: WISHES)
    with _sampled(service) as memory:
        answers += load(visitor, clients, goes)
    return Soaked(sorted(answers, key=lambda answer: answer.at), memory)


@contextmanager
def _sampled(service: Process) -> Iterator[list[float]]:
    """Its memory, until the block ends."""
    memory, ended = [resident_mib(service)], threading.Event()

    def sample() -> None:
        while not ended.wait(1 / _SAMPLES_A_SECOND):
            memory.append(resident_mib(service))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()


def resident_mib(service: Process) -> float:
    """Memory of its process now."""
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def visits(minutes: float, pause_s: float) -> Iterator[None]:
    """Of one client, who rests in between."""
    for _ in until(60 * minutes):
        yield
        time.sleep(pause_s)


def main() -> None:
    take()
    parser = argparse.ArgumentParser(description="Mixed load for long.")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0, help="seconds each client rests after an answer")
    chosen = parser.parse_args()
    photo = encoded(np.ascontiguousarray(astronaut()[20:240, 120:320]))
    with tempfile.TemporaryDirectory() as home:
        installation = Installation.make(Settings(home=Path(home)))
        began = time.monotonic()
        with serving(installation, ANALYTIC) as service:
            soaked = soak(service, photo, chosen.clients, lambda: visits(chosen.minutes, chosen.pause))
        took = f"{(time.monotonic() - began) / 60:.1f} min"
        print(f"{chosen.clients} clients for {took}, pauses of {chosen.pause:g} s, analytic denoiser, SQLite")
        print(*soaked.lines(), sep="\n")
        try:
            soaked.check(installation)
            assert soaked.slowdown < SLOWDOWN, f"the last quarter's p99 is {soaked.slowdown:.1f} times the second's"
        except AssertionError as failed:
            sys.exit(f"failed: {failed}")
    print("no record is missing, the audit log verifies, memory is flat, p99 is stable")


if __name__ == "__main__":
    main()
