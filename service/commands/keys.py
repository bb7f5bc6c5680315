"""``visard keys``: the versions of a tenant's master key, whoever holds it."""

import json
from contextlib import closing
from typing import Any

import click

from service.administration import Custody, open_custody
from service.commands.exits import REFUSED
from service.commands.instants import instant
from service.commands.operator import operator
from service.commands.options import json_option
from service.environment import read_secret
from service.keys.local import LocalKeyStore
from service.keys.provider import KeyVersion
from service.keystore import open_keys
from service.operations.shred import doomed, shred
from service.plain_text import validated_text
from service.settings import Settings

_tenant = click.option("--tenant", required=True)
_version = click.IntRange(1, 2**32 - 1)


class _Declined(click.ClickException):
    """The person who was asked said no."""

    exit_code = REFUSED


@click.group()
def keys() -> None:
    """Master keys of tenants. A destroyed one takes its images along."""


@keys.command("list")
@_tenant
@json_option
def list_(tenant: str, as_json: bool) -> None:
    """Show the versions of a tenant's key, and how many images need each."""
    with open_custody(Settings()) as custody:
        found = custody.keys.versions(tenant)
        images = custody.records.count_by_key_version(tenant, custody.keys.custodian)
        custodian = custody.keys.custodian
    facts = [_facts(one, images.get(one.version, 0), one is found[-1]) for one in found]
    if as_json:
        print(json.dumps({"tenant": tenant, "custodian": custodian, "keys": facts}))
        return
    for one in facts:
        print(
            f"version {one['version']:<4} {one['state']:10} images {one['images']:<8} created {one['created'] or '-'}"
        )


@keys.command()
@_tenant
@json_option
def rotate(tenant: str, as_json: bool) -> None:
    """Make a new version for new images; older images stay recoverable."""
    with open_custody(Settings()) as custody:
        version = custody.keys.rotate(tenant)
    print(json.dumps({"tenant": tenant, "version": version}) if as_json else f"version {version} is the current one")


@keys.command()
@_tenant
@click.option("--version", type=_version, help="This version and no other.")
@click.option("--up-to", type=_version, help="All versions up to this one, the oldest first.")
@click.option("--reason", default="not given", show_default=True, help="Goes into the audit log.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def destroy(tenant: str, version: int | None, up_to: int | None, reason: str, yes: bool, as_json: bool) -> None:
    """Destroy key versions for good: images made with them can never be recovered again.

    Vault's transit engine destroys from the oldest version upwards, and never the newest one.
    """
    last = version or up_to
    if last is None or (version and up_to):
        raise click.UsageError("give either --version or --up-to")
    why = validated_text(reason)
    with open_custody(Settings()) as custody:
        chosen = doomed(tenant, last, custody.keys, custody.records, up_to=up_to is not None)
        if chosen and not yes:
            _confirm(tenant, chosen)
        for number in chosen:
            _shred(tenant, number, custody, why)
    if as_json:
        destroyed = [{"version": number, "images": images} for number, images in chosen.items()]
        print(json.dumps({"tenant": tenant, "destroyed": destroyed}))
        return
    for number, images in chosen.items():
        print(f"version {number} is destroyed: {images} images can no longer be recovered")
    if not chosen:
        print("nothing to do: destroyed before")


@keys.command()
@click.option("--file", help="Holds the new passphrase; asked for if unset.")
def passphrase(file: str | None) -> None:
    """Change the passphrase of the local keystore; VISARD_KEYSTORE_PASSPHRASE is the one it has."""
    with closing(open_keys(Settings())) as custodian:
        if not isinstance(custodian, LocalKeyStore):
            raise click.UsageError("only the local keystore has a passphrase")
        custodian.change_passphrase(read_secret("--file", file) if file else _asked())
    print("changed: set VISARD_KEYSTORE_PASSPHRASE to the new passphrase")


def _asked() -> str:
    new: str = click.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return new


def _shred(tenant: str, version: int, custody: Custody, reason: str) -> None:
    shred(tenant, version, custody.keys, custody.records, custody.audit, subject=operator(), reason=reason)


def _confirm(tenant: str, chosen: dict[int, int]) -> None:
    versions = ", ".join(map(str, chosen))
    question = f"Destroy key version {versions} of {tenant}? {sum(chosen.values())} images can then never be recovered"
    if not click.confirm(question, err=True):
        raise _Declined("nothing was destroyed")


def _facts(one: KeyVersion, images: int, newest: bool) -> dict[str, Any]:
    state = "destroyed" if one.destroyed else "withheld" if one.withheld else "current" if newest else "kept"
    return {"version": one.version, "state": state, "images": images, "created": instant(one.created)}
