"""Small random-weight checkpoints of every kind, so that tests load real files through the real code without training
or downloads."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

    from sdkit.models.architecture import TransformerArchitecture, UNetArchitecture

Kind = Literal["sd1", "sd1_inpaint", "sd1_edit", "sd2", "sdxl", "sdxl_inpaint", "sdxl_refiner", "ssd1b"]
"""Of which model's layout. `sd1_edit` is instruct-pix2pix's, `ssd1b` a distilled SDXL."""

_SD, _XL = "cond_stage_model.", "conditioner.embedders."


@dataclass(frozen=True)
class _Recipe:
    """`depths`: transformer blocks at levels with attention; `towers`: prefix, widths as multiples of the text width,
    and whether they are of OpenCLIP's layout."""

    widths: tuple[int, ...]
    extra_channels: int
    linear: bool
    numbers: int
    towers: tuple[tuple[str, int, bool], ...]
    depth: int = 1


_L, _H = (f"{_SD}transformer.", 1, False), (f"{_SD}model.", 1, True)
_XL_TOWERS = (f"{_XL}0.transformer.", 1, False), (f"{_XL}1.model.", 2, True)
_RECIPES: Mapping[Kind, _Recipe] = {
    "sd1": _Recipe((32, 64), 0, False, 0, (_L,)),
    "sd1_inpaint": _Recipe((32, 64), 5, False, 0, (_L,)),
    "sd1_edit": _Recipe((32, 64), 4, False, 0, (_L,)),
    "sd2": _Recipe((64, 128), 0, True, 0, (_H,)),
    "sdxl": _Recipe((32, 64, 128), 0, True, 6, _XL_TOWERS, depth=2),
    "sdxl_inpaint": _Recipe((32, 64, 128), 5, True, 6, _XL_TOWERS, depth=2),
    "sdxl_refiner": _Recipe((32, 64, 128), 0, True, 5, ((f"{_XL}0.model.", 2, True),), depth=2),
    "ssd1b": _Recipe((32, 64, 128), 0, True, 6, _XL_TOWERS, depth=2),
}


def random_checkpoint(
    path: str | Path,
    *,
    kind: Kind = "sd1",
    layout: Literal["single", "diffusers"] = "single",
    seed: int = 0,
    unet_widths: Sequence[int] | None = None,
    unet_layers: int = 1,
    attention_levels: Sequence[int] | None = None,
    in_channels: int | None = None,
    vae_widths: Sequence[int] = (32, 32, 32, 32),
    vae_layers: int = 1,
    text_width: int = 32,
    text_layers: int = 2,
    image_tower: bool = True,
    dtype: str = "float16",
    prediction: Literal["eps", "v"] = "eps",
    zero_snr: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a small checkpoint with random weights; returns its path. 5 MB for Stable Diffusion 1, 15 for SDXL.

    `layout`: a single file in the original layout, or a folder as diffusers writes it. `unet_widths`: None is the
    kind's. `attention_levels`: levels of the U-Net with attention, 0 the finest; None is all but the finest. The VAE's
    factor is 2 to the number of its levels minus one. `text_width`: of the first tower; CLIP-G's is twice it.
    `image_tower`: only SD1 kinds have one. `prediction`, `zero_snr`: written as the marker keys, or into the folder's
    scheduler settings.

    Weights are scaled so that activations keep about unit variance: the "pictures" are coloured noise that depends on
    seed and prompt. The same arguments give the same file.
    """
    import torch

    from sdkit.models.architecture import ClipImageArchitecture, ClipTextArchitecture, VaeArchitecture
    from sdkit.models.networks.clip import ClipImage, ClipText
    from sdkit.models.networks.unet import UNet
    from sdkit.models.networks.vae import Vae

    recipe = _RECIPES[kind]
    towers = {prefix: _tower(text_width * times, text_layers, open_clip) for prefix, times, open_clip in recipe.towers}
    context = sum(tower.width for tower in towers.values())
    levels = tuple(range(1, len(unet_widths or recipe.widths)) if attention_levels is None else attention_levels)
    unet = _unet(kind, recipe, tuple(unet_widths or recipe.widths), unet_layers, levels, context)
    if in_channels is not None:
        unet = _with_channels(unet, in_channels)
    with torch.device("meta"):
        networks: dict[str, torch.nn.Module] = {
            "model.diffusion_model.": UNet(unet),
            "first_stage_model.": Vae(VaeArchitecture(tuple(vae_widths), vae_layers, 4)),
        }
        for prefix, tower in towers.items():
            projection = tower.width if prefix.endswith("model.") and recipe.numbers else 0
            networks[prefix] = ClipText(ClipTextArchitecture(tower, 49408, 77, projection))
        images: dict[str, torch.nn.Module] = {}
        if image_tower and not recipe.linear:
            image = ClipImageArchitecture(towers[_L[0]], 16, 64, projection=text_width, text_width=text_width)
            images[_L[0]] = ClipImage(image)
    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, torch.Tensor] = {}
    for prefix, network in (*networks.items(), *images.items()):
        for name, weight in network.state_dict().items():
            weights[prefix + name] = _random(name, weight, generator).to(getattr(torch, dtype))
    path = Path(path)
    if layout == "diffusers":
        return _write_folder(path, weights, recipe, text_layers, prediction, zero_snr)
    for prefix, _, open_clip in recipe.towers:
        if open_clip:
            weights |= _as_open_clip(prefix, weights)
    if prediction == "v":
        weights["v_pred"] = torch.zeros(0)
    if zero_snr:
        weights["ztsnr"] = torch.zeros(0)
    _save(path, weights, metadata)
    return path


@functools.cache
def shared_checkpoint(kind: Kind = "sd1") -> Path:
    """`random_checkpoint` with its defaults, written once per process; do not change the file."""
    folder = Path(tempfile.mkdtemp(prefix="sdkit-testing-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return random_checkpoint(folder / ("random.safetensors" if kind == "sd1" else f"{kind}.safetensors"), kind=kind)


def _tower(width: int, layers: int, open_clip: bool) -> TransformerArchitecture:
    from sdkit.models.architecture import TransformerArchitecture

    return TransformerArchitecture(width, layers, max(1, width // 64), 2 * width, "gelu" if open_clip else "quick_gelu")


def _unet(
    kind: Kind, recipe: _Recipe, widths: tuple[int, ...], layers: int, levels: tuple[int, ...], context: int
) -> UNetArchitecture:
    from sdkit.models.architecture import UNetArchitecture

    depths = [recipe.depth if level in levels else 0 for level in range(len(widths))]
    up = [(depth,) * (layers + 1) for depth in depths]
    if kind == "ssd1b":  # on the way up, its blocks are of different depths
        up = [(depth,) * layers + (depth and depth + 1,) for depth in depths]
    projection = recipe.towers[-1][1] * context // sum(times for _, times, _ in recipe.towers)
    return UNetArchitecture(
        in_channels=4 + recipe.extra_channels,
        out_channels=4,
        widths=widths,
        layers=layers,
        depths=tuple((depth,) * layers for depth in depths),
        depths_up=tuple(up),
        middle=0 if kind == "ssd1b" else recipe.depth,
        heads=tuple(max(1, width // 64) if recipe.linear else 8 for width in widths),
        context=context,
        linear_projections=recipe.linear,
        summary=projection + 256 * recipe.numbers if recipe.numbers else 0,
    )


def _with_channels(unet: UNetArchitecture, in_channels: int) -> UNetArchitecture:
    from dataclasses import replace

    return replace(unet, in_channels=in_channels)


def _random(name: str, weight: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    import torch

    values = torch.randn(weight.shape, generator=generator)
    if weight.ndim > 1 and "embedding.weight" not in name:
        values *= weight[0].numel() ** -0.5
    elif weight.ndim == 1:
        values = 0.1 * values + float(name.endswith("weight"))  # gains around 1, biases around 0
    return values


def _as_open_clip(prefix: str, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Takes a tower's weights out, and gives them back in OpenCLIP's layout."""
    import torch

    from sdkit.models.renaming import open_clip_name

    fused: dict[str, list[torch.Tensor]] = {}
    for key in [key for key in weights if key.startswith(prefix)]:
        name, third = open_clip_name(key.removeprefix(prefix))
        weight = weights.pop(key)
        fused.setdefault(prefix + name, []).append(weight.T if name == "text_projection" else weight)
        if third is not None and len(fused[prefix + name]) != third + 1:
            raise AssertionError(f"{key} is out of order")
    return {name: torch.cat(parts).contiguous() for name, parts in fused.items()}


def _write_folder(
    path: Path,
    weights: Mapping[str, torch.Tensor],
    recipe: _Recipe,
    text_layers: int,
    prediction: str,
    zero_snr: bool,
) -> Path:
    from sdkit.models.diffusers_names import unet_names_for_diffusers, vae_names_for_diffusers

    unet, vae = (
        {key.removeprefix(prefix): weight for key, weight in weights.items() if key.startswith(prefix)}
        for prefix in ("model.diffusion_model.", "first_stage_model.")
    )
    vae = {n: w.flatten(1) if ".attn_1." in n and w.ndim > 1 else w for n, w in vae.items()}
    parts = {
        "unet": {theirs: unet[ours] for ours, theirs in unet_names_for_diffusers(unet).items()},
        "vae": {theirs: vae[ours] for ours, theirs in vae_names_for_diffusers(vae).items()},
    }
    names = ("text_encoder", "text_encoder_2") if len(recipe.towers) == 2 else ("text_encoder",)
    if recipe.numbers and len(recipe.towers) == 1:
        names = ("text_encoder_2",)
    for name, (prefix, _, _) in zip(names, recipe.towers, strict=True):
        found = {key.removeprefix(prefix): weight for key, weight in weights.items() if key.startswith(prefix)}
        kept = ("text_model.", "text_projection.") if recipe.numbers else ("text_model.",)
        unused = f".layers.{text_layers - 1}." if prefix == _H[0] else " "  # diffusers leaves out SD2's last layer
        parts[name] = {key: weight for key, weight in found.items() if key.startswith(kept) and unused not in key}
    for name, found in parts.items():
        stem = "model" if name.startswith("text") else "diffusion_pytorch_model"
        _save(path / name / f"{stem}.safetensors", found, None)
    scheduler = {
        "prediction_type": "v_prediction" if prediction == "v" else "epsilon",
        "rescale_betas_zero_snr": zero_snr,
    }
    (path / "scheduler").mkdir(parents=True, exist_ok=True)
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    (path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    return path


def _save(path: Path, weights: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None) -> None:
    from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType] - partly typed

    path.parent.mkdir(parents=True, exist_ok=True)
    contiguous = {name: weight.contiguous() for name, weight in weights.items()}
    save_file(contiguous, path, metadata=dict(metadata) if metadata else None)
