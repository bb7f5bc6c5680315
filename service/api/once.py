"""``Idempotency-Key``: a request that is sent again is answered again, not carried out again."""

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from fastapi import Request, Response

from service.access.principal import Principal
from service.api.multipart import Form
from service.errors import DatabaseUnavailable, IdempotencyKeyInvalid
from service.replays import Answer, ReplayStore

HEADER = "Idempotency-Key"
REPLAYED = "X-Visard-Replayed"

_OURS = "x-visard-"
# A string as structured fields have it (RFC 9651, section 3.3.3), but without escapes; and the same without quotes.
_CHARACTERS = r"[!#-\[\]-~]{1,255}"
PATTERN = f'^("{_CHARACTERS}"|{_CHARACTERS})$'
"""Of the header's value."""


@dataclass(frozen=True, slots=True)
class Once:
    """A key, and what it is for.

    Attributes:
        key: as the caller chose it.
        caller: whose key it is.
        request: SHA-256 of all that the answer depends on.
    """

    key: str
    caller: Principal
    request: bytes


def key_of(request: Request) -> str | None:
    """The idempotency key of a request.

    Raises:
        IdempotencyKeyInvalid: there are several, or it is malformed.
    """
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    if len(given) > 1 or not re.fullmatch(PATTERN, given[0]):
        raise IdempotencyKeyInvalid(f"{HEADER} is one string of 1 to 255 visible ASCII characters")
    return given[0].strip('"')


def digest_of(form: Form, as_json: bool) -> bytes:
    """SHA-256 of the image, the fields and the kind of answer; not of the boundary, which changes when sent again."""
    image = hashlib.sha256(form.image).hexdigest()
    return hashlib.sha256(json.dumps([image, sorted(form.fields.items()), as_json]).encode()).digest()


def answered_once(once: Once | None, replays: ReplayStore, answer: Callable[[], tuple[Response, bool]]) -> Response:
    """The answer kept under a key, or the one that ``answer`` makes.

    Args:
        answer: makes it, and says whether it may be kept.

    Raises:
        IdempotencyKeyReused: the key belongs to another request.
        RequestInProgress: the same request is being answered.
        DatabaseUnavailable: the database failed; nothing was answered.
    """
    if once is None:
        return answer()[0]
    claim = replays.begin(once.caller.tenant, once.caller.subject, once.key, once.request)
    if isinstance(claim, Answer):
        return Response(claim.body, headers={**claim.headers, REPLAYED: "true"}, media_type=claim.kind)
    kept = False
    try:
        made, may_be_kept = answer()
        if may_be_kept:
            headers = {name: value for name, value in made.headers.items() if name.startswith(_OURS)}
            replays.keep(claim, Answer(made.media_type or "", headers, bytes(made.body)))
            kept = True
    finally:
        if not kept:
            # If even that fails, the claim ends by itself.
            with suppress(DatabaseUnavailable):
                replays.release(claim)
    return made
