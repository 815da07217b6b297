"""Previews: what a step has so far, as a small picture, for the price of one matrix product."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sdkit.hookspecs import hookimpl
from sdkit.images import Image

if TYPE_CHECKING:
    import torch

    from sdkit.types import DiffusionModel, Run, Step

MAX_SIDE = 256
"""Longest side of a preview, in pixels."""


@dataclass(frozen=True, eq=False)
class _ColourMap:
    """Latents → colours: `rgb = weight @ latent + bias`; `weight`: `[3, C]`, `bias`: `[3]`."""

    weight: torch.Tensor
    bias: torch.Tensor


class Previews:
    """The plugin. It remembers one colour map per model, as long as the model lives."""

    def __init__(self) -> None:
        self._maps: WeakKeyDictionary[DiffusionModel, _ColourMap] = WeakKeyDictionary()
        self._lock = threading.Lock()

    @hookimpl
    def preview(self, step: Step, run: Run) -> tuple[Image, ...]:
        """One small picture per image, of what the model expects at this step.

        Every latent becomes one colour; the grid is then enlarged smoothly to the picture's size, or to 256 pixels if
        that is larger. The first preview of a model costs one encoding of a 128x128 chart.
        """
        import torch
        from torch.nn import functional

        colours = self._colours(run.model)
        latents = step.denoised.detach().float().cpu()
        rgb = torch.einsum("rc,bchw->brhw", colours.weight, latents) + colours.bias[:, None, None]
        height, width = (side * run.model.spec.latent_factor for side in latents.shape[2:])
        scale = min(1.0, MAX_SIDE / max(height, width))
        size = [max(1, round(height * scale)), max(1, round(width * scale))]
        pixels = functional.interpolate(rgb.clamp(0, 1), size=size, mode="bilinear")
        return tuple(
            Image(picture, seed=seed, prompt=prompt, negative_prompt=negative)
            for picture, seed, prompt, negative in zip(
                pixels, run.seeds, run.prompts, run.negative_prompts, strict=True
            )
        )

    def _colours(self, model: DiffusionModel) -> _ColourMap:
        with self._lock:  # also while fitting: a second thread waits instead of fitting the same again
            if model not in self._maps:
                self._maps[model] = _fit(model)
            return self._maps[model]


def _fit(model: DiffusionModel) -> _ColourMap:
    """The linear map from the model's latents to colours that does best on a chart, by least squares."""
    import torch
    from torch.nn import functional

    factor = model.spec.latent_factor
    chart = _chart(2 * factor)
    with torch.no_grad():
        latents = model.encode_image(chart).float().cpu()
    rgb = functional.avg_pool2d(chart, factor)[0].flatten(1).T.double()
    rows = latents[0].flatten(1).T.double()
    rows = torch.cat((rows, torch.ones(len(rows), 1, dtype=rows.dtype)), dim=1)
    # The pseudo-inverse bears columns that say nothing, as those of an untrained model may.
    solution = (torch.pinverse(rows) @ rgb).float()
    return _ColourMap(weight=solution[:-1].T.contiguous(), bias=solution[-1])


def _chart(patch: int) -> torch.Tensor:
    """`[1, 3, 8·patch, 8·patch]`: 64 flat patches, every mixture of four reds, greens and blues.

    In an order that scatters them, so that a colour's neighbours, which bleed into its latents, favour no direction.
    """
    import torch

    order = torch.arange(64) * 27 % 64
    colours = torch.stack((order // 16, order // 4 % 4, order % 4)).float() / 3
    return colours.reshape(1, 3, 8, 8).repeat_interleave(patch, dim=2).repeat_interleave(patch, dim=3)
