"""``visard demo``: the main job on one photo, with everything one may want to see of it."""

import io
import time
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from service.assembly import open_parts
from service.commands.contact_sheet import contact_sheet
from service.commands.files import read_file, write_file
from service.core.solver import Progress
from service.faces.layout import NO_FACE
from service.imaging import Picture, decode
from service.operations.anonymize import Anonymized, AnonymizeRequest, anonymize
from service.operations.custody import RecordKeys
from service.operations.parts import Parts
from service.operations.picture import as_bytes
from service.operations.recover import Recovered, RecoverRequest, recover
from service.operations.restore import Scene, generative
from service.records.codec import read_header, read_record
from service.settings import Settings

_TENANT = "demo"


@click.command()
@click.option("--photo", type=click.Path(exists=True, path_type=Path), help="Default: a public-domain portrait.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
def demo(photo: Path | None, out: Path) -> None:
    """Anonymize a photo, recover it in two ways, and try a wrong key."""
    parts = open_parts(Settings())
    parts.keys.create(_TENANT)
    data = read_file(photo, parts.limits.max_bytes) if photo else _astronaut()
    nfe = parts.bundles.default.manifest.numerics.nfe
    with tqdm(total=6 * nfe, desc="demo", unit="eval", leave=False, disable=None) as bar:
        story = _tell(data, parts, bar.update)
    story.write(out)
    print(story.table(nfe))
    print(f"files and contact sheet: {out}/")


@dataclass(frozen=True, slots=True)
class _Story:
    original: Picture
    anonymized: Anonymized
    generative: Recovered
    exact: Recovered
    wrong: Picture
    owned: NDArray[np.bool_]
    seconds: tuple[float, float, float]

    def write(self, out: Path) -> None:
        original = as_bytes(self.original.pixels)
        pictures = {
            "original": original,
            "mask": np.where(self.owned[..., None], np.uint8(128), original),
            "anonymized": decode(self.anonymized.data).pixels,
            "recovered from pixels and key": as_bytes(decode(self.generative.data).pixels),
            "recovered exactly": as_bytes(decode(self.exact.data).pixels),
            "wrong key": self.wrong.pixels,
        }
        write_file(out / "anonymized.png", self.anonymized.data)
        write_file(out / "recovered-generative.png", self.generative.data, private=True)
        write_file(out / "recovered-exact.png", self.exact.data, private=True)
        write_file(out / "wrong-key.png", _png(self.wrong.pixels))
        write_file(out / "contact-sheet.png", contact_sheet(list(pictures.items())))

    def table(self, nfe: int) -> str:
        making, inverting, opening = self.seconds
        # A photo of 16 bits is shown at 8, outside the faces too.
        exact = {"image": "yes, every bit", "faces": "the faces, every bit", "none": "no"}[self.exact.verified]
        rows = [
            ("faces", f"{len(self.anonymized.faces)}"),
            ("PSNR, recovered from pixels and key", f"{self._psnr(decode(self.generative.data)):.1f} dB"),
            ("PSNR, recovered exactly", f"{self._psnr(decode(self.exact.data)):.1f} dB"),
            ("PSNR, wrong key", f"{self._psnr(self.wrong):.1f} dB"),
            ("exact", exact),
            ("network evaluations per direction", f"{nfe}"),
            ("seconds: anonymize", f"{making:.2f}"),
            ("seconds: recover from pixels and key", f"{inverting:.2f}"),
            ("seconds: recover exactly", f"{opening:.2f}"),
        ]
        return "\n".join(f"{name:38} {value}" for name, value in rows)

    def _psnr(self, picture: Picture) -> float:
        """Inside the mask at 8 bits, in dB; infinite when every pixel is the same."""
        shown, original = as_bytes(picture.pixels), as_bytes(self.original.pixels)
        error = (shown[self.owned].astype(float) - original[self.owned]) / 255
        mean = float((error**2).mean())
        return float("inf") if mean == 0 else -10 * float(np.log10(mean))


def _tell(data: bytes, parts: Parts, progress: Progress) -> _Story:
    start = time.perf_counter()
    made = anonymize(data, AnonymizeRequest(tenant=_TENANT, format="png", depth=8), parts, progress)
    done = time.perf_counter()
    ask = RecoverRequest(tenant=_TENANT, subject="cli", reason="demonstration", fidelity="generative")
    inverted = recover(made.data, ask, parts, progress)
    back = time.perf_counter()
    exact = recover(made.data, replace(ask, fidelity="best"), parts, progress)
    opened = time.perf_counter()
    scene, wrong = _with_wrong_key(made, parts, progress)
    seconds = (done - start, back - done, opened - back)
    return _Story(decode(data), made, inverted, exact, wrong, scene.owner != NO_FACE, seconds)


def _with_wrong_key(made: Anonymized, parts: Parts, progress: Progress) -> tuple[Scene, Picture]:
    """What someone sees who bypasses the service's checks with a key that differs in one bit."""
    shown = decode(made.data)
    data = shown.record or b""
    header = read_header(data)
    keys = RecordKeys.derive(parts.keys, _TENANT, header.key_version, header.nonce)
    record, _ = read_record(data, body_key=keys.body, mac_key=keys.mac)
    right = keys.latents_of(record)
    wrong = [bytes([key[0] ^ 1]) + key[1:] for key in right]
    scene = Scene.of(record, shown)
    everyone = range(len(record.faces))
    stranger, _ = generative(shown, scene, record, everyone, wrong, parts.engine, progress)
    return scene, stranger


def _astronaut() -> bytes:
    """Eileen Collins, NASA, public domain."""
    from skimage.data import astronaut

    pixels: NDArray[np.uint8] = astronaut()  # type: ignore[no-untyped-call]
    return _png(pixels)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()
