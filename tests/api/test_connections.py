"""Callers that neither ask nor read keep neither a place, nor their connection, nor the service."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

from service.api.connections import bounded
from service.api.server import listen
from service.settings import Settings
from tests.serving import Installation, Process, serving
from tests.waiting import PATIENCE_S, until

# More than both ends of a connection keep for a reader.
LARGE = 32 << 20
GET = b"GET / HTTP/1.1\r\nHost: visard\r\n\r\n"
LITTLE = GET.replace(b"GET /", b"GET /little")
LITTLE_SIZE = 32 << 10
SIZE = 10
SHORT_S = 1.0
"""A patience that a test can wait for, and that a busy machine does not use up by itself."""
UPLOAD = b"POST /upload HTTP/1.1\r\nHost: visard\r\nContent-Length: %d\r\n\r\n" % SIZE


async def _app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["path"] == "/upload":
        while (await receive())["more_body"]:
            pass
    length = LARGE if scope["path"] == "/" else LITTLE_SIZE
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % length)]})
    for start in range(0, length, 1 << 20):
        size = min(1 << 20, length - start)
        await send({"type": "http.response.body", "body": bytes(size), "more_body": start + size < length})


@contextmanager
def _served(patience_s: float) -> Iterator[tuple[uvicorn.Server, int, threading.Thread]]:
    config = uvicorn.Config(
        _app,
        http=bounded(patience_s),
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=10 * PATIENCE_S,
        timeout_keep_alive=10 * PATIENCE_S,
    )
    server = uvicorn.Server(config)
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            yield server, listening.getsockname()[1], thread
        finally:
            server.force_exit = server.should_exit = True
            thread.join()


def _caller(port: int) -> socket.socket:
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    caller.settimeout(PATIENCE_S)
    caller.connect(("127.0.0.1", port))
    return caller


def test_a_connection_whose_caller_does_not_read_ends_and_holds_up_no_shutdown() -> None:
    with _served(SHORT_S) as (server, port, thread), closing(_caller(port)) as first, closing(_caller(port)) as second:
        second.sendall(UPLOAD)
        until(lambda: server.server_state.tasks)
        first.sendall(GET)
        # The other one has something to do, and is left alone.
        until(lambda: len(server.server_state.connections) == 1)
        until(lambda: len(server.server_state.tasks) == 1)
        second.sendall(bytes(SIZE) + GET)
        until(lambda: not server.server_state.connections)
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def _more_than(answered: int, server: uvicorn.Server) -> bool:
    return server.server_state.total_requests > answered


def _until_a_little_waits(server: uvicorn.Server, caller: socket.socket) -> int:
    """Ask for so many answers that a part of the last waits for its reader; how many they are."""
    until(lambda: server.server_state.connections)
    (connection,) = server.server_state.connections
    while not connection.transport.get_write_buffer_size():
        answered = server.server_state.total_requests
        caller.sendall(LITTLE)
        until(partial(_more_than, answered, server), pause_s=0.001)
    return server.server_state.total_requests


def test_a_little_that_is_never_taken_keeps_no_connection() -> None:
    """So many answers until a part of the last waits, and nothing more is asked for."""
    with _served(SHORT_S) as (server, port, _), closing(_caller(port)) as caller:
        _until_a_little_waits(server, caller)
        until(lambda: not server.server_state.connections)


def test_who_takes_the_last_of_an_answer_has_as_long_again_to_ask() -> None:
    """Its time begins when it has everything, not when the little that is left for it was written."""
    patience_s = 8 * SHORT_S
    with _served(patience_s) as (server, port, _), closing(_caller(port)) as caller:
        left = _until_a_little_waits(server, caller) * LITTLE_SIZE
        time.sleep(0.7 * patience_s)
        while left:
            left -= caller.recv(1 << 20).count(0)
        time.sleep(0.6 * patience_s)
        caller.sendall(LITTLE)
        assert caller.recv(12) == b"HTTP/1.1 200"


def test_who_reads_gets_everything_again_and_again() -> None:
    with _served(10 * PATIENCE_S) as (_, port, _), closing(_caller(port)) as caller:
        for _ in range(2):
            caller.sendall(GET)
            answer = bytearray()
            while len(answer) < LARGE or len(answer) < LARGE + answer.index(b"\r\n\r\n") + 4:
                answer += caller.recv(1 << 20)


def _connected(patience_s: float, waits: int, aborted: list[bool]) -> Any:
    """A connection that answers, and of which so many bytes wait as soon as it is paused."""
    state = SimpleNamespace(connections=set(), tasks=set(), default_headers=[], total_requests=0)
    connection: Any = bounded(patience_s)(uvicorn.Config(_app), state, {})
    transport = SimpleNamespace(
        set_write_buffer_limits=lambda high: None,
        get_write_buffer_size=lambda: waits,
        get_extra_info=lambda _: None,
        abort=lambda: aborted.append(True),
    )
    connection.connection_made(transport)
    connection.cycle = SimpleNamespace(response_complete=False)
    return connection


def test_who_goes_on_reading_in_time_is_not_broken_off() -> None:
    aborted = list[bool]()

    async def pause() -> None:
        connection = _connected(0.05, 64 << 10, aborted)
        connection.pause_writing()
        connection.resume_writing()
        await asyncio.sleep(0.2)
        assert not aborted
        connection.pause_writing()
        await asyncio.to_thread(until, lambda: aborted)

    asyncio.run(pause())


@pytest.mark.parametrize(
    ("waits", "answers", "ends"), [(1, 1, True), (1 << 20, 1, False), (1, 40, False)], ids=["little", "much", "others"]
)
def test_a_whole_answer_is_not_waited_for_much_longer_than_a_piece_of_it(waits: int, answers: int, ends: bool) -> None:
    aborted = list[bool]()

    async def dribble() -> None:
        connection = _connected(0.6, waits, aborted)
        for number in range(40):
            if number < answers:
                connection.cycle = SimpleNamespace(response_complete=False)
            connection.pause_writing()
            await asyncio.sleep(0.05)
            connection.resume_writing()

    asyncio.run(dribble())
    assert bool(aborted) == ends


@pytest.mark.parametrize(
    ("sent", "more"),
    [
        (b"", b""),
        (GET[:-2], b"x"),
        (LITTLE.replace(b"GET", b"POST")[:-2] + b"Content-Length: 100000\r\n\r\n", b"x"),
        (LITTLE, b"G"),
    ],
    ids=["nothing", "half a head", "the body of what was answered", "half a head behind an answer"],
)
def test_who_does_not_ask_keeps_no_connection_whatever_comes(sent: bytes, more: bytes) -> None:
    with _served(SHORT_S) as (server, port, _), closing(_caller(port)) as caller:
        until(lambda: server.server_state.connections)
        caller.sendall(sent)
        if b"little" in sent:
            assert caller.recv(12) == b"HTTP/1.1 200"
            until(lambda: server.server_state.total_requests == 1)

        def broken_off() -> bool:
            with suppress(ConnectionError, BlockingIOError):
                caller.sendall(more)
                caller.recv(1 << 20, socket.MSG_DONTWAIT)
            return not server.server_state.connections

        until(broken_off)


def test_an_upload_that_takes_longer_is_not_broken_off() -> None:
    """Its own limit is the business of who reads it."""
    with _served(SHORT_S) as (_, port, _), closing(_caller(port)) as caller:
        for _ in range(2):
            caller.sendall(UPLOAD)
            for _ in range(SIZE):
                time.sleep(1.5 * SHORT_S / SIZE)
                caller.sendall(b"x")
            answer = bytearray()
            while len(answer) < LITTLE_SIZE:
                answer += caller.recv(1 << 20)
            assert answer.startswith(b"HTTP/1.1 200")


@pytest.fixture
def impatient(tmp_path: Path, small_bundle: Path) -> Iterator[Process]:
    """A service that lets an answer stand still for a second, and drains for long."""
    installation = Installation.make(Settings(home=tmp_path / "home", weights=small_bundle))
    limits = {"VISARD_UPLOAD_TIMEOUT": "1", "VISARD_DRAIN_DELAY": "0", "VISARD_DRAIN_DEADLINE": str(10 * PATIENCE_S)}
    with serving(installation, **limits) as process:
        yield process


def test_an_answer_that_is_not_taken_lets_the_service_end(impatient: Process) -> None:
    size = len(impatient.get("/openapi.json").content)
    with closing(_caller(int(impatient.url.rpartition(":")[2]))) as caller:
        asked = GET.replace(b"GET /", b"GET /openapi.json")
        caller.sendall(asked * (LARGE // size))
        assert caller.recv(12) == b"HTTP/1.1 200"
        impatient.process.send_signal(signal.SIGTERM)
        assert impatient.process.wait(PATIENCE_S) == 0
