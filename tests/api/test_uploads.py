"""Uploads that are not what they should be: each a 4xx problem, in bounded memory."""

import asyncio
import io
import random
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from service.api import UploadLimits
from tests.api.conftest import Pixels, Service, assert_problem
from tests.files import encoded

BOUNDARY = "b0undary"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
KINDS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _animation() -> bytes:
    frames = [Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)) for i in range(3)]
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    return out.getvalue()


def _damaged(pixels: Pixels) -> Iterator[bytes]:
    """About a hundred files that are broken in every way."""
    rng = random.Random(7)
    good = [encoded(pixels, kind) for kind in KINDS]
    for data in good:
        for _ in range(8):
            yield data[: rng.randrange(1, len(data) * 2 // 3)]
        for _ in range(8):
            broken = bytearray(data)
            # Heads are hit hardest: a flipped pixel far behind may still be an image.
            for _ in range(12):
                broken[rng.randrange(min(len(data), 60))] ^= 1 << rng.randrange(8)
            yield bytes(broken)
        yield data[:60] + bytes(len(data) - 60) if data[:2] != b"BM" else data[:54]
    yield from (b"", b"\0", b"\0" * 100_000, b"GIF89a" + b"\0" * 50, b"%PDF-1.7", b"<svg xmlns='x'/>", b"\x7fELF" * 99)
    yield from (_png_bomb(65535, 65535), _png_bomb(1 << 30, 1), _png_bomb(65536, 2), _png_bomb(0, 5), _animation())
    yield b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 1 << 30, 1 << 30, 1, 24, 0, 0, 0, 0, 0, 0)


def test_damaged_images_are_problems(service: Service, portrait: Pixels) -> None:
    count = 0
    for data in _damaged(portrait[60:110, 60:110]):
        answer = service.post("/v1/anonymize", "all", data)
        count += 1
        assert 400 <= answer.status_code < 500, data[:40]
        assert_problem(answer, answer.status_code, answer.json()["type"].removeprefix("urn:visard:problem:"))
    assert count > 95


def _part(name: str, value: bytes = b"x", extra: str = "") -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + value + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not multipart at all",
        END,
        _part("image"),
        _part("image")[:-10],
        _part("image") + b"--wrong--\r\n",
        _part("depth", b"8") + END,
        _part("image") + _part("image") + END,
        _part("image") + _part("depth", b"8") + _part("depth", b"8") + END,
        _part("image") + _part("surprise") + END,
        _part("image") + _part("format", b"\xff\xfe") + END,
        f"--{BOUNDARY}\r\nX-Other: 1\r\n\r\nx\r\n".encode() + END,
        f"--{BOUNDARY}\r\nContent-Disposition: attachment; name=image\r\n\r\nx\r\n".encode() + END,
        f"--{BOUNDARY}\r\n{'X-Long: ' + 'y' * 70_000}\r\n\r\nx\r\n".encode() + END,
    ],
)
def test_malformed_forms(body: bytes, service: Service) -> None:
    assert_problem(service.request("POST", "/v1/anonymize", "all", content=body, headers=FORM), 422, "form-invalid")


def test_text_fields_are_short(service: Service) -> None:
    body = _part("image") + _part("keep", b"[" * 70_000) + END
    answer = service.request("POST", "/v1/anonymize", "all", content=body, headers=FORM)
    assert_problem(answer, 422, "form-invalid")
    assert "longer than" in answer.json()["detail"]


@pytest.mark.parametrize(
    "fields",
    [
        {"depth": "12"},
        {"depth": ""},
        {"format": "gif"},
        {"seal": "RECORD"},
        {"min_confidence": "nan"},
        {"min_confidence": "1.5"},
        {"keep": "[[1,2,3]]"},
        {"keep": "[[1,2,3,1e999]]"},
        {"only": '["a"]'},
        {"extra": "{"},
        {"extra": str([[0, 0, 9, 9]] * 1001)},
        {"no_faces": "maybe"},
        {"reason": "not here"},
    ],
)
def test_wrong_fields_are_named(fields: dict[str, str], service: Service, grey: bytes) -> None:
    answer = service.post("/v1/anonymize", "all", grey, **fields)
    assert_problem(answer, 422, "form-invalid")
    assert "reason" in fields or next(iter(fields)) in answer.json()["detail"]


@pytest.mark.parametrize("fields", [{"faces": "[-1]"}, {"faces": "[]"}, {"record": "7"}, {"fidelity": "exact"}])
def test_wrong_fields_of_recoveries(fields: dict[str, str], service: Service, grey: bytes) -> None:
    assert_problem(service.post("/v1/recover", "all", grey, reason="test", **fields), 422, "form-invalid")


@pytest.mark.parametrize("box", ["[0, 0, 900, 900]", "[0, 0, 4, 60]"])
def test_boxes_outside_the_image_or_too_thin(box: str, service: Service, grey: bytes) -> None:
    answer = service.post("/v1/anonymize", "all", grey, extra=f"[{box}]")
    assert_problem(answer, 422, "selection-invalid")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "application/json"}, {"Content-Type": "image/png"}, {**FORM, "Content-Encoding": "gzip"}],
)
def test_other_kinds_of_bodies(headers: dict[str, str], service: Service) -> None:
    answer = service.request("POST", "/v1/anonymize", "all", content=b"{}", headers=headers)
    assert_problem(answer, 415, "form-type-unsupported")


@pytest.fixture
def small_limits(service: Service) -> Iterator[UploadLimits]:
    desk = service.desk
    limits = UploadLimits(max_bytes=100_000, seconds=0.2)
    service.app.state.desk = replace(desk, limits=limits)
    yield limits
    service.app.state.desk = desk


def test_an_endless_body_is_read_up_to_the_limit(service: Service, small_limits: UploadLimits) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield _part("image")[:-2]
        while True:
            sent += 10_000
            yield b"x" * 10_000

    answer = service.request("POST", "/v1/anonymize", "all", content=endless(), headers=FORM)
    assert_problem(answer, 413, "upload-too-large")
    assert sent <= small_limits.max_bytes + 10_000


def test_a_body_announced_too_large_is_not_read(service: Service, small_limits: UploadLimits) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    headers = {**FORM, "Content-Length": str(small_limits.max_bytes + 1)}
    answer = service.request("POST", "/v1/anonymize", "all", content=unread(), headers=headers)
    assert_problem(answer, 413, "upload-too-large")


def test_a_body_that_never_comes(service: Service, small_limits: UploadLimits) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield _part("image")
        await asyncio.Event().wait()

    answer = service.request("POST", "/v1/anonymize", "all", content=stalled(), headers=FORM)
    assert_problem(answer, 408, "upload-too-slow")
