"""The key that tokens are hashed with: a file of its own, so that the database alone cannot check a guess."""

import secrets
from pathlib import Path

from service.errors import PepperUnusable
from service.private_files import OpenToOthers, create_durably, read_private

PEPPER_BYTES = 32


def read_or_make_pepper(path: Path) -> bytes:
    """The 32 bytes in ``path``, made (0600) on first use; of several who make it at once, one wins for all.

    Raises:
        PepperUnusable: it cannot be read or made, has another length, or others may read or write it.
    """
    try:
        pepper = read_private(path)
        if pepper is None:
            create_durably(path, secrets.token_bytes(PEPPER_BYTES))
            pepper = read_private(path)
    except OpenToOthers as error:
        message = "the key that hashes tokens is accessible to other users: allow its owner only (0600)"
        raise PepperUnusable(message) from error
    except OSError as error:
        raise PepperUnusable("the key that hashes tokens cannot be read or made") from error
    if pepper is None or len(pepper) != PEPPER_BYTES:
        raise PepperUnusable("the key that hashes tokens is damaged")
    return pepper
