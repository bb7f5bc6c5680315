"""Three photos of one person who passes for three, and real parts on a small network."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut

from service.assembly import open_parts
from service.evaluation.portraits import Portrait, make_portrait
from service.evaluation.studio import TENANT, Studio
from service.operations.parts import Parts
from service.settings import Settings
from tests.closed_form import AnalyticDenoiser
from tests.files import encoded
from tests.small_bundle import RESOLUTION, write_small_bundle


@pytest.fixture(scope="session")
def pictures() -> dict[str, NDArray[np.uint8]]:
    """(220, 200, 3) each, one face of about 100 x 70 pixels."""
    plain = astronaut()[20:240, 120:320]
    warm = np.clip(plain * np.array([1.1, 0.9, 0.7]), 0, 255).astype(np.uint8)
    dark = (plain[:, ::-1] * 0.6).astype(np.uint8)
    named = {"Ann_0001": plain, "Bea_0001": dark, "Cleo_0001": warm}
    return {name: np.ascontiguousarray(pixels) for name, pixels in named.items()}


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory, pictures: dict[str, NDArray[np.uint8]]) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name, pixels in pictures.items():
        (folder / f"{name}.jpg").write_bytes(jpeg(pixels))
    return folder


@pytest.fixture(scope="session")
def pair_folder(tmp_path_factory: pytest.TempPathFactory, pictures: dict[str, NDArray[np.uint8]]) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    plain = pictures["Ann_0001"]
    photos = {
        "Ann_0001": plain,
        "Ann_0002": plain[:, ::-1],
        "Bea_0001": pictures["Bea_0001"],
        "Bea_0002": plain[4:],
        "Cleo_0001": pictures["Cleo_0001"],
        "Dora_0001": 255 - pictures["Cleo_0001"] // 2,
        "Eva_0001": pictures["Bea_0001"][:, 3:],
    }
    for name, pixels in photos.items():
        (folder / f"{name}.jpg").write_bytes(jpeg(np.ascontiguousarray(pixels)))
    rows = ["fold\tsame\ta\tb", *(f"1\t1\t{n}_0001.jpg\t{n}_0002.jpg" for n in ("Ann", "Bea"))]
    (folder / "pairs.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    folder = tmp_path_factory.mktemp("parts")
    made = open_parts(Settings(home=folder / "home", weights=write_small_bundle(folder / "small")))
    made.keys.create(TENANT)
    made.bundles._loaded[made.bundles.default.digest] = AnalyticDenoiser()
    yield made
    made.engine.close()


@pytest.fixture
def studio(parts: Parts, tmp_path: Path) -> Studio:
    return Studio(parts, tmp_path)


@pytest.fixture(scope="session")
def portraits(parts: Parts, pictures: dict[str, NDArray[np.uint8]]) -> list[Portrait]:
    made = [make_portrait(name, pixels, parts.detector, RESOLUTION) for name, pixels in pictures.items()]
    return [portrait for portrait in made if portrait is not None]


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return encoded(pixels, "JPEG", quality=95)
