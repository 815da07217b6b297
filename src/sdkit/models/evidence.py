"""Why a checkpoint was taken for what it is: one fact per line, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sdkit.models.kinds import UNET, VAE

if TYPE_CHECKING:
    from sdkit.models.architecture import UNetArchitecture
    from sdkit.models.diffusion_family import Architecture, TextEncoder

_KNOWN: Mapping[tuple[tuple[int, ...], ...], str] = {
    ((0, 0), (2, 2), (10, 10)): "SDXL's",
    ((0, 0), (2, 2), (4, 4)): "SSD-1B's",
    ((0, 0), (1, 1), (2, 2)): "Segmind Vega's",
    ((0,), (2,), (5,)): "KOALA 700M's",
    ((0,), (2,), (6,)): "KOALA 1B's",
}
"""Transformer blocks on the way down, and whose they are."""


def reasons(found: Architecture) -> tuple[str, ...]:
    """What in a checkpoint's names and shapes speaks for what it was taken for."""
    unet, vae, image = found.unet, found.vae, found.image
    levels = [level for level, depths in enumerate(unet.depths) if any(depths)]
    between = "linear layers" if unet.linear_projections else "1×1 convolutions"
    return (
        f"{UNET}: U-Net of widths {_list(unet.widths)} with {unet.layers} residual blocks per level, attention at "
        f"levels {_list(levels)}",
        f"attention between {between}, and to texts of {unet.context} channels: {_short(found)}",
        *([_depths(unet)] if unet.linear_projections else []),
        *([_summary(found)] if unet.summary else []),
        *(["takes the guidance scale as an input: a latent consistency model"] if unet.guidance else []),
        _channels(found),
        found.trained.why,
        f"{VAE}: VAE of widths {_list(vae.widths)}, factor {vae.factor}",
        *(_tower(text) for text in found.texts),
        f"CLIP image tower for {image.side}×{image.side} pixels" if image else "no CLIP image tower",
    )


def _short(found: Architecture) -> str:
    return {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL", "sdxl_refiner": "the SDXL refiner, no base model"}[
        found.kind.name
    ]


def _depths(unet: UNetArchitecture) -> str:
    down = "; ".join(_list(level) for level in unet.depths)
    whose = _KNOWN.get(unet.depths)
    middle = {None: "no middle", 0: "none in the middle"}.get(unet.middle, f"{unet.middle} in the middle")
    return f"transformer blocks by level: {down}; {middle}" + (f" ({whose})" if whose else "")


def _summary(found: Architecture) -> str:
    projection = found.texts[-1].architecture.projection
    return (
        f"a summary vector of {found.unet.summary} channels: {projection} of the text, 256 for each of "
        f"{found.kind.numbers} numbers on the picture's size"
    )


def _channels(found: Architecture) -> str:
    inputs, outputs, latents = found.unet.in_channels, found.unet.out_channels, found.vae.latent_channels
    use = {2 * latents: ": edits a picture (instruct-pix2pix)", 2 * latents + 1: ": inpaints"}.get(inputs, "")
    return f"{inputs} input and {outputs} output channels{use}"


def _tower(text: TextEncoder) -> str:
    tower = text.architecture.transformer
    missing = ", without its last, unused one" if text.left_out else ""
    return f"{text.prefix}: CLIP text tower of width {tower.width}, {tower.layers} layers{missing}"


def _list(numbers: tuple[int, ...] | list[int]) -> str:
    return ", ".join(str(number) for number in numbers) or "none"
