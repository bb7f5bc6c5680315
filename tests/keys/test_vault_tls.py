"""TLS to Vault: only the configured authority is trusted, and we show a certificate where one is asked for."""

import datetime as dt
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from service.errors import KeysUnavailable
from tests.vault.running import Double, Vault, double


@dataclass(frozen=True)
class Files:
    cert: Path
    key: Path


def _issue(folder: Path, name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None) -> Files:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signer = issuer[1] if issuer else key
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    if issuer:
        import ipaddress

        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = builder.add_extension(names, critical=False)
    else:
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    certificate = builder.sign(signer, SHA256())
    files = Files(folder / f"{name}.pem", folder / f"{name}.key")
    files.cert.write_bytes(certificate.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    if issuer is None:
        _AUTHORITIES[files.cert] = (certificate, key)
    return files


_AUTHORITIES: dict[Path, tuple[x509.Certificate, ec.EllipticCurvePrivateKey]] = {}


def _refused(vault: Double, **server: object) -> None:
    session = vault.session(**server)
    with pytest.raises(KeysUnavailable, match="does not answer"):
        session.check()
    session.close()


def test_the_configured_authority_and_our_certificate_are_used(tmp_path: Path) -> None:
    authority, stranger = _issue(tmp_path, "authority"), _issue(tmp_path, "stranger")
    server = _issue(tmp_path, "server", _AUTHORITIES[authority.cert])
    client = _issue(tmp_path, "client", _AUTHORITIES[authority.cert])
    foreign = _issue(tmp_path, "foreign", _AUTHORITIES[stranger.cert])
    with double("--cert", str(server.cert), "--key", str(server.key)) as vault:
        session = vault.session(ca=authority.cert)
        session.check()
        session.close()
        _refused(vault)
        _refused(vault, ca=stranger.cert)
    with double("--cert", str(server.cert), "--key", str(server.key), "--client-ca", str(authority.cert)) as vault:
        session = vault.session(ca=authority.cert, client_cert=client.cert, client_key=client.key)
        session.check()
        session.close()
        _refused(vault, ca=authority.cert)
        _refused(vault, ca=authority.cert, client_cert=foreign.cert, client_key=foreign.key)


@pytest.mark.parametrize(
    ("standby", "active", "followed"),
    [
        ("https://one.example", "https://two.example", True),
        ("https://one.example", "http://two.example", False),
        ("https://one.example", "http://127.0.0.1:8200", False),
        ("http://127.0.0.1:8100", "http://two.example", False),
        ("http://127.0.0.1:8100", "http://127.0.0.1:8200", True),
        ("http://one.example", "http://two.example", True),
    ],
)
def test_a_redirect_takes_the_token_to_no_less_safe_a_place(
    standby: str, active: str, followed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def send(adapter: HTTPAdapter, request: PreparedRequest, **how: object) -> Response:
        """Nobody is asked."""
        sent.append(f"{request.url}".split("/v1/")[0])
        assert request.headers["X-Vault-Token"] == "token"
        answer = Response()
        answer.request, answer.url, answer.raw = request, f"{request.url}", BytesIO(b'{"data": {"ttl": 0}}')
        answer.status_code = 307 if sent[-1] == standby else 200
        answer.headers["Location"] = f"{request.url}".replace(standby, active)
        return answer

    monkeypatch.setattr(HTTPAdapter, "send", send)
    session = Vault(standby, "token").session()
    if followed:
        session.read(lambda client: client.auth.token.lookup_self())
    else:
        with pytest.raises(KeysUnavailable, match="does not answer"):
            session.read(lambda client: client.auth.token.lookup_self())
    assert set(sent) == ({standby, active} if followed else {standby})
    session.close()
