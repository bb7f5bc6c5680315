"""The HTTP server's own loop: a signal drains it, and a clean stop is exit status 0.

uvicorn would raise the signal again after its shutdown, and the process would die of it.
"""

import asyncio
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI

from service.api.connections import bounded
from service.api.desk import Desk
from service.errors import AddressUnusable

_BACKLOG = 2048


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the loop below."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Raises:
        AddressUnusable: it cannot be bound.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise AddressUnusable("cannot listen on this address and port") from error


def serve(
    app: FastAPI, listening: socket.socket, drain_delay_s: float, drain_deadline_s: float, proxies: Sequence[str] = ()
) -> bool:
    """Serve until SIGTERM or SIGINT; a second signal stops at once.

    Args:
        app: the application.
        listening: its socket.
        drain_delay_s: readiness has dropped, and requests are still taken on.
        drain_deadline_s: nothing is taken on, and what was accepted is finished.
        proxies: networks of those who are believed whom they ask for.

    Returns:
        Whether the server had started.
    """
    desk: Desk = app.state.desk
    config = uvicorn.Config(
        app,
        http=bounded(desk.limits.seconds),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=max(1, round(drain_deadline_s)),
    )
    server = _Server(config)
    asyncio.run(_run(server, desk, listening, drain_delay_s))
    return server.started


async def _run(server: _Server, desk: Desk, listening: socket.socket, drain_delay_s: float) -> None:
    stop = asyncio.Event()

    def signalled() -> None:
        server.force_exit = stop.is_set()
        server.should_exit = stop.is_set()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    desk.readiness.draining = True
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(serving), drain_delay_s)
    server.should_exit = True
    stopping.cancel()
    await serving
