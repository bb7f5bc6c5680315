"""The refusal of a token, which says the same whatever is wrong with it."""

from service.access.principal import Principal
from service.errors import Refused


class TokenRefused(Refused):
    """The token is unknown, expired or revoked; the message never says which.

    Attributes:
        principal: whose token it was, if it is known: for the audit log, never for the caller.
    """

    def __init__(self, principal: Principal | None = None) -> None:
        super().__init__("the token is not valid")
        self.principal = principal
