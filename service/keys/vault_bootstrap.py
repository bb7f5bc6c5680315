"""Prepare a Vault for Visard: engine, policies, roles. Doing it again changes nothing that is right."""

from collections.abc import Callable

from hvac import Client
from pydantic import BaseModel

from service.errors import KeysUnavailable
from service.keys.vault_errors import VaultMissing, VaultRejected
from service.keys.vault_policies import ROLES, Layout, Role, policy
from service.keys.vault_session import VaultSession
from service.keys.vault_signing import SigningLayout, make_key, signing_policy

_TTL, _MAX_TTL = "1h", "24h"
_SIGNING: tuple[Role, ...] = ("service", "shredder")
"""What these do is in the audit log."""
_NOT_TAKEN = "the key custody did not take a part of its set-up"


class Kubernetes(BaseModel):
    """Which pods may log in as the service.

    Attributes:
        mount: of the auth method, whose connection to the cluster is for an administrator to configure.
        namespace: of the pods.
        service_account: of the pods.
    """

    mount: str
    namespace: str
    service_account: str


def bootstrap(
    session: VaultSession,
    layout: Layout,
    approle: str,
    kubernetes: Kubernetes | None = None,
    *,
    name: str = "visard",
    signing: SigningLayout | None = None,
) -> list[str]:
    """Do what is missing; returns what was done, in words.

    Args:
        session: of an administrator.
        layout: where keys will be.
        approle: mount of the AppRole auth method.
        kubernetes: for a role of pods, too.
        name: of this installation, as roles and policies begin with.
        signing: where the key of the audit log will be, unless that is a file.

    Raises:
        KeysForbidden: the session may not do this.
        KeysUnavailable: Vault does not answer, or an engine of another kind is in the way.
    """
    done = _engine(session, layout)
    names = {role: f"{name}-{role}" for role in ROLES}
    for role in ROLES:
        _do(session, _writes_policy(names[role], policy(role, layout)))
    done.append(f"wrote the policies {', '.join(names.values())}")
    granted: dict[Role, list[str]] = {role: [names[role]] for role in ROLES}
    if signing is not None:
        done += _signing(session, signing, f"{name}-signer")
        for role in _SIGNING:
            granted[role].append(f"{name}-signer")
    done += _auth_method(session, "approle", approle)
    for role in ROLES:
        _do(session, _writes(f"auth/{approle}/role/{names[role]}", _grant(granted[role])))
    done.append(f"wrote the AppRoles {', '.join(names.values())}")
    if kubernetes is not None:
        done += _kubernetes(session, kubernetes, names["service"], granted["service"])
    return done


def _signing(session: VaultSession, layout: SigningLayout, policy_name: str) -> list[str]:
    done = _engine(session, layout)
    try:
        done += make_key(session, layout)
    except VaultRejected:
        raise KeysUnavailable(_NOT_TAKEN) from None
    _do(session, _writes_policy(policy_name, signing_policy(layout)))
    return [*done, f"wrote the policy {policy_name}"]


def _engine(session: VaultSession, layout: Layout | SigningLayout) -> list[str]:
    kind, options = layout.engine
    mounted = session.read(lambda client: _mounted(client.sys.list_mounted_secrets_engines()))
    found = mounted.get(layout.mount)
    if found == kind:
        return []
    if found is not None:
        raise KeysUnavailable("an engine of another kind is mounted where the keys should be")
    _do(
        session,
        lambda client: client.sys.enable_secrets_engine(kind, path=layout.mount, options=options or None),
    )
    return [f"mounted a {kind} engine at {layout.mount}"]


def _auth_method(session: VaultSession, kind: str, mount: str) -> list[str]:
    enabled = session.read(lambda client: _mounted(client.sys.list_auth_methods()))
    if enabled.get(mount) == kind:
        return []
    _do(session, lambda client: client.sys.enable_auth_method(kind, path=mount))
    return [f"enabled {kind} at {mount}"]


def _kubernetes(session: VaultSession, pods: Kubernetes, name: str, policies: list[str]) -> list[str]:
    done = _auth_method(session, "kubernetes", pods.mount)
    bound = {
        "bound_service_account_names": [pods.service_account],
        "bound_service_account_namespaces": [pods.namespace],
    }
    _do(session, _writes(f"auth/{pods.mount}/role/{name}", {**_grant(policies), **bound}))
    return [*done, f"wrote the Kubernetes role {name}"]


def _grant(policies: list[str]) -> dict[str, object]:
    return {"token_policies": policies, "token_ttl": _TTL, "token_max_ttl": _MAX_TTL}


def _writes(path: str, content: dict[str, object]) -> Callable[[Client], object]:
    return lambda client: client.write_data(path, data=content)


def _writes_policy(name: str, text: str) -> Callable[[Client], object]:
    return lambda client: client.sys.create_or_update_acl_policy(name, text)


def _do(session: VaultSession, request: Callable[[Client], object]) -> None:
    try:
        session.call(request)
    except (VaultRejected, VaultMissing):
        pass
    else:
        return
    raise KeysUnavailable(_NOT_TAKEN)


class _Mount(BaseModel):
    type: str


class _Mounts(BaseModel):
    data: dict[str, _Mount]


def _mounted(answer: object) -> dict[str, str]:
    return {path.rstrip("/"): mount.type for path, mount in _Mounts.model_validate(answer).data.items()}
