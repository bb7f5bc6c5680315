"""Signed checkpoints: the C2SP format to the letter, and signatures that hold for one text only."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from service.audit.checkpoint import Checkpoint, SignedCheckpoint, key_hash, origin_of, sign_checkpoint
from service.audit.signing import LocalSigner
from service.errors import CheckpointInvalid
from tests.audit.ledger import ORIGIN, SIGNER

CHECKPOINT = Checkpoint(ORIGIN, 12, bytes(range(32)))
NOTE = sign_checkpoint(CHECKPOINT, SIGNER)
OTHER = LocalSigner(Ed25519PrivateKey.from_private_bytes(b"\x08" * 32))


def test_the_note_is_the_one_c2sp_describes() -> None:
    text = "visard/acme\n12\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    body, line = NOTE.split("\n\n")
    assert f"{body}\n" == text
    assert line.startswith("— visard/acme ") and line.endswith("\n")
    blob = base64.b64decode(line.split(" ")[2])
    assert blob[:4] == hashlib.sha256(b"visard/acme\n\x01" + SIGNER.public_key).digest()[:4]
    Ed25519PublicKey.from_public_bytes(SIGNER.public_key).verify(blob[4:], text.encode())


def test_the_key_hash_of_the_signed_note_specification() -> None:
    # The verifier key PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW.
    public = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert key_hash("PeterNeumann", public[1:]).hex() == "c74f20a3"


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_what_was_signed_is_read_back_and_verified(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root)
    signed = SignedCheckpoint.parse(sign_checkpoint(checkpoint, SIGNER))
    assert signed.checkpoint == checkpoint
    assert signed.signed_by(SIGNER.public_key)
    assert not signed.signed_by(OTHER.public_key)


@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
def test_no_changed_character_is_accepted(place: int, character: str) -> None:
    changed = NOTE[:place] + character + NOTE[place + 1 :]
    if changed == NOTE:
        return
    try:
        signed = SignedCheckpoint.parse(changed)
    except CheckpointInvalid:
        return
    assert not signed.signed_by(SIGNER.public_key)


def test_signatures_of_witnesses_are_passed_over() -> None:
    line = sign_checkpoint(Checkpoint("witness.example", 1, bytes(32)), OTHER).rpartition("\n\n")[2]
    signed = SignedCheckpoint.parse(NOTE + line)
    assert len(signed.signatures) == 2
    assert signed.signed_by(SIGNER.public_key)


def test_a_second_signature_of_the_log_must_hold_too() -> None:
    line = sign_checkpoint(Checkpoint(ORIGIN, 13, bytes(32)), SIGNER).rpartition("\n\n")[2]
    assert not SignedCheckpoint.parse(NOTE + line).signed_by(SIGNER.public_key)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "no note",
        NOTE[:-1],
        NOTE.replace("12", "012"),
        NOTE.replace("12", "-1"),
        NOTE.replace("12", "1" * 20),
        NOTE.replace("\n\n", "\nextension\n\n"),
        NOTE.replace("8=\n", "9=\n"),
        NOTE.replace("AAEC", "AAE"),
        NOTE.replace("—", "-"),
        NOTE + "\n",
        NOTE + "— short AAAAAA==\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(CheckpointInvalid):
        SignedCheckpoint.parse(note)


@pytest.mark.parametrize("tenant", ["two words", "a+b", "a\nb"])
def test_an_origin_is_a_name_a_note_can_carry(tenant: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        origin_of(tenant)
    assert origin_of("acme") == "visard/acme"
