"""The one rule for texts that end up in the audit log: reasons, cases, the names of subjects."""

import unicodedata

from service.errors import ReasonInvalid

MAX_TEXT = 1000

# Control characters would forge lines in exported logs; PostgreSQL and RFC 8785 refuse NUL and lone surrogates.
_FORBIDDEN = {"Cc", "Cs"}


def validated_text(text: str, name: str = "reason") -> str:
    """Return ``text`` without surrounding space, fit for the audit log.

    Args:
        text: what a person wrote.
        name: what to call it in the error.

    Raises:
        ReasonInvalid: it is empty, longer than 1000 characters, or holds control characters (line breaks and
            NUL among them) or lone surrogates.
    """
    stripped = text.strip()
    if not stripped:
        raise ReasonInvalid(f"the {name} must not be empty")
    if len(stripped) > MAX_TEXT:
        raise ReasonInvalid(f"the {name} must not be longer than {MAX_TEXT} characters")
    if not is_plain(text):
        raise ReasonInvalid(f"the {name} must not hold line breaks or other control characters")
    return stripped


def loggable(text: str | None) -> str:
    """What the audit log says of a text: itself where it is fit, and otherwise what was wrong."""
    if text is None:
        return "(none given)"
    try:
        return validated_text(text)
    except ReasonInvalid:
        return "(given, but not fit for the log)"


def is_plain(text: str) -> bool:
    """Whether ``text`` is free of control characters and lone surrogates."""
    return not any(unicodedata.category(character) in _FORBIDDEN for character in text)
