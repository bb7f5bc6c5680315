"""The commands in the documentation, and what they say of the command line."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from service.cli import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")))
_FENCE = re.compile(r"^```(\w*).*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"(^|\s+)#\s.*$", re.MULTILINE)
_IN_A_CONTAINER = re.compile(r"docker compose (?:exec \S+|run --rm --entrypoint (visard) \S+) ")
_INVOKED = re.compile(r"(?:^|[\s(`])visard ([^|&)<>`;]+)")
_ASSIGNED = re.compile(r"^\w+=\S*$")


@dataclass(frozen=True)
class Command:
    """A line of a fenced block of shell; continued lines are one.

    Attributes:
        document: it stands in.
        text: without comments.
    """

    document: str
    text: str

    def invocations(self) -> Iterator[list[str]]:
        """The words behind each ``visard``."""
        if self.text.startswith("kubectl"):
            return
        for found in _INVOKED.findall(_IN_A_CONTAINER.sub(r"\1 ", self.text)):
            yield shlex.split(re.sub(r"[\[\]]", "", found))


def commands(document: str) -> list[Command]:
    """Of one document, in order; assignments of variables alone are none."""
    blocks = [body for language, body in _FENCE.findall((ROOT / document).read_text()) if language == "sh"]
    lines = (line for body in blocks for line in _COMMENT.sub("", body).replace("\\\n", "").splitlines())
    shortened = (re.sub(r"\s+", " ", line).strip() for line in lines)
    return [Command(document, line) for line in shortened if line and not _ASSIGNED.match(line)]


def mentions(document: str) -> Iterator[str]:
    """Inline code, outside of fenced blocks."""
    yield from re.findall(r"`([^`\n]+)`", _FENCE.sub("", (ROOT / document).read_text()))


def parse(words: list[str], *, whole: bool) -> None:
    """Hold ``visard WORDS`` against the command line.

    Args:
        words: behind ``visard``.
        whole: whether what is required must be there.

    Raises:
        click.UsageError: there is no such command, option or choice, or something required is missing.
    """
    context, command, rest = click.Context(cli, info_name="visard"), cli, [*words]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is None:
            raise click.UsageError(f"there is no command {' '.join(words)}")
        context, command = click.Context(found, info_name=rest.pop(0), parent=context), found
    given, _, _ = command.make_parser(context).parse_args(rest)
    for parameter in command.get_params(context):
        value = given.get(parameter.name)
        if isinstance(value, str) and isinstance(parameter.type, click.Choice):
            parameter.type.convert(value, parameter, context)
        if whole and parameter.required and not value:
            raise click.MissingParameter(ctx=context, param=parameter)


def options(command: click.Command = cli) -> set[str]:
    """All options there are, of all commands."""
    own = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    below: list[click.Command] = []
    if isinstance(command, click.Group):
        context = click.Context(command)
        below = [found for name in command.list_commands(context) if (found := command.get_command(context, name))]
    return own.union(*map(options, below)) | {"--help"}
