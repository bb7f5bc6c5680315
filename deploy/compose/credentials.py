"""Make what the box's containers authenticate themselves with, once, each file readable by its reader alone.

Runs as root with no capability but CHOWN; the directories stay root's.
"""

import os
import secrets
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# Users of the images.
POSTGRES, VAULT, VISARD, GRAFANA = 999, 100, 10001, 472
_TEN_YEARS = timedelta(days=3650)
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"


def main(root: Path) -> None:
    """Fill ``root``'s directories, one a volume, unless an earlier start completed it.

    A start that was interrupted leaves no mark, and nothing has used what it made: all is made anew.
    """
    mark = root / "postgres" / "complete"
    if mark.exists():
        return
    for reader, files in _contents().items():
        for name, text in files.items():
            _write(root / name, text, reader)
    mark.touch()


def _contents() -> dict[int, dict[str, str]]:
    """Names and contents of all files, by the user who reads them."""
    owner, service, pepper = (secrets.token_hex(32) for _ in range(3))
    certificate, key = _certificate("vault")
    # The service and the operator differ in what Vault lets them do: each is given its own secret id by vault.sh.
    shared = {
        "database-url": f"postgresql+psycopg://visard_service:{service}@postgres/visard",
        "token-pepper": pepper,
        "vault-ca.pem": certificate,
    }
    return {
        POSTGRES: {
            "postgres/admin-password": secrets.token_hex(32),
            "postgres/owner-password": owner,
            "postgres/service-password": service,
            "owner/pgpass": f"*:*:*:visard_owner:{owner}\n",
        },
        VAULT: {"vault/ca.pem": certificate, "vault/certificate.pem": certificate, "vault/key.pem": key},
        VISARD: {
            "owner/database-url": f"postgresql+psycopg://visard_owner:{owner}@postgres/visard",
            **{f"{role}/{name}": text for role in ("service", "operator") for name, text in shared.items()},
        },
        GRAFANA: {"grafana/admin-password": secrets.token_hex(16)},
    }


def _certificate(host: str) -> tuple[str, str]:
    """A self-signed certificate for ``host`` and for the machine itself, and its key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    names = x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _TEN_YEARS)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem).decode(), private.decode()


def _write(path: Path, text: str, reader: int) -> None:
    """Replace ``path`` by a file that ``reader`` alone may read, everyone if it is a certificate."""
    path.unlink(missing_ok=True)
    mode = 0o444 if text.startswith(_CERTIFICATE) else 0o400
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.chown(path, reader, reader)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
