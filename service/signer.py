"""Who signs the checkpoints of the audit log, as the settings have it."""

from contextlib import ExitStack

from service.audit.signing import Signer, load_or_create_signing_key, load_signing_key
from service.home import made_home
from service.keys.vault_renewal import Renewal
from service.keys.vault_signer import VaultSigner
from service.keys.vault_signing import SigningLayout
from service.keystore import open_vault
from service.settings import Settings

_FILE = "audit-signing-key.pem"
_SHARE = 1 / 4
"""Of the time the audit log has to answer: committing an entry asks for the public key and three signatures at most."""


def open_signer(settings: Settings, opened: ExitStack, *, serving: bool = False) -> Signer:
    """The configured signer; a file is made if it is missing, Vault is not asked for anything yet.

    Args:
        opened: closes it.
        serving: for longer than one command: keeps the Vault token alive in the background.

    Raises:
        HomeUnusable: the home directory cannot be made or used.
        SigningKeyUnusable: the file cannot be made or used.
        SettingsInvalid: settings of Vault are missing or do not fit together.
    """
    layout = signing_layout(settings)
    if layout is None:
        return load_or_create_signing_key(made_home(settings) / _FILE)
    patience_s = settings.audit_timeout * _SHARE
    session = open_vault(settings, timeout_s=min(settings.vault_timeout, patience_s))
    if serving:
        session.at_close(Renewal(session).close)
    signer = VaultSigner(session, mount=layout.mount, key=layout.key, patience_s=patience_s)
    opened.callback(signer.close)
    return signer


def signing_layout(settings: Settings) -> SigningLayout | None:
    """Where in Vault the key is; None if it is a file."""
    if settings.audit_signer == "file":
        return None
    return SigningLayout(settings.audit_vault_mount, settings.audit_vault_key)


def audit_public_key(settings: Settings) -> bytes | None:
    """The key (32 bytes, Ed25519) this installation's checkpoints are verified with; None before the first entry.

    Raises:
        SigningKeyUnusable: there is a signing key, but not a usable one.
        KeysUnavailable: Vault has it and does not answer.
        SettingsInvalid: settings of Vault are missing or do not fit together.
    """
    if settings.audit_signer == "file":
        found = load_signing_key(settings.home / _FILE)
        return None if found is None else found.public_key
    with ExitStack() as opened:
        return open_signer(settings, opened).public_key
