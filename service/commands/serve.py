"""``visard serve``: the HTTP service."""

import logging

import click

from service.api.logs import log_to_stderr
from service.api.server import listen
from service.api.server import serve as serve_until_signalled
from service.app import create_app, embedded_defaults
from service.keys.memory import forbid_core_dumps
from service.settings import Settings

_log = logging.getLogger("visard.serve")


@click.command()
@click.option("--host", help="Address to listen on. Default: VISARD_HOST, or 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: VISARD_PORT, or 8080. 0 takes any free one.")
def serve(host: str | None, port: int | None) -> int:
    """Answer requests over HTTP until SIGTERM."""
    given = {name: value for name, value in {"host": host, "port": port}.items() if value is not None}
    settings = Settings(**given)
    forbid_core_dumps()
    app = create_app(settings)
    log_to_stderr()
    for default in embedded_defaults(settings):
        _log.warning("not for production: %s", default)
    with listen(settings.host, settings.port) as listening:
        address = listening.getsockname()
        _log.info("listening on %s port %s", address[0], address[1])
        proxies = [str(network) for network in settings.trusted_proxies]
        started = serve_until_signalled(app, listening, settings.drain_delay, settings.drain_deadline, proxies)
    return 0 if started else 1
