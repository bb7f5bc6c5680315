"""When certificates end that the configuration names."""

from datetime import datetime
from pathlib import Path

from cryptography import x509

from service.errors import SettingsInvalid


def first_end(file: Path) -> datetime:
    """When the first of the certificates in a PEM file ends, UTC.

    Raises:
        SettingsInvalid: the file cannot be read, or holds none.
    """
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsInvalid("the file holds no certificate that can be read") from error
    return min(certificate.not_valid_after_utc for certificate in found)
