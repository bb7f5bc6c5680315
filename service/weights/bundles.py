"""Finding bundles and keeping their networks loaded."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from service.core.context import Denoiser
from service.errors import BundleInvalid, BundleUnknown
from service.weights.manifest import MANIFEST, Manifest, bundle_digest

BUNDLED = Path(__file__).parent / "bundled"
"""The bundles inside the package; the default is the one named in ``DEFAULT``."""
DEFAULT = "faces-64"


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
    """An allow-list of bundles: the default for new images, older ones for recovery."""

    def __init__(self, default: Bundle, others: Iterable[Bundle] = (), device: str = "cpu") -> None:
        self.default = default
        self._known = {bundle.digest: bundle for bundle in [*others, default]}
        self._loaded: dict[bytes, Denoiser] = {}
        self._lock = threading.Lock()
        self._device = torch.device(device)

    @classmethod
    def open(cls, weights: Path | None, device: str = "cpu") -> "Bundles":
        """The bundle in ``weights`` as default (or the packaged one), and all packaged bundles.

        Args:
            weights: a bundle's directory, the name of a packaged bundle, or a directory of several bundles,
                the first of which, by name, is the default.
            device: where networks are loaded to.

        Raises:
            BundleInvalid: ``weights`` is no bundle and holds none.
        """
        packaged = {path.parent.name: Bundle.read(path.parent) for path in sorted(BUNDLED.glob(f"*/{MANIFEST}"))}
        if weights is None or str(weights) in packaged:
            name = DEFAULT if weights is None else str(weights)
            if name not in packaged:
                raise BundleInvalid("this installation has no weights: set VISARD_WEIGHTS to a bundle directory")
            return cls(packaged[name], packaged.values(), device)
        here = [weights / MANIFEST] if (weights / MANIFEST).exists() else sorted(weights.glob(f"*/{MANIFEST}"))
        if not here:
            raise BundleInvalid("VISARD_WEIGHTS is no bundle, holds none, and no packaged one has this name")
        first, *rest = [Bundle.read(path.parent) for path in here]
        return cls(first, [*packaged.values(), *rest], device)

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


def _load(bundle: Bundle, device: torch.device) -> Denoiser:
    # Importing diffusers takes seconds: only who needs a network waits for it.
    from service.weights.network import load_denoiser

    try:
        return load_denoiser(bundle.directory, bundle.manifest.numerics.patch, device)
    except (OSError, ValueError, RuntimeError) as error:
        raise BundleInvalid("the network of the weights bundle cannot be loaded") from error
