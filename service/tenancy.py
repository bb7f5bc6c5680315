"""What a tenant may be called, and what it may choose."""

import re
from typing import Literal

from service.errors import TenantInvalid

SealPolicy = Literal["record", "embed", "off"]
"""Where the exact faces are kept: in the database row of the record, in every copy of the image, or nowhere."""

# Names become file names and secret paths.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def checked_tenant(name: str) -> str:
    """Return ``name`` if it is 1 to 63 of ``a-z 0-9 . _ -`` and starts with a letter or digit.

    Raises:
        TenantInvalid: it is anything else.
    """
    if not _NAME.fullmatch(name):
        raise TenantInvalid("a tenant name is 1 to 63 of a-z, 0-9, '.', '_', '-' and starts with a letter or digit")
    return name
