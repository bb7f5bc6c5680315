"""``visard evaluate``."""

import click


@click.group()
def evaluate() -> None:
    """Measure protection and recovery on photos."""
