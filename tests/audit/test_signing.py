"""The signing key's file: private, made once, never replaced."""

import os
import stat
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from service.audit.signing import load_or_create_signing_key, load_signing_key, public_pem, read_public_pem
from service.errors import PublicKeyInvalid, SigningKeyUnusable


def test_the_key_is_made_once_private_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    assert load_signing_key(path) is None
    made = load_or_create_signing_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_signing_key(path).public_key == made.public_key
    assert list(tmp_path.iterdir()) == [path]
    Ed25519PublicKey.from_public_bytes(made.public_key).verify(made.sign(b"text"), b"text")


def test_processes_that_make_it_at_once_agree(tmp_path: Path) -> None:
    made: list[bytes] = []
    threads = [
        Thread(target=lambda: made.append(load_or_create_signing_key(tmp_path / "key.pem").public_key))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8 and len(set(made)) == 1


def test_a_key_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    load_or_create_signing_key(path)
    os.chmod(path, 0o640)
    with pytest.raises(SigningKeyUnusable, match="other users"):
        load_or_create_signing_key(path)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n", None])
def test_what_is_no_signing_key_is_refused_and_kept(tmp_path: Path, content: bytes | None) -> None:
    if content is None:
        content = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SigningKeyUnusable) as caught:
        load_or_create_signing_key(path)
    assert str(tmp_path) not in str(caught.value)
    assert path.read_bytes() == content


def test_a_directory_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SigningKeyUnusable, match="cannot be written"):
        load_or_create_signing_key(tmp_path / "missing" / "key.pem")


def test_the_public_key_travels_as_pem(tmp_path: Path) -> None:
    public = load_or_create_signing_key(tmp_path / "key.pem").public_key
    assert read_public_pem(public_pem(public).encode()) == public
    other = X25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for content in (b"", b"nonsense", other):
        with pytest.raises(PublicKeyInvalid):
            read_public_pem(content)
