"""The command ``visard``: its verbs, and how errors become one line and an exit code, or help where nothing is asked.

Exit codes: 0 done, 1 fault, 2 bad usage or bad input, 3 refused.
"""

import sys

import click

from service import __version__
from service.commands.approve import approve
from service.commands.audit import audit
from service.commands.batch import batch
from service.commands.bench import bench
from service.commands.bundle import bundle
from service.commands.demo import demo
from service.commands.evaluate import evaluate
from service.commands.exits import exit_code
from service.commands.keys import keys
from service.commands.migrate import migrate
from service.commands.openapi import openapi
from service.commands.photos import anonymize, recover
from service.commands.ray import ray
from service.commands.serve import serve
from service.commands.settings import settings
from service.commands.tenants import tenant
from service.commands.tidy import tidy
from service.commands.tokens import token
from service.commands.train import train
from service.commands.vault import vault
from service.errors import VisardError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="visard")
def cli() -> None:
    """Replace every face in a photo with a stranger's; give the original back to who holds the key."""


_COMMANDS = (
    serve,
    settings,
    openapi,
    anonymize,
    recover,
    approve,
    batch,
    ray,
    demo,
    migrate,
    tidy,
    tenant,
    token,
    keys,
    vault,
    bundle,
    train,
    evaluate,
    bench,
    audit,
)
for command in _COMMANDS:
    cli.add_command(command)


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
