"""``visard vault``: preparing Vault, for its administrator."""

from typing import Final, Literal, get_args

import click

from service.keys.vault_bootstrap import Kubernetes, bootstrap
from service.keys.vault_policies import Role, policy
from service.keys.vault_signing import signing_policy
from service.keystore import open_vault, vault_layout
from service.settings import Settings
from service.signer import signing_layout

_SIGNER: Final = "signer"


@click.group()
def vault() -> None:
    """Vault or OpenBao as the custodian of keys."""


@vault.command("policy")
@click.argument("role", type=click.Choice([*get_args(Role), _SIGNER]))
def policy_(role: Role | Literal["signer"]) -> None:
    """Print the policy of a role for the configured mode, mounts and paths; `signer` is what the log's key takes."""
    settings = Settings()
    if role != _SIGNER:
        print(policy(role, vault_layout(settings)), end="")
        return
    layout = signing_layout(settings)
    if layout is None:
        raise click.UsageError("VISARD_AUDIT_SIGNER is not vault")
    print(signing_policy(layout), end="")


@vault.command("bootstrap")
@click.option("--approle", default="approle", show_default=True, help="Mount of the AppRole auth method.")
@click.option("--kubernetes", default="kubernetes", show_default=True, help="Mount of the Kubernetes auth method.")
@click.option("--name", default="visard", show_default=True, help="What the roles and policies begin with.")
@click.option("--namespace", help="Of the pods that may log in as the service.")
@click.option("--service-account", help="Of the pods that may log in as the service.")
def bootstrap_(approle: str, kubernetes: str, name: str, namespace: str | None, service_account: str | None) -> None:
    """Mount the engine, write policies and roles, make the audit log's key if Vault has it; harmless to repeat.

    The credentials in the settings are an administrator's, who may do all this.
    """
    if (namespace is None) != (service_account is None):
        raise click.UsageError("give both --namespace and --service-account, or neither")
    pods = None
    if namespace is not None and service_account is not None:
        pods = Kubernetes(mount=kubernetes, namespace=namespace, service_account=service_account)
    settings = Settings()
    session = open_vault(settings)
    try:
        layouts = vault_layout(settings), approle, pods
        for line in bootstrap(session, *layouts, name=name, signing=signing_layout(settings)):
            print(line)
    finally:
        session.close()
