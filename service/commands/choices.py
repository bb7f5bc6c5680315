"""Options whose values the code knows already."""

from typing import get_args

import click


def choice(literal: object, *more: str) -> click.Choice[str]:
    """``more``, and the values of a ``Literal``."""
    return click.Choice([*more, *map(str, get_args(literal))])
