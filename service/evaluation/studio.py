"""Where photos are anonymized and recovered: through the operations, and through files on disk."""

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import FileUnusable
from service.faces.layout import NO_FACE, PlacedFace, owner_map
from service.imaging import Picture, decode, encode
from service.operations.anonymize import Anonymized, AnonymizeRequest, anonymize
from service.operations.custody import RecordKeys
from service.operations.parts import Parts
from service.operations.recover import Recovered, RecoverRequest, recover
from service.operations.restore import Scene, generative
from service.records.codec import read_header, read_record
from service.records.record import Record

TENANT = "evaluation"


@dataclass(frozen=True, slots=True)
class Made:
    """An anonymized photo that lies in a file.

    Attributes:
        file: the file.
        answer: what the operation said; without the bytes.
        picture: the file, read back.
        owner: (H, W) int16, which face owns which pixel.
    """

    file: Path
    answer: Anonymized
    picture: Picture
    owner: NDArray[np.int16]

    @property
    def faces(self) -> tuple[PlacedFace, ...]:
        """The faces that were replaced."""
        return self.answer.faces


@dataclass(frozen=True, slots=True)
class Studio:
    """The operations on files of one folder.

    Attributes:
        parts: of the service.
        folder: where the files go.
    """

    parts: Parts
    folder: Path
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count, repr=False)

    def anonymize(self, data: bytes, original: Picture, **choices: Any) -> Made:
        """Anonymize a file's bytes into a file.

        Args:
            data: the original file.
            original: the same, decoded.
            choices: of ``AnonymizeRequest``.

        Raises:
            BadInput: as the operation does; NoFaces among them.
        """
        answer = anonymize(data, AnonymizeRequest(tenant=TENANT, **choices), self.parts)
        file = self.write(answer.data, answer.format)
        shown = self.read(file)
        record, _ = self._opened(shown)
        owner = owner_map(answer.faces, (original.pixels.shape[0], original.pixels.shape[1]), record.coding_grid)
        return Made(file, replace(answer, data=b""), shown, owner)

    def recover(self, made: Made, fidelity: Any) -> tuple[Recovered, Picture]:
        """Recover a file into a file; the answer and the picture read back."""
        ask = RecoverRequest(tenant=TENANT, subject="evaluation", reason="evaluation", fidelity=fidelity)
        answer = recover(made.file.read_bytes(), ask, self.parts)
        return answer, self.read(self.write(answer.data, answer.format))

    def wrong_key(self, made: Made) -> Picture:
        """What who bypasses every check sees with latent keys of which one bit is different."""
        record, keys = self._opened(made.picture)
        latents = keys.latents_of(record)
        wrong = [bytes([key[0] ^ 1]) + key[1:] for key in latents]
        scene = Scene.of(record, made.picture)
        everyone = range(len(record.faces))
        stranger, _ = generative(made.picture, scene, record, everyone, wrong, self.parts.engine, None)
        return stranger

    def write_png(self, pixels: NDArray[np.uint8]) -> Path:
        """Put (H, W, 3) pixels into a new PNG file."""
        return self.write(encode(Picture(pixels, None, "png"), format="png", record=None, metadata="strip"), "png")

    def write(self, data: bytes, suffix: str) -> Path:
        """Put bytes into a new file."""
        file = self.folder / f"{next(self._numbers):06}.{suffix}"
        file.write_bytes(data)
        return file

    def read(self, file: Path) -> Picture:
        """Decode a file."""
        return decode(file.read_bytes(), self.parts.limits)

    def _opened(self, picture: Picture) -> tuple[Record, RecordKeys]:
        data = picture.record or b""
        header = read_header(data)
        keys = RecordKeys.derive(self.parts.keys, TENANT, header.key_version, header.nonce)
        record, _ = read_record(data, body_key=keys.body, mac_key=keys.mac)
        return record, keys


@contextmanager
def studio_in(out: Path, parts: Parts) -> Iterator[Studio]:
    """A studio whose files lie in a private folder in ``out``, which is removed at the end.

    Args:
        out: made if missing.

    Raises:
        FileUnusable: ``out`` cannot be written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="files-", dir=out)
    except OSError as error:
        raise FileUnusable("the output folder cannot be written to") from error
    with folder as name:
        yield Studio(parts, Path(name))


def outside_equal(made: Made, original: Picture) -> bool:
    """Whether every pixel that no face owns is the original's."""
    free = made.owner == NO_FACE
    return bool(np.array_equal(made.picture.pixels[free], original.pixels[free]))
