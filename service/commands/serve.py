"""``visard serve``: the HTTP service."""

import click

from service.api.logs import log_to_stderr
from service.api.server import listen
from service.api.server import serve as serve_until_signalled
from service.app import create_app, embedded_defaults
from service.keys.memory import forbid_core_dumps
from service.settings import Settings


@click.command()
@click.option("--host", help="Address to listen on. Default: VISARD_HOST, or 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: VISARD_PORT, or 8080. 0 takes any free one.")
def serve(host: str | None, port: int | None) -> int:
    """Answer requests over HTTP until SIGTERM."""
    settings = Settings()
    forbid_core_dumps()
    app = create_app(settings)
    for default in embedded_defaults(settings):
        click.echo(f"visard: not for production: {default}", err=True)
    log_to_stderr()
    with listen(host or settings.host, settings.port if port is None else port) as listening:
        address = listening.getsockname()
        click.echo(f"visard: listening on {address[0]} port {address[1]}", err=True)
        started = serve_until_signalled(app, listening, settings.drain_delay, settings.drain_deadline)
    return 0 if started else 1
