"""What ComfyUI calls MODEL, CLIP and VAE: three views of what a file holds, with what nodes changed of it.

Each stands on a `Pipeline`, so plugins of sdkit see their work. A node that changes one changes a copy: `clone()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch

from sdkit.errors import RequestError
from sdkit.images import Image
from sdkit.sampling import sampling_spec
from sdkit.types import Latents
from sdkit_comfy.values.conditioning import from_embeddings
from sdkit_comfy.values.merging import Change, at_once
from sdkit_comfy.values.transformer_options import Inside

if TYPE_CHECKING:
    from sdkit import Pipeline
    from sdkit.types import Embedding, ModelSpec
    from sdkit_comfy.values.conditioning import Conditioning
    from sdkit_comfy.values.masking import MaskAt


@dataclass(eq=False)
class Model(Inside):
    """A noise predictor.

    `changes`: LoRAs and models mixed in, in their order. `plugins`: for the runs that sample with it. `fields`: of
    their requests, such as `prediction`. `mask_at`: what becomes of noise masks on the way. `boundary`: whether its
    output is a latent consistency model's. `perp_neg`: an empty prompt and a scale, for guidance by Perp-Neg.
    `model_options`: what packs keep there, and the functions of `values.guiding`.
    """

    pipe: Pipeline
    changes: tuple[Change, ...] = ()
    plugins: tuple[object, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    mask_at: MaskAt | None = None
    boundary: bool = False
    perp_neg: tuple[Conditioning, float] | None = None
    model_options: dict[str, Any] = field(default_factory=lambda: {"transformer_options": {}})

    def clone(self) -> Model:
        """A copy to change; it shares the weights."""
        twin = copy(self)
        twin.fields = dict(self.fields)
        twin.model_options = _copied(self.model_options)
        return twin

    def plus(self, *plugins: object, **fields: Any) -> Model:
        """A copy with these plugins and request fields besides."""
        twin = self.clone()
        twin.plugins, twin.fields = (*self.plugins, *plugins), {**self.fields, **fields}
        return twin

    def with_changes(self, *changes: Change) -> Model:
        """A copy with further changes to its weights."""
        twin = self.clone()
        twin.changes = (*self.changes, *changes)
        return twin

    def set_model_sampler_cfg_function(self, function: Any, disable_cfg1_optimization: bool = False) -> None:
        """Replace classifier-free guidance; see `values.guiding`."""
        self.model_options["sampler_cfg_function"] = function
        self._also_at_one(disable_cfg1_optimization)

    def set_model_sampler_pre_cfg_function(self, function: Any, disable_cfg1_optimization: bool = False) -> None:
        """Add a function before guidance."""
        self._append("sampler_pre_cfg_function", function)
        self._also_at_one(disable_cfg1_optimization)

    def set_model_sampler_post_cfg_function(self, function: Any, disable_cfg1_optimization: bool = False) -> None:
        """Add a function after guidance."""
        self._append("sampler_post_cfg_function", function)
        self._also_at_one(disable_cfg1_optimization)

    def _append(self, key: str, function: Any) -> None:
        self.model_options[key] = [*self.model_options.get(key, ()), function]

    def _also_at_one(self, wanted: bool) -> None:
        """Whether the negative branch is evaluated at guidance scale 1, too."""
        if wanted:
            self.model_options["disable_cfg1_optimization"] = True

    @property
    def spec(self) -> ModelSpec:
        """The model's facts, with what nodes said otherwise of its prediction and noise levels."""
        fields = self.fields
        names = ("prediction", "zero_terminal_snr", "flow_shift", "distilled_timesteps")
        return sampling_spec(self.pipe.model.spec, *(fields.get(name) for name in names))

    @property
    def scale(self) -> float:
        """What unscaled latents are multiplied by before they are sampled."""
        return self.pipe.model.spec.latent_scale


@dataclass(eq=False)
class Clip:
    """Text encoders. `changes`: as a model's. `layer`: as ComfyUI counts, −1 the last; None is the family's own."""

    pipe: Pipeline
    changes: tuple[Change, ...] = ()
    layer: int | None = None

    def clone(self) -> Clip:
        """A copy to change; it shares the weights."""
        return copy(self)

    def with_changes(self, *changes: Change) -> Clip:
        """A copy with further changes to its weights."""
        twin = self.clone()
        twin.changes = (*self.changes, *changes)
        return twin

    def encode(self, text: str, **values: Any) -> list[list[Any]]:
        """A prompt in ComfyUI's syntax as a conditioning; `values` go into every entry."""
        return [[context, {**more, **values}] for context, more in from_embeddings(self._encoded(text))]

    def encode_each(self, text_l: str, text_g: str, **values: Any) -> list[list[Any]]:
        """A prompt for each of SDXL's text encoders, as a conditioning. The shorter is filled up with windows of the
        empty prompt. Raises RequestError for text encoders that are not these two."""
        widths = {text.kind.name: text.architecture.transformer.width for text in self._encoders}
        if list(widths) != ["l", "g"]:
            raise RequestError(
                "a prompt for each text encoder is for SDXL, which has CLIP-L and CLIP-G; this model has "
                f"{', '.join(f'CLIP-{name.upper()}' for name in widths) or 'others'}. Use CLIPTextEncode"
            )
        (first,), (second,), (empty,) = (self._encoded(text) for text in (text_l, text_g, ""))
        length, width = max(first.context.shape[1], second.context.shape[1]), widths["l"]
        context = torch.cat(
            (
                _filled(first.context, empty.context, length)[..., :width],
                _filled(second.context, empty.context, length)[..., width:],
            ),
            dim=-1,
        )
        return [[context, {"pooled_output": second.pooled, **values}]]

    @property
    def _encoders(self) -> Sequence[Any]:
        architecture: Any = getattr(self.pipe.model, "architecture", None)
        return () if architecture is None else architecture.texts

    def _encoded(self, text: str) -> tuple[Embedding, ...]:
        skip = None if self.layer is None else -self.layer
        layers = [each.architecture.transformer.layers + each.left_out for each in self._encoders]
        if skip is not None and layers and skip > min(layers):
            skip = 1  # a layer that is not there is the last one
        loras, plugins = at_once(self.changes)
        pipe = self.pipe.using(*plugins) if plugins else self.pipe
        return pipe.encode(text, prompt_syntax="comfy", clip_skip=skip, loras=loras, seed=0).positive


@dataclass(eq=False)
class Vae:
    """Pictures `[B, H, W, 3]` in 0…1 ↔ unscaled latents `[B, C, H/f, W/f]`."""

    pipe: Pipeline

    @property
    def factor(self) -> int:
        """Pixels per latent along a side."""
        return self.pipe.model.spec.latent_factor

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """Unscaled latents, the mode of the distribution. Sides are cut to multiples of the factor, in the middle;
        channels behind the third are left out."""
        cut = centre_cut(pictures, self.factor)[..., :3]
        latents = [self.pipe.encode_image(Image(pixels=each.movedim(-1, 0))).tensor for each in cut]
        return torch.cat(latents) / self.pipe.model.spec.latent_scale

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures, float32 on the CPU."""
        images = self.pipe.decode(Latents(latents * self.pipe.model.spec.latent_scale))
        return torch.stack([image.pixels for image in images]).movedim(1, -1)


def _filled(context: torch.Tensor, empty: torch.Tensor, length: int) -> torch.Tensor:
    """A context made as long as another by repeating the window of the empty prompt."""
    missing = (length - context.shape[1]) // empty.shape[1]
    return torch.cat((context, empty.expand(len(context), -1, -1).repeat(1, missing, 1)), dim=1)


def centre_cut(pictures: torch.Tensor, factor: int) -> torch.Tensor:
    """Pictures `[B, H, W, C]` with sides that are multiples of `factor`, cut from the middle."""
    height, width = (side // factor * factor for side in pictures.shape[1:3])
    top, left = ((side - kept) // 2 for side, kept in zip(pictures.shape[1:3], (height, width), strict=True))
    return pictures[:, top : top + height, left : left + width]


def _copied(options: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested options down to their lists, so that changing them changes nobody else's."""

    def copied(value: Any) -> Any:
        if isinstance(value, dict):
            return _copied(cast("dict[str, Any]", value))
        return [*cast("list[Any]", value)] if isinstance(value, list) else value

    return {key: copied(value) for key, value in options.items()}
