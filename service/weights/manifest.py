"""The manifest of a weights bundle: the numeric settings a recovery depends on, and its digest."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from service.core.schedule import GridKind
from service.errors import BundleInvalid

MANIFEST = "bundle.json"
WEIGHTS = Path("unet", "diffusion_pytorch_model.safetensors")
NETWORK_CONFIG = Path("unet", "config.json")


Tau = Annotated[float, Field(gt=0, le=2)]


class Numerics(BaseModel):
    """Every number that changes pixels. Covered by the bundle digest.

    Attributes:
        resolution: R, side of the model grid in cells.
        patch: side of the pixel-unshuffle in front of the network.
        t0: time of the pixels for lossless output.
        t0_lossy: the same for JPEG and WebP output (larger: more robust, more grain).
        t1: time of the latent.
        steps: N, implicit steps per direction.
        evaluations: K, network evaluations per step.
        grid: spacing of the times.
        tau: norm of the scaled latent per square root of a coefficient, of every band or of each: coarse, middle,
            fine and leftover (``core.bands``). Below 1 in the fine band means less grain.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution: int = Field(ge=16, le=512, multiple_of=8)
    patch: int = Field(ge=1, le=8)
    t0: float = Field(ge=0, lt=1)
    t0_lossy: float = Field(ge=0, lt=1)
    t1: float = Field(gt=0, lt=1)
    steps: int = Field(ge=1, le=100)
    evaluations: int = Field(ge=1, le=20)
    grid: GridKind
    tau: Tau | tuple[Tau, Tau, Tau, Tau]

    @property
    def taus(self) -> tuple[float, float, float, float]:
        """``tau`` of each band."""
        return self.tau if isinstance(self.tau, tuple) else (self.tau,) * 4

    @property
    def nfe(self) -> int:
        """Network evaluations per direction: K per step, and one to start the first step from."""
        return self.steps * self.evaluations + 1


class Manifest(BaseModel):
    """``bundle.json``.

    Attributes:
        name: for people; not covered by the digest.
        numerics: covered by the digest.
        recipe: how it was trained; not covered.
        metrics: what was measured and by which command; not covered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    numerics: Numerics
    recipe: dict[str, Any] = {}
    metrics: dict[str, Any] = {}

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read and validate ``bundle.json``.

        Raises:
            BundleInvalid: it is missing or not a manifest.
        """
        try:
            return cls.model_validate_json((directory / MANIFEST).read_bytes())
        except (OSError, ValueError) as error:
            raise BundleInvalid(f"no usable {MANIFEST} in the weights directory") from error

    def write(self, directory: Path) -> None:
        """Write ``bundle.json``."""
        (directory / MANIFEST).write_text(self.model_dump_json(indent=2) + "\n")


def bundle_digest(directory: Path, numerics: Numerics) -> bytes:
    """SHA-256 over numeric settings, network configuration and weights, each length-prefixed.

    Raises:
        BundleInvalid: a file is missing.
    """
    digest = hashlib.sha256(b"visard-bundle-1")
    try:
        parts = [
            json.dumps(numerics.model_dump(), sort_keys=True, separators=(",", ":")).encode(),
            (directory / NETWORK_CONFIG).read_bytes(),
            (directory / WEIGHTS).read_bytes(),
        ]
    except OSError as error:
        raise BundleInvalid("the weights directory lacks its network files") from error
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
