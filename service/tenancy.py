"""What a tenant may be called, and what it may choose."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from service.errors import PolicyInvalid, TenantInvalid

SealPolicy = Literal["record", "embed", "off"]
"""Where the exact faces are kept: in the database row of the record, in every copy of the image, or nowhere."""

Approvals = Literal["none", "once", "until-expiry"]
"""Whether a recovery needs the approval of a second person, and for how many recoveries one approval counts."""

# Names become file names and secret paths.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a tenant has chosen for its images.

    Attributes:
        seal: where the exact faces are kept.
        erasable: a random secret in the database row goes into every key of an image: without the row nobody,
            the holder of the master key included, brings its faces back.
        lifetime: of the rows of an erasable tenant; from then on an image is as if its row had been deleted.
        irreversible: the key of an image is random and thrown away, and no record is made.
        approvals: whether recoveries need a second person.

    Raises:
        PolicyInvalid: two choices contradict each other.
    """

    seal: SealPolicy = "record"
    erasable: bool = False
    lifetime: timedelta | None = None
    irreversible: bool = False
    approvals: Approvals = "none"

    def __post_init__(self) -> None:
        if self.irreversible and (self.erasable or self.approvals != "none"):
            raise PolicyInvalid("an irreversible tenant has nothing to erase, and no recovery to approve")
        if self.lifetime is not None and not self.erasable:
            raise PolicyInvalid("only what is erasable can expire")
        if self.lifetime is not None and self.lifetime < timedelta(seconds=1):
            raise PolicyInvalid("an image must live for a second at least")


def checked_tenant(name: str) -> str:
    """Return ``name`` if it is 1 to 63 of ``a-z 0-9 . _ -`` and starts with a letter or digit.

    Raises:
        TenantInvalid: it is anything else.
    """
    if not _NAME.fullmatch(name):
        raise TenantInvalid("a tenant name is 1 to 63 of a-z, 0-9, '.', '_', '-' and starts with a letter or digit")
    return name
