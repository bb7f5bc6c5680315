"""The key of the audit log in Vault: where it is, what using it takes, and making it."""

from dataclasses import dataclass

from service.keys.vault_errors import VaultMissing
from service.keys.vault_policies import Rule, hcl
from service.keys.vault_session import VaultSession

_TITLE = "Who signs the checkpoints of Visard's audit log: the service, and whoever destroys keys, which is logged too."


@dataclass(frozen=True, slots=True)
class SigningLayout:
    """Where the key is.

    Attributes:
        mount: of a transit engine, best of its own: the roles that look after other keys do not reach into it.
        key: its name.
    """

    mount: str
    key: str

    @property
    def engine(self) -> tuple[str, dict[str, str]]:
        """Type and options of the engine."""
        return "transit", {}

    def rules(self) -> tuple[Rule, ...]:
        """What using the key takes."""
        return (f"{self.mount}/keys/{self.key}", ("read",)), (f"{self.mount}/sign/{self.key}", ("update",))


def signing_policy(layout: SigningLayout) -> str:
    """The policy that lets use the key, in HCL."""
    return hcl(_TITLE, layout.rules())


def make_key(session: VaultSession, layout: SigningLayout) -> list[str]:
    """Make the key unless there is one; returns what was done, in words.

    Raises:
        KeysForbidden, KeysUnavailable, VaultRejected: it could not be made.
    """
    try:
        session.read(lambda client: client.secrets.transit.read_key(layout.key, mount_point=layout.mount))
    except VaultMissing:
        pass
    else:
        return []
    session.call(
        lambda client: client.secrets.transit.create_key(
            layout.key,
            key_type="ed25519",
            derived=False,
            exportable=False,
            allow_plaintext_backup=False,
            mount_point=layout.mount,
        )
    )
    return [f"made the key {layout.key} in {layout.mount}"]
