"""The U-Net behind the ``Denoiser`` protocol (the only import of diffusers)."""

import copy
import json
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DModel
from diffusers.utils import logging as diffusers_logging
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from service.core.context import CHANNELS, NETWORK_PLANES, Context, network_input

diffusers_logging.set_verbosity_error()
diffusers_logging.disable_progress_bar()

TIME_SCALE = 1000.0
"""diffusers embeds integer timesteps of a 1000-step schedule; ours are reals in [0, 1]."""


class UNetDenoiser(nn.Module):
    """v-prediction U-Net on pixel-unshuffled faces; satisfies ``core.context.Denoiser``."""

    def __init__(self, unet: UNet2DModel, patch: int) -> None:
        super().__init__()
        self.unet = unet
        self.patch = patch

    @property
    def device(self) -> torch.device:
        """Where the weights live."""
        return next(self.parameters()).device

    def forward(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        """Predict v in the dtype of ``x``; see ``core.context.Denoiser`` for the shapes.

        The network itself always runs in float32: the solver's state is float64.
        """
        planes = network_input(x.float(), context, self.patch).contiguous(memory_format=torch.channels_last)
        v = pixel_shuffle(self.unet(planes, t.float() * TIME_SCALE).sample, self.patch)
        return v.to(x.dtype) * context.generate


def build_unet(resolution: int, patch: int, channels: tuple[int, ...], layers: int) -> UNet2DModel:
    """A fresh U-Net with attention on its coarsest level.

    Args:
        resolution: R.
        patch: pixel-unshuffle factor; the network works on (R / patch)^2 positions.
        channels: width of each level, each a multiple of 32.
        layers: residual blocks per level.
    """
    levels = len(channels)
    attends = [level == levels - 1 for level in range(levels)]
    return UNet2DModel(
        sample_size=resolution // patch,
        in_channels=NETWORK_PLANES * patch**2,
        out_channels=CHANNELS * patch**2,
        layers_per_block=layers,
        block_out_channels=channels,
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        attention_head_dim=32,
        norm_num_groups=16,
    )


def load_denoiser(directory: Path, patch: int, device: str | torch.device = "cpu") -> UNetDenoiser:
    """Load a network from safetensors for inference (never unpickles, never downloads).

    From then on this process computes float32 in full, with whatever network.
    """
    # What torch calls float32 is TF32 in convolutions on a card, unless told otherwise.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    unet: Any = UNet2DModel.from_pretrained(
        directory / "unet", use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False
    )
    # safetensors maps the file: without a copy, replacing it would crash the processes that use it.
    unet = copy.deepcopy(unet).to(device, torch.float32, memory_format=torch.channels_last)
    return UNetDenoiser(unet, patch).requires_grad_(False).eval()


def save_denoiser(model: UNetDenoiser, directory: Path) -> None:
    """Write the network in diffusers format, as safetensors."""
    model.unet.save_pretrained(directory / "unet", safe_serialization=True)
    file = directory / "unet" / "config.json"
    # Where a network was loaded from is nobody's business, and would change the bundle's digest.
    kept = {name: value for name, value in json.loads(file.read_bytes()).items() if name != "_name_or_path"}
    file.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
