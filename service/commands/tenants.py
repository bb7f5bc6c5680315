"""``visard tenant``: who images belong to, and what each has chosen."""

import json
from datetime import datetime
from typing import Any, get_args

import click

from service.access.tenants import Tenant
from service.app import open_access
from service.settings import Settings
from service.tenancy import SealPolicy

_seal = click.Choice(get_args(SealPolicy))
_SEAL_HELP = "Where exact faces are kept: in the database, in every copy of the image, or nowhere."


@click.group()
def tenant() -> None:
    """Tenants."""


@tenant.command()
@click.argument("name")
@click.option("--seal", type=_seal, default="record", show_default=True, help=_SEAL_HELP)
def create(name: str, seal: SealPolicy) -> None:
    """Make a tenant and its key."""
    with open_access(Settings()) as access:
        # The key first: a tenant without one could not be completed by trying again.
        access.keys.create(name)
        made = access.tenants.create(name, seal)
    print(_line(made))


@tenant.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")
def list_(as_json: bool) -> None:
    """Show all tenants."""
    with open_access(Settings()) as access:
        found = access.tenants.list()
    if as_json:
        print(json.dumps({"tenants": [_facts(one) for one in found]}))
        return
    for one in found:
        print(_line(one))


@tenant.command("set")
@click.argument("name")
@click.option("--seal", type=_seal, required=True, help=_SEAL_HELP)
def set_(name: str, seal: SealPolicy) -> None:
    """Change what a tenant has chosen, for images made from now on."""
    with open_access(Settings()) as access:
        changed = access.tenants.set(name, seal=seal)
    print(_line(changed))


def _facts(one: Tenant) -> dict[str, Any]:
    return {"name": one.name, "created": _instant(one.created), "seal": one.seal}


def _line(one: Tenant) -> str:
    return f"{one.name:24} seal {one.seal:8} created {_instant(one.created)}"


def _instant(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
