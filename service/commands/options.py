"""Options that several commands have, and values that the code knows already."""

from typing import get_args

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")


def choice(literal: object, *more: str) -> click.Choice[str]:
    """``more``, and the values of a ``Literal``."""
    return click.Choice([*more, *map(str, get_args(literal))])
