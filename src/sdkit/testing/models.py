"""Small random-weight checkpoints, so that tests load real files through the real code without training or
downloads."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def random_checkpoint(
    path: str | Path,
    *,
    seed: int = 0,
    unet_widths: Sequence[int] = (32, 64),
    unet_layers: int = 1,
    attention_levels: Sequence[int] | None = None,
    in_channels: int = 4,
    vae_widths: Sequence[int] = (32, 32, 32, 32),
    vae_layers: int = 1,
    text_width: int = 32,
    text_layers: int = 2,
    image_tower: bool = True,
    dtype: str = "float16",
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a Stable Diffusion 1 checkpoint in the original layout with random weights, about 5 MB; returns its path.

    `attention_levels`: levels of the U-Net with attention, 0 the finest; None is all but the finest. The VAE's factor
    is 2 to the number of its levels minus one. Weights are scaled so that activations keep about unit variance: the
    "pictures" are coloured noise that depends on seed and prompt. The same arguments give the same file.
    """
    import torch
    from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType] - partly typed

    from sdkit.models.architecture import (
        ClipImageArchitecture,
        ClipTextArchitecture,
        TransformerArchitecture,
        UNetArchitecture,
        VaeArchitecture,
    )
    from sdkit.models.networks.clip import ClipImage, ClipText
    from sdkit.models.networks.unet import UNet
    from sdkit.models.networks.vae import Vae

    levels = range(1, len(unet_widths)) if attention_levels is None else attention_levels
    tower = TransformerArchitecture(text_width, text_layers, max(1, text_width // 64), 2 * text_width)
    unet = UNetArchitecture(
        in_channels=in_channels,
        out_channels=4,
        widths=tuple(unet_widths),
        layers=unet_layers,
        depths=tuple(int(level in levels) for level in range(len(unet_widths))),
        middle_depth=1,
        heads=(8,) * len(unet_widths),
        context=text_width,
    )
    with torch.device("meta"):
        networks: dict[str, torch.nn.Module] = {
            "model.diffusion_model.": UNet(unet),
            "first_stage_model.": Vae(VaeArchitecture(tuple(vae_widths), vae_layers, 4)),
            "cond_stage_model.transformer.text_model.": ClipText(ClipTextArchitecture(tower, 49408, 77)),
        }
        if image_tower:
            image = ClipImageArchitecture(tower, patch=16, side=64, projection=text_width, text_width=text_width)
            networks["cond_stage_model.transformer."] = ClipImage(image)
    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, torch.Tensor] = {}
    for prefix, network in networks.items():
        for name, weight in network.state_dict().items():
            values = torch.randn(weight.shape, generator=generator)
            if weight.ndim > 1 and "embedding.weight" not in name:
                values *= weight[0].numel() ** -0.5
            elif weight.ndim == 1:
                values = 0.1 * values + float(name.endswith("weight"))  # gains around 1, biases around 0
            weights[prefix + name] = values.to(getattr(torch, dtype))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path, metadata=dict(metadata) if metadata else None)
    return path


@functools.cache
def shared_checkpoint() -> Path:
    """`random_checkpoint` with its defaults, written once per process; do not change the file."""
    folder = Path(tempfile.mkdtemp(prefix="sdkit-testing-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return random_checkpoint(folder / "random.safetensors")
