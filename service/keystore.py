"""Which custodian of keys the settings ask for."""

from typing import TypeVar
from urllib.parse import urlsplit

from service.errors import NotForProduction, SettingsInvalid
from service.home import made_home
from service.keys.local import LocalKeyStore
from service.keys.provider import KeyProvider
from service.keys.vault_client import VaultServer
from service.keys.vault_kv import VaultKvKeyStore
from service.keys.vault_login import AppRoleLogin, KubernetesLogin, Login, TokenFileLogin, TokenLogin
from service.keys.vault_policies import KvLayout, Layout, TransitLayout
from service.keys.vault_renewal import Renewal
from service.keys.vault_session import VaultSession
from service.keys.vault_transit import VaultTransitKeyStore
from service.settings import Settings
from service.transport import is_protected

_T = TypeVar("_T")


def open_keys(settings: Settings, *, serving: bool = False) -> KeyProvider:
    """The configured custodian. Vault is not asked for anything yet.

    Args:
        serving: for longer than one command: keeps the Vault token alive in the background until it is closed.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        KeysUnavailable: the local keystore cannot be opened.
        SettingsInvalid: settings of Vault are missing or do not fit together.
        NotForProduction: ``settings.env`` is production, and Vault would be spoken to in the clear.
    """
    if settings.keystore == "local":
        secret = settings.keystore_passphrase
        return LocalKeyStore(made_home(settings) / "keys", secret.get_secret_value() if secret else None)
    session = open_vault(settings)
    if serving:
        session.at_close(Renewal(session).close)
    layout, cache_s = vault_layout(settings), settings.key_cache_seconds
    if isinstance(layout, TransitLayout):
        return VaultTransitKeyStore(session, mount=layout.mount, prefix=layout.prefix, cache_s=cache_s)
    return VaultKvKeyStore(session, mount=layout.mount, path=layout.path, cache_s=cache_s)


def vault_layout(settings: Settings) -> Layout:
    """Where in Vault the keys are."""
    if settings.vault_mode == "transit":
        return TransitLayout(settings.vault_transit_mount, settings.vault_transit_prefix)
    return KvLayout(settings.vault_kv_mount, settings.vault_kv_path)


def open_vault(settings: Settings, timeout_s: float | None = None) -> VaultSession:
    """A session with the configured Vault.

    Args:
        timeout_s: instead of the configured one.

    Raises:
        SettingsInvalid: settings are missing or do not fit together.
        NotForProduction: ``settings.env`` is production, and the token would travel in the clear.
    """
    url = _address(settings)
    if settings.vault_client_key is not None and settings.vault_client_cert is None:
        raise SettingsInvalid("VISARD_VAULT_CLIENT_CERT is needed beside VISARD_VAULT_CLIENT_KEY")
    server = VaultServer(
        url=url,
        namespace=settings.vault_namespace,
        ca=settings.vault_ca,
        client_cert=settings.vault_client_cert,
        client_key=settings.vault_client_key,
        timeout_s=timeout_s or settings.vault_timeout,
        retries=settings.vault_retries,
    )
    return VaultSession(server, _login(settings))


def _address(settings: Settings) -> str:
    url = _required("VISARD_VAULT_ADDR", settings.vault_addr)
    try:
        good = urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:
        good = False
    if not good:
        raise SettingsInvalid("VISARD_VAULT_ADDR: this is no http or https URL")
    if settings.env == "production" and not is_protected(url):
        raise NotForProduction("VISARD_ENV=production, but VISARD_VAULT_ADDR is neither https nor on this machine")
    return url


def _login(settings: Settings) -> Login:
    match settings.vault_auth:
        case "approle":
            return _approle(settings)
        case "kubernetes":
            role = _required("VISARD_VAULT_ROLE", settings.vault_role)
            mount = settings.vault_auth_mount or "kubernetes"
            return KubernetesLogin(role=role, token_path=settings.vault_kubernetes_token_path, mount=mount)
        case "token-file":
            return TokenFileLogin(_required("VISARD_VAULT_TOKEN_PATH", settings.vault_token_path))
        case "token":
            return TokenLogin(_required("VISARD_VAULT_TOKEN", settings.vault_token))


def _approle(settings: Settings) -> AppRoleLogin:
    if (settings.vault_secret_id is None) == (settings.vault_secret_id_path is None):
        raise SettingsInvalid("either VISARD_VAULT_SECRET_ID or VISARD_VAULT_SECRET_ID_PATH is needed")
    return AppRoleLogin(
        role_id=_required("VISARD_VAULT_ROLE_ID", settings.vault_role_id),
        secret_id=settings.vault_secret_id,
        secret_id_path=settings.vault_secret_id_path,
        mount=settings.vault_auth_mount or "approle",
    )


def _required(name: str, value: _T | None) -> _T:
    if value is None:
        raise SettingsInvalid(f"{name} is needed to use Vault with this VISARD_VAULT_AUTH")
    return value
