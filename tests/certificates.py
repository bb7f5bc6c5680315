"""A certificate that ends when a test wants it to."""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding


def pem(end: datetime) -> bytes:
    """A self-signed one, of a day's length."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(end - timedelta(days=1))
    return builder.not_valid_after(end).sign(key, SHA256()).public_bytes(Encoding.PEM)


def written(path: Path, *ends: datetime) -> Path:
    """A file of several."""
    path.write_bytes(b"".join(map(pem, ends)))
    return path
