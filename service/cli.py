"""The command ``visard``: its verbs, and how errors become one line and an exit code, or help where nothing is asked.

Exit codes: 0 done, 1 fault, 2 bad usage or bad input, 3 refused.
"""

import sys
from importlib import import_module
from typing import Final

import click

from service import __version__
from service.commands.exits import exit_code
from service.errors import VisardError

COMMANDS: Final = {
    "anonymize": "photos",
    "approve": "approve",
    "audit": "audit",
    "batch": "batch",
    "bench": "bench",
    "bundle": "bundle",
    "demo": "demo",
    "evaluate": "evaluate",
    "keys": "keys",
    "migrate": "migrate",
    "openapi": "openapi",
    "ray": "ray",
    "recover": "photos",
    "serve": "serve",
    "settings": "settings",
    "tenant": "tenants",
    "tidy": "tidy",
    "token": "tokens",
    "train": "train",
    "vault": "vault",
}
"""The module of each, below ``service.commands``."""


class _Verbs(click.Group):
    """Imports a command when it is asked for: most need no network, and torch alone takes seconds."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"service.commands.{COMMANDS[cmd_name]}"), cmd_name)
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="visard")
def cli() -> None:
    """Replace every face in a photo with a stranger's; give the original back to who holds the key."""


def main() -> None:
    """Run the command line and exit."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", 1)
    except VisardError as error:
        _fail(str(error), exit_code(error))
    except Exception as error:  # noqa: BLE001
        # The text of a foreign exception may hold a path or worse: its kind must do.
        _fail(f"internal error ({type(error).__name__})", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    print(f"visard: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
