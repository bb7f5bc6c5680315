"""What each of three roles may do in Vault, and nothing else: serve, operate, shred.

Nobody of them may undo another's work: the service makes no keys, the operator reads none, the shredder can neither.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["service", "operator", "shredder"]
"""Who serves requests; who makes keys and rotates them; who destroys them."""
ROLES: tuple[Role, ...] = get_args(Role)

Rule = tuple[str, tuple[str, ...]]
"""A path of Vault's policies, and the capabilities on it."""

_OWN_TOKEN: tuple[Rule, ...] = (
    ("auth/token/lookup-self", ("read",)),
    ("auth/token/renew-self", ("update",)),
)
_TITLES: dict[Role, str] = {
    "service": "Visard's service: uses the keys of its tenants.",
    "operator": "Who looks after Visard's keys: makes and rotates them, and can neither read nor destroy one.",
    "shredder": "Who destroys Visard's keys, and can do nothing else to them.",
}


@dataclass(frozen=True, slots=True)
class KvLayout:
    """Where master keys are in KV mode.

    Attributes:
        mount: of the engine.
        path: below which the secrets are.
    """

    mount: str
    path: str

    @property
    def engine(self) -> tuple[str, dict[str, str]]:
        """Type and options of the engine."""
        return "kv", {"version": "2"}

    def rules(self, role: Role) -> tuple[Rule, ...]:
        """What a role needs."""
        # The numbers of versions and whether they are destroyed; no keys.
        listing: Rule = (f"{self.mount}/metadata/{self.path}/*", ("list", "read"))
        special: dict[Role, Rule] = {
            "service": (f"{self.mount}/data/{self.path}/+/+", ("read",)),
            # Without update, which would write over a key: a secret is written once.
            "operator": (f"{self.mount}/data/{self.path}/+/+", ("create",)),
            "shredder": (f"{self.mount}/destroy/{self.path}/+/+", ("update",)),
        }
        return listing, special[role]


@dataclass(frozen=True, slots=True)
class TransitLayout:
    """Where master keys are in transit mode.

    Attributes:
        mount: of the engine; of Visard's own, as rules for rotation and trimming cannot be limited to a prefix.
        prefix: of the names of the keys.
    """

    mount: str
    prefix: str

    @property
    def engine(self) -> tuple[str, dict[str, str]]:
        """Type and options of the engine."""
        return "transit", {}

    def rules(self, role: Role) -> tuple[Rule, ...]:
        """What a role needs."""
        # Versions and settings; no keys.
        reading: Rule = (f"{self.mount}/keys/+", ("read",))
        rules: dict[Role, tuple[Rule, ...]] = {
            "service": (reading, (f"{self.mount}/hmac/{self.prefix}*", ("update",))),
            "operator": (
                (f"{self.mount}/keys/+", ("create", "read", "update")),
                (f"{self.mount}/keys/+/rotate", ("update",)),
            ),
            "shredder": (
                reading,
                (f"{self.mount}/keys/+/config", ("update",)),
                (f"{self.mount}/keys/+/trim", ("update",)),
            ),
        }
        return rules[role]


Layout = KvLayout | TransitLayout


def policy(role: Role, layout: Layout) -> str:
    """The policy of a role, in HCL."""
    return hcl(_TITLES[role], (*layout.rules(role), *_OWN_TOKEN))


def hcl(title: str, rules: Iterable[Rule]) -> str:
    """A policy as Vault reads it."""
    blocks = [f"# {title}\n"]
    for path, capabilities in rules:
        listed = ", ".join(f'"{capability}"' for capability in capabilities)
        blocks.append(f'path "{path}" {{\n  capabilities = [{listed}]\n}}\n')
    return "\n".join(blocks)
