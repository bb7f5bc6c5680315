"""``visard token``: making, listing and revoking bearer tokens."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from service.access.principal import Scope
from service.access.tokens import TokenInfo
from service.administration import open_access
from service.commands.expiry import Expiry
from service.commands.instants import instant
from service.commands.options import json_option
from service.settings import Settings


@click.group()
def token() -> None:
    """Bearer tokens."""


@token.command()
@click.option("--tenant", required=True, help="On whose behalf the token acts.")
@click.option("--subject", required=True, help="Who holds it, as the audit log will name them.")
@click.option("--scope", "scopes", type=click.Choice(list(map(str, Scope))), multiple=True, required=True)
@click.option("--expires", type=Expiry(), help="30d, 12h, or a date like 2030-01-31 (UTC, its first moment).")
def create(tenant: str, subject: str, scopes: tuple[str, ...], expires: datetime | None) -> None:
    """Make a token and print it and nothing else; it cannot be shown again."""
    with open_access(Settings()) as access:
        _, secret = access.tokens.create(tenant, subject, frozenset(map(Scope, scopes)), expires)
    print(secret)


@token.command("list")
@click.option("--tenant", help="Only the tokens of this tenant.")
@json_option
def list_(tenant: str | None, as_json: bool) -> None:
    """Show what is known of the tokens, but not the tokens."""
    with open_access(Settings()) as access:
        found = access.tokens.list(None if tenant is None else access.tenants.get(tenant).name)
    if as_json:
        print(json.dumps({"tokens": [_facts(one) for one in found]}))
        return
    for one in found:
        print(_line(_facts(one)))


@token.command()
@click.argument("token_id", metavar="ID", type=click.UUID)
def revoke(token_id: UUID) -> None:
    """Refuse a token from now on."""
    with open_access(Settings()) as access:
        access.tokens.revoke(token_id)
    print(f"{token_id} is revoked")


def _facts(one: TokenInfo) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "tenant": one.tenant,
        "subject": one.subject,
        "scopes": sorted(one.scopes),
        "created": instant(one.created),
        "expires": instant(one.expires),
        "revoked": instant(one.revoked),
        "last_used": instant(one.last_used),
    }


def _line(facts: dict[str, Any]) -> str:
    times = " ".join(f"{name} {facts[name] or 'never'}" for name in ("expires", "revoked", "last_used"))
    return f"{facts['id']} {facts['tenant']} {facts['subject']} [{' '.join(facts['scopes'])}] {times}"
