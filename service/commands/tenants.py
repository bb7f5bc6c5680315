"""``visard tenant``: who images belong to, and what each has chosen."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from service.access.tenants import Tenant
from service.administration import open_access
from service.commands.expiry import Lifetime
from service.commands.instants import instant
from service.commands.options import choice, json_option
from service.settings import Settings
from service.tenancy import Approvals, Policy, SealPolicy

_NEVER = "never"
_OPTIONS = (
    click.option(
        "--seal",
        type=choice(SealPolicy),
        help="Where exact faces are kept: in the database (default), in every copy of the image, or nowhere.",
    ),
    click.option(
        "--erasable/--not-erasable",
        default=None,
        help="Deleting the database row of an image makes it unrecoverable, whoever has the key.",
    ),
    click.option(
        "--expires-after", "lifetime", help="Of erasable images: 30d, 12h, or never. Rows are deleted by themselves."
    ),
    click.option(
        "--irreversible/--reversible", default=None, help="The key of an image is thrown away, and no record is made."
    ),
    click.option(
        "--approvals",
        type=choice(Approvals),
        help="Whether a recovery needs a second person, and whether one approval counts once or until it expires.",
    ),
)


def _policy_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group()
def tenant() -> None:
    """Tenants."""


@tenant.command()
@click.argument("name")
@_policy_options
def create(name: str, **options: Any) -> None:
    """Make a tenant and its key. What is chosen here holds for images made from then on."""
    policy = Policy(**_chosen(options))
    with open_access(Settings()) as access:
        # The key first: a tenant without one could not be completed by trying again.
        access.keys.create(name)
        made = access.tenants.create(name, policy)
    print(_line(made))


@tenant.command("list")
@json_option
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
@_policy_options
def set_(name: str, **options: Any) -> None:
    """Change what a tenant has chosen; approvals at once, the rest for images made from now on."""
    choices = _chosen(options)
    if not choices:
        raise click.UsageError("say what to change: --seal, --erasable, --expires-after, --irreversible, --approvals")
    with open_access(Settings()) as access:
        changed = access.tenants.set(name, **choices)
    print(_line(changed))


def _chosen(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as attributes of a policy."""
    choices = {name: value for name, value in options.items() if value is not None}
    if "lifetime" in choices:
        text = choices["lifetime"]
        choices["lifetime"] = None if text == _NEVER else Lifetime().convert(text, None, None)
    return choices


def _facts(one: Tenant) -> dict[str, Any]:
    policy = one.policy
    return {
        "name": one.name,
        "created": instant(one.created),
        "seal": policy.seal,
        "erasable": policy.erasable,
        "expires_after_s": None if policy.lifetime is None else round(policy.lifetime.total_seconds()),
        "irreversible": policy.irreversible,
        "approvals": policy.approvals,
    }


def _line(one: Tenant) -> str:
    policy = one.policy
    words = [f"seal {policy.seal}"]
    if policy.erasable:
        words.append(f"erasable, expires after {_words(policy.lifetime)}")
    if policy.irreversible:
        words.append("irreversible")
    if policy.approvals != "none":
        words.append(f"approvals {policy.approvals}")
    return f"{one.name:24} {'; '.join(words)}; created {instant(one.created)}"


def _words(lifetime: timedelta | None) -> str:
    return _NEVER if lifetime is None else f"{lifetime.total_seconds() / 3600:g} h"
