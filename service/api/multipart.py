"""A multipart form in bounded memory; nothing of it ever reaches the disk."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from service.api.desk import UploadLimits
from service.errors import CallerGone, FormInvalid, FormTypeUnsupported, UploadTooLarge, UploadTooSlow

IMAGE = "image"
_MAX_TEXT = 64 << 10


@dataclass(slots=True)
class Form:
    """What was sent.

    Attributes:
        fields: besides the image.
    """

    _image: bytes | bytearray = field(repr=False)
    fields: dict[str, str]

    @property
    def image(self) -> bytes:
        """The field ``image``; not on the event loop: the first time it is copied."""
        if isinstance(self._image, bytearray):
            self._image = _copied(self._image)
        return self._image


async def read_form(request: Request, known: Collection[str], limits: UploadLimits) -> Form:
    """Read ``multipart/form-data`` (RFC 7578) with an image and known text fields, each once.

    Raises:
        FormTypeUnsupported: the body is something else, or compressed.
        FormInvalid: it is malformed, or a field is unknown, repeated, too long, no UTF-8, or the image missing.
        UploadTooLarge: it exceeds the limit; the rest is not read.
        UploadTooSlow: it did not arrive in time.
        CallerGone: the client left.
    """
    reader = _Reader(_boundary(request), known)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.max_bytes:
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.seconds):
            await _feed(request, reader, limits)
    except TimeoutError:
        raise UploadTooSlow("the request body did not arrive in time") from None
    except ClientDisconnect:
        raise CallerGone("the caller did not send the whole request") from None
    return reader.form()


async def _feed(request: Request, reader: "_Reader", limits: UploadLimits) -> None:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limits.max_bytes:
            raise _too_large(limits)
        reader.write(chunk)


def _too_large(limits: UploadLimits) -> UploadTooLarge:
    return UploadTooLarge(f"the request body is larger than {limits.max_bytes} bytes")


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or request.headers.get("content-encoding", "identity") != "identity":
        raise FormTypeUnsupported("send the fields as multipart/form-data, not compressed")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise FormInvalid("the multipart boundary is missing or too long")
    return boundary


class _Reader:
    """Collects the parts as the parser finds them."""

    def __init__(self, boundary: bytes, known: Collection[str]) -> None:
        self._known = {IMAGE, *known}
        self._parts: dict[str, bytearray] = {}
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._name: str | None = None
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_begin": self._header_begin,
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._open,
                "on_part_data": self._data,
                "on_end": self._end,
            },
        )

    def write(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise FormInvalid("the multipart body is malformed") from None

    def form(self) -> Form:
        if not self._ended:
            raise FormInvalid("the multipart body is truncated or empty")
        if IMAGE not in self._parts:
            raise FormInvalid("the field 'image' is missing")
        image = self._parts.pop(IMAGE)
        return Form(image, {name: _text(name, value) for name, value in self._parts.items()})

    def _begin(self) -> None:
        self._name = None

    def _header_begin(self) -> None:
        self._header = (bytearray(), bytearray())

    def _header_end(self) -> None:
        name, value = self._header
        if name.lower() != b"content-disposition":
            return
        kind, options = parse_options_header(bytes(value))
        if kind == b"form-data":
            self._name = options.get(b"name", b"").decode("ascii", "replace")

    def _open(self) -> None:
        if self._name not in self._known:
            raise FormInvalid(f"a field is unknown here; known are {', '.join(sorted(self._known))}")
        if self._name in self._parts:
            raise FormInvalid(f"the field '{self._name}' is there more than once")
        self._parts[self._name] = bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        # The parser reports data only after the headers, where a name was required.
        name = self._name or ""
        part = self._parts[name]
        if name != IMAGE and len(part) + end - start > _MAX_TEXT:
            raise FormInvalid(f"the field '{name}' is longer than {_MAX_TEXT} bytes")
        part += memoryview(data)[start:end]

    def _end(self) -> None:
        self._ended = True


def _copied(image: bytearray) -> bytes:
    return bytes(image)


def _text(name: str, value: bytearray) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise FormInvalid(f"the field '{name}' is not UTF-8") from None
