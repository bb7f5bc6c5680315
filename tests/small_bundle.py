"""A real weights bundle small enough to make in a test: random weights, a smooth enough network."""

from pathlib import Path

import torch

from service.weights.manifest import Manifest, Numerics
from service.weights.network import UNetDenoiser, build_unet, save_denoiser

RESOLUTION = 32


def write_small_bundle(directory: Path, seed: int = 1, resolution: int = RESOLUTION) -> Path:
    """Write a bundle into ``directory``."""
    torch.manual_seed(seed)
    denoiser = UNetDenoiser(build_unet(resolution, patch=4, channels=(32, 32), layers=1), patch=4)
    # Near the identity, and a latent well inside the range of pixels: little overflow, as trained networks have.
    with torch.no_grad():
        denoiser.unet.conv_out.weight.mul_(0.2)
    directory.mkdir(parents=True)
    save_denoiser(denoiser, directory)
    numerics = Numerics(
        resolution=resolution, patch=4, t0=0.02, t0_lossy=0.04, t1=0.995, steps=8, evaluations=4, grid="late", tau=0.3
    )
    Manifest(name="small", numerics=numerics).write(directory)
    return directory
