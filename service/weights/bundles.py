"""Finding bundles and keeping their networks loaded."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from service.core.context import Denoiser
from service.errors import BundleInvalid, BundleUnknown
from service.weights.manifest import MANIFEST, Manifest, bundle_digest

BUNDLED = Path(__file__).parent / "bundled"
"""The bundles inside the package; the default is the one named in ``DEFAULT``."""
DEFAULT = "faces-160"
SMALL = "faces-64"
"""Draws images of small faces alone, where nobody named other weights: it was made for crops of so few pixels."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A weights bundle on disk.

    Attributes:
        directory: with ``bundle.json`` and ``unet/``.
        manifest: what it promises.
        digest: SHA-256 over weights and numeric settings; the record names the bundle by it.
    """

    directory: Path
    manifest: Manifest
    digest: bytes

    @classmethod
    def read(cls, directory: Path) -> "Bundle":
        """Read the manifest and hash the files.

        Raises:
            BundleInvalid: the directory is no bundle.
        """
        manifest = Manifest.read(directory)
        return cls(directory, manifest, bundle_digest(directory, manifest.numerics))


class Bundles:
    """An allow-list of bundles: the default for new images, maybe one for those of small faces, and older ones."""

    def __init__(
        self, default: Bundle, others: Iterable[Bundle] = (), device: str = "cpu", small: Bundle | None = None
    ) -> None:
        self.default = default
        self.small = small
        self._known = {bundle.digest: bundle for bundle in [*others, *([small] if small else []), default]}
        self._loaded: dict[bytes, Denoiser] = {}
        self._lock = threading.Lock()
        self._device = torch.device(device)

    @classmethod
    def open(cls, weights: Path | None, device: str = "cpu") -> "Bundles":
        """The bundle that ``weights`` names as default (or the packaged one), and all packaged bundles.

        Args:
            weights: a bundle's directory, beside which others may lie for recovery; the name of a packaged bundle;
                or a directory of bundles: a single one is the default, several are for recovery alone.
            device: where networks are loaded to.

        Raises:
            BundleInvalid: ``weights`` is no bundle and holds none, or nothing says which one is the default.
        """
        packaged = {bundle.directory.name: bundle for bundle in _bundles_in(BUNDLED)}
        if weights is None or str(weights) in packaged:
            small = packaged.get(SMALL) if weights is None else None
            return cls(_packaged(packaged, weights), packaged.values(), device, small)
        if (weights / MANIFEST).exists():
            beside = _bundles_in(weights.absolute().parent)
            return cls(Bundle.read(weights), [*packaged.values(), *beside], device)
        held = _bundles_in(weights)
        if not held:
            raise BundleInvalid("VISARD_WEIGHTS is no bundle, holds none, and no packaged one has this name")
        # Of several none is chosen by its name: an old one, kept for recovery, would make the new images.
        known = [*packaged.values(), *held]
        if len(held) == 1:
            return cls(held[0], known, device)
        return cls(_packaged(packaged, None), known, device, packaged.get(SMALL))

    def find(self, digest: bytes) -> Bundle:
        """The bundle a record was made with.

        Raises:
            BundleUnknown: it is not installed here.
        """
        try:
            return self._known[digest]
        except KeyError:
            raise BundleUnknown("the weights this image was made with are not installed here") from None

    @property
    def device(self) -> torch.device:
        """Where networks are loaded to."""
        return self._device

    def denoiser(self, digest: bytes) -> Denoiser:
        """The network of a bundle, loaded on first use.

        Raises:
            BundleUnknown: it is not installed here.
            BundleInvalid: its files cannot be loaded.
        """
        bundle = self.find(digest)
        with self._lock:
            if digest not in self._loaded:
                self._loaded[digest] = _load(bundle, self._device)
            return self._loaded[digest]


def _bundles_in(directory: Path) -> list[Bundle]:
    return [Bundle.read(path.parent) for path in sorted(directory.glob(f"*/{MANIFEST}"))]


def _packaged(packaged: Mapping[str, Bundle], name: Path | None) -> Bundle:
    """The one of this name, or the default."""
    try:
        return packaged[DEFAULT if name is None else str(name)]
    except KeyError:
        raise BundleInvalid("this installation has no weights: set VISARD_WEIGHTS to a bundle directory") from None


def _load(bundle: Bundle, device: torch.device) -> Denoiser:
    # Importing diffusers takes seconds: only who needs a network waits for it.
    from service.weights.network import load_denoiser

    try:
        return load_denoiser(bundle.directory, bundle.manifest.numerics.patch, device)
    except (OSError, ValueError, RuntimeError) as error:
        raise BundleInvalid("the network of the weights bundle cannot be loaded") from error
