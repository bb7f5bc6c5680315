"""Reading claims: providers put tenant and scopes where they like."""

from typing import Any

from service.access.principal import Scope


def value_of(claims: dict[str, Any], where: str) -> object:
    """The claim of this name, or what a JSON pointer (RFC 6901, begins with a slash) leads to; None without one."""
    if not where.startswith("/"):
        return claims.get(where)
    value: object = claims
    for part in where[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        value = value.get(name) if isinstance(value, dict) else None
    return value


def scopes_in(value: object, prefix: str) -> frozenset[Scope]:
    """Our scopes among those of a claim: a list, or words with spaces between (RFC 8693, section 4.2)."""
    words = value.split(" ") if isinstance(value, str) else value if isinstance(value, list) else []
    named = {word.removeprefix(prefix) for word in words if isinstance(word, str) and word.startswith(prefix)}
    return frozenset(scope for scope in Scope if scope.value in named)
