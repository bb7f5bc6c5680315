"""``visard migrate``."""

import click

from service.datastore import migrate as bring_up_to_date
from service.settings import Settings


@click.command()
def migrate() -> None:
    """Bring the configured database to the schema of this version."""
    applied = bring_up_to_date(Settings())
    for title in applied:
        print(f"applied {title}")
    if not applied:
        print("nothing to do: the database is up to date")
