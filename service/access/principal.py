"""Whoever calls, once they have proved who they are."""

from dataclasses import dataclass
from enum import StrEnum

from service.errors import ScopeMissing


class Scope(StrEnum):
    """What a caller may be allowed to do."""

    ANONYMIZE = "anonymize"
    RECOVER = "recover"
    AUDIT = "audit"
    APPROVE = "approve"
    ERASE = "erase"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    Attributes:
        subject: a person or a machine, as the audit log names it.
        tenant: on whose behalf; nothing of other tenants exists for this caller.
        scopes: what it may do.
    """

    subject: str
    tenant: str
    scopes: frozenset[Scope]

    def require(self, scope: Scope) -> None:
        """Let pass who holds ``scope``.

        Raises:
            ScopeMissing: this caller does not.
        """
        if scope not in self.scopes:
            raise ScopeMissing(f"this needs the scope '{scope}', which the caller does not have")
