"""Clients who ask on and on, while a test does things to what the service depends on."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.serving import PATIENCE_S

Ask = Callable[[], httpx.Response]


@dataclass
class Crowd:
    """The answers of all clients, in order of their arrival.

    Attributes:
        answers: who asked, in which period the request began, and the answer.
    """

    asks: Sequence[Ask]
    answers: list[tuple[int, int, httpx.Response]] = field(default_factory=list)
    _period: int = 0
    _stopping: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def next(self, each: int) -> list[httpx.Response]:
        """So many answers of each client, to requests that begin from now on."""
        with self._changed:
            self._period += 1
            self._wait(lambda: all(len(answers) >= each for answers in self._of_period()))
            return [answer for answers in self._of_period() for answer in answers[:each]]

    def wait_for(self, status: int) -> None:
        """Until each client has had this status, on a request that begins from now on."""
        with self._changed:
            self._period += 1
            self._wait(lambda: all(status in {a.status_code for a in answers} for answers in self._of_period()))

    def _wait(self, met: Callable[[], bool]) -> None:
        assert self._changed.wait_for(met, 3 * PATIENCE_S), "a client waits for an answer"

    def _of_period(self) -> list[list[httpx.Response]]:
        """The answers of each client to requests of this period."""
        return [
            [answer for who, began, answer in self.answers if (who, began) == (client, self._period)]
            for client in range(len(self.asks))
        ]

    def _ask(self, client: int) -> None:
        while not self._stopping:
            period = self._period
            answer = self.asks[client]()
            with self._changed:
                self.answers.append((client, period, answer))
                self._changed.notify_all()


@contextmanager
def crowd(asks: Sequence[Ask]) -> Iterator[Crowd]:
    """One client for each of ``asks``; they leave behind the block."""
    people = Crowd(asks)
    threads = [threading.Thread(target=people._ask, args=(client,)) for client in range(len(asks))]
    for thread in threads:
        thread.start()
    try:
        yield people
    finally:
        people._stopping = True
        for thread in threads:
            thread.join()
