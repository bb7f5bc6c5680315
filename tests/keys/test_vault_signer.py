"""The key of the audit log in transit: signatures as from a file, and a log that stands still while it is away."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from service.audit.checkpoint import Checkpoint, SignedCheckpoint, sign_checkpoint
from service.errors import KeysUnavailable, SigningKeyUnusable, Unavailable
from service.keys.vault_signer import VaultSigner
from service.keys.vault_signing import SigningLayout, make_key
from tests.vault.running import Double, Vault

Open = Callable[..., VaultSigner]


@pytest.fixture
def key() -> str:
    return f"log-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def open_(key: str) -> Iterator[Open]:
    """Signers with this test's key, which is made first unless another type is asked for."""
    opened: list[VaultSigner] = []

    def make(vault: Vault, patience_s: float = 30, made: bool = True, **server: Any) -> VaultSigner:
        session = vault.session(**server)
        if made:
            make_key(session, SigningLayout(vault.transit, key))
        opened.append(VaultSigner(session, mount=vault.transit, key=key, patience_s=patience_s))
        return opened[-1]

    yield make
    for signer in opened:
        signer.close()


def test_a_note_is_signed_as_with_a_file(vault: Vault, open_: Open) -> None:
    signer = open_(vault)
    note = sign_checkpoint(Checkpoint("visard/acme", 3, bytes(32)), signer)
    assert SignedCheckpoint.parse(note).signed_by(signer.public_key)
    assert len(signer.public_key) == 32
    signature = signer.sign(b"text")
    assert len(signature) == 64
    Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signature, b"text")


def test_the_key_stays_in_vault_and_is_made_once(vault: Vault, open_: Open, key: str) -> None:
    first, second = open_(vault), open_(vault)
    assert first.public_key == second.public_key
    facts = vault.ask("GET", f"{vault.transit}/keys/{key}")["data"]
    assert (facts["type"], facts["exportable"], facts["derived"]) == ("ed25519", False, False)


def test_the_first_version_signs_after_a_rotation_too(vault: Vault, open_: Open, key: str) -> None:
    before = open_(vault)
    public_key, signature = before.public_key, before.sign(b"text")
    vault.ask("POST", f"{vault.transit}/keys/{key}/rotate", {})
    after = open_(vault)
    assert (after.public_key, after.sign(b"text")) == (public_key, signature)
    before.check()


def test_what_is_no_key_for_a_log(vault: Vault, open_: Open, key: str) -> None:
    missing = open_(vault, made=False)
    for use in (lambda: missing.sign(b"text"), lambda: missing.public_key, missing.check):
        with pytest.raises(SigningKeyUnusable):
            use()
    vault.ask("POST", f"{vault.transit}/keys/{key}", {"type": "aes256-gcm96"})
    for use in (lambda: missing.sign(b"text"), lambda: missing.public_key):
        with pytest.raises(SigningKeyUnusable):
            use()


def test_a_version_that_is_withheld_does_not_sign(vault: Vault, open_: Open, key: str) -> None:
    signer = open_(vault)
    vault.ask("POST", f"{vault.transit}/keys/{key}/rotate", {})
    vault.ask("POST", f"{vault.transit}/keys/{key}/config", {"min_encryption_version": 2})
    with pytest.raises(Unavailable):
        signer.sign(b"text")


def test_a_key_that_was_replaced_signs_nothing(vault: Vault, open_: Open, key: str) -> None:
    signer = open_(vault)
    assert signer.sign(b"text")
    vault.ask("POST", f"{vault.transit}/keys/{key}/config", {"deletion_allowed": True})
    vault.ask("DELETE", f"{vault.transit}/keys/{key}")
    assert open_(vault).public_key != signer.public_key
    with pytest.raises(SigningKeyUnusable, match="another"):
        signer.sign(b"text")
    with pytest.raises(SigningKeyUnusable, match="another"):
        signer.check()


@pytest.mark.parametrize("fault", ["drop", "malformed", 500, 503])
def test_a_vault_that_fails_is_unavailable_and_forgiven(fault: object, healthy_double: Double, open_: Open) -> None:
    signer = open_(healthy_double)
    assert signer.sign(b"text")
    healthy_double.fault(fault, times=1000)
    for use in (lambda: signer.sign(b"text"), signer.check):
        with pytest.raises(Unavailable) as caught:
            use()
        assert healthy_double.url not in str(caught.value)
    healthy_double.heal()
    assert signer.sign(b"text")


def test_a_vault_that_hangs_is_not_waited_for(healthy_double: Double, open_: Open) -> None:
    """The timeouts of its session alone would let it take a minute and more."""
    signer = open_(healthy_double, patience_s=0.2, timeout_s=60.0)
    assert signer.public_key
    healthy_double.fault("delay", times=1, seconds=3)
    with pytest.raises(KeysUnavailable, match="in time"):
        signer.sign(b"text")
