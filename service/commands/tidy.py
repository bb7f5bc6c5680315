"""``visard tidy``."""

import click

from service.administration import open_books
from service.operations.upkeep import tidy as tidy_up
from service.settings import Settings


@click.command()
def tidy() -> None:
    """Close attempts that died and delete what has expired, as the running service does by itself."""
    with open_books(Settings()) as books:
        done = tidy_up(books.audit, books.records)
    print(f"{done.interrupted} interrupted attempts closed, {done.expired} expired records deleted")
