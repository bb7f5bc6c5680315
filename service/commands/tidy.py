"""``visard tidy``."""

import click

from service.assembly import open_upkeep
from service.operations.upkeep import tidy as tidy_up
from service.settings import Settings


@click.command()
def tidy() -> None:
    """Close attempts that died and delete what has expired, as the running service does by itself."""
    with open_upkeep(Settings()) as (audit, records):
        done = tidy_up(audit, records)
    print(f"{done.interrupted} interrupted attempts closed, {done.expired} expired records deleted")
