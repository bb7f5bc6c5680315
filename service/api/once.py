"""``Idempotency-Key``: a request that is sent again is answered again, not carried out again."""

import hashlib
import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from fastapi import Request, Response

from service.access.principal import Principal
from service.api.multipart import Form
from service.errors import IdempotencyKeyInvalid
from service.replays import Answer, Claim, ReplayStore

HEADER = "Idempotency-Key"
REPLAYED = "X-Visard-Replayed"

_log = logging.getLogger(__name__)
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
        request: SHA-256 of all that the answer depends on; not to be kept as it is.
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


def answered_once(
    once: Once | None, replays: ReplayStore, answer: Callable[[], tuple[Response, UUID | None]]
) -> Response:
    """The answer kept under a key, or the one that ``answer`` makes.

    Args:
        answer: makes it, and says which record it is of; it is kept only if there is one.

    Raises:
        IdempotencyKeyReused: the key belongs to another request.
        RequestInProgress: the same request is being answered.
        AnswerGone: it was answered, and what was kept is erased, expired or damaged.
        DatabaseUnavailable: the database failed; nothing was answered.
    """
    if once is None:
        return answer()[0]
    claim = replays.begin(once.caller.tenant, once.caller.subject, once.key, once.request)
    if isinstance(claim, Answer):
        return Response(claim.body, headers={**claim.headers, REPLAYED: "true"}, media_type=claim.kind)
    record, kept = None, False
    try:
        made, record = answer()
        if record is not None:
            headers = {name: value for name, value in made.headers.items() if name.startswith(_OURS)}
            replays.keep(claim, Answer(made.media_type or "", headers, bytes(made.body)), record)
            kept = True
    finally:
        if not kept:
            _give_up(replays, claim, record)
    return made


def _give_up(replays: ReplayStore, claim: Claim, unseen: UUID | None) -> None:
    """Free the key, and delete the record of an image that nobody gets. No failure hides the one that led here."""
    try:
        replays.release(claim, unseen)
    except Exception as error:  # noqa: BLE001
        # The claim ends by itself; a record does not.
        left = "" if unseen is None else f", and record {unseen} may be left, of an image that nobody got"
        _log.warning("an idempotency key is not free again yet%s: %s", left, type(error).__name__)
