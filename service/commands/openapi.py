"""``visard openapi``: the description of the HTTP interface."""

import json

import click

from service.api import openapi_document


@click.command()
def openapi() -> None:
    """Print the OpenAPI document of the service."""
    print(json.dumps(openapi_document(), indent=2, sort_keys=True, ensure_ascii=False))
