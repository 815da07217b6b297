"""Sampling as ComfyUI's nodes ask for it, by `Pipeline.sample`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from sdkit.editing import repeat_to, resize
from sdkit.hookspecs import hookimpl
from sdkit.request import MAX_SEED
from sdkit.types import Conditioning, Embedding, Latents
from sdkit_comfy.values.conditioning import to_embeddings, with_channels
from sdkit_comfy.values.guiding import NAME as GUIDANCE
from sdkit_comfy.values.guiding import Guided, by_perp_neg, is_changed
from sdkit_comfy.values.masking import Masks
from sdkit_comfy.values.merging import at_once
from sdkit_comfy.values.samplers import Guider, NoiseOf, SamplerChoice
from sdkit_comfy.values.transformer_options import TransformerOptions, has_patches

if TYPE_CHECKING:
    from sdkit.graph import NodeContext
    from sdkit.types import Run, Step
    from sdkit_comfy.values.conditioning import Conditioning as Listed
    from sdkit_comfy.values.networks import Model

MOST_AT_ONCE = 256
"""The most pictures that a request may have in a batch."""

Latent = dict[str, Any]
"""ComfyUI's LATENT: `samples`, unscaled, `[B, C, h, w]`; perhaps `noise_mask` and `batch_index`."""


@dataclass
class Watch:
    """A plugin for one run: tells the node's progress, stops with the graph, and keeps the last denoised latents."""

    context: NodeContext | None
    denoised: torch.Tensor | None = None
    steps: int = field(default=0)

    @hookimpl
    def sample_step(self, step: Step, run: Run) -> None:
        """Called after every step."""
        self.denoised = step.prediction.denoised
        if self.context is not None:
            self.context.check_cancelled()
            self.context.progress(step.index + 1, len(run.sigmas) - 1)


@dataclass(frozen=True)
class Sampled:
    """What sampling gives: the latents as they are, and the last denoised ones, both as LATENT."""

    latent: Latent
    denoised: Latent


def sample(
    guider: Guider,
    latent: Latent,
    noise: NoiseOf,
    *,
    sampler: SamplerChoice,
    context: NodeContext | None = None,
    **fields: Any,
) -> Sampled:
    """Sample from a LATENT; `fields` are those of a request: `steps`, `schedule`, `sigmas` …

    Raises as `Pipeline.sample`, and NotAvailableError for what a conditioning carries that sdkit cannot do yet.
    """
    model = guider.model
    if model.perp_neg is not None and guider.combine is None:
        empty, negative_scale = model.perp_neg
        guider = replace(guider, third=empty, combine=by_perp_neg(negative_scale))
    samples: torch.Tensor = latent["samples"]
    scaled, count = samples * model.scale, len(samples)
    mask = None if latent.get("noise_mask") is None else noise_mask(latent["noise_mask"], samples)
    positive, negative, third = (
        _branch(model, told, scaled, mask, negative=negative)
        for told, negative in ((guider.positive, False), (guider.negative, True), (guider.third or (), True))
    )
    watch, plugins = Watch(context), list[object]()
    if mask is not None and (model.mask_at is not None or sampler.name == "ddim"):
        own_noise = (noise.seed + 1) % (MAX_SEED + 1) if sampler.name == "ddim" else None
        plugins.append(Masks(mask, model.mask_at, own_noise))
        mask = None
    if guider.combine is not None or model.boundary or is_changed(model.model_options):
        plugins.append(Guided(model.model_options, third, guider.combine, boundary=model.boundary))
        fields["guidance"] = GUIDANCE
    if has_patches(model.model_options):
        plugins.append(TransformerOptions(model.model_options))
    loras, changing = at_once(model.changes)
    request: dict[str, Any] = {
        "seeds": tuple((noise.seed + i) % (MAX_SEED + 1) for i in range(count)),
        "batch_size": min(count, MOST_AT_ONCE),
        "noise": "comfy",
        "noise_options": _noise_options(model, sampler, latent),
        "add_noise": not noise.silent,
        "loras": loras,
        "guidance_scale": guider.scale,
        "sampler": sampler.name,
        "sampler_options": dict(sampler.options),
        **({} if mask is None else {"mask": mask}),
        **model.fields,
        **fields,
    }
    pipe = model.pipe.using(*changing, *plugins, *model.plugins, watch)
    sampled = pipe.sample(Conditioning(positive, negative), latents=Latents(scaled), **request)
    kept = {key: value for key, value in latent.items() if key != "samples"}
    last = sampled.tensor if watch.denoised is None else watch.denoised
    return Sampled({**kept, "samples": sampled.tensor / model.scale}, {**kept, "samples": last / model.scale})


def _noise_options(model: Model, sampler: SamplerChoice, latent: Latent) -> dict[str, Any]:
    """Which of ComfyUI's ways to draw noise: on a GPU, it draws there what samplers ask for on their way, but for the
    SDE samplers whose names do not end in `_gpu`."""
    options: dict[str, Any] = {}
    if latent.get("batch_index") is not None:
        options["batch_indices"] = [int(index) for index in latent["batch_index"]]
    if model.pipe.model.device.type == "cuda":
        options["white_from"] = "cuda"
        if sampler.name.endswith("_gpu"):
            options["brownian_from"] = "cuda"
    return options


def noise_mask(mask: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
    """A noise mask in the latents' size and number, `[B, 1, h, w]`: resized bilinearly, repeated from the start."""
    shaped = mask.reshape((-1, 1, *mask.shape[-2:])).float()
    if shaped.shape[-2:] != samples.shape[-2:]:
        shaped = F.interpolate(shaped, size=tuple(samples.shape[-2:]), mode="bilinear")
    rows = torch.arange(len(samples)) % len(shaped)
    return shaped[rows]


def _branch(
    model: Model,
    conditioning: Listed,
    scaled: torch.Tensor,
    mask: torch.Tensor | None,
    *,
    negative: bool,
) -> tuple[Embedding, ...]:
    """A branch, with the further channels that inpainting and editing models read."""
    embeddings = to_embeddings(
        conditioning, model.spec, (scaled.shape[-2], scaled.shape[-1]), len(scaled), negative=negative
    )
    further = model.spec.input_channels - model.spec.latent_channels
    if further <= 0:
        return embeddings
    return tuple(
        _told(model, embedding, values, scaled, mask, further)
        for embedding, (_, values) in zip(embeddings, conditioning, strict=True)
    )


def _told(
    model: Model,
    embedding: Embedding,
    values: Mapping[str, Any],
    scaled: torch.Tensor,
    mask: torch.Tensor | None,
    further: int,
) -> Embedding:
    picture: torch.Tensor | None = values.get("concat_latent_image")
    shown = scaled if picture is None else _fitted(picture * model.scale, scaled)
    if further == model.spec.latent_channels:  # a model that edits pictures sees another one, and no mask
        return embedding if picture is None else with_channels((embedding,), shown / model.scale)[0]
    hidden = values.get("concat_mask")
    hidden = mask if hidden is None else noise_mask(hidden, scaled)
    if hidden is None:
        return embedding  # the model shows itself a blank picture
    return with_channels((embedding,), torch.cat((hidden.round(), shown), dim=1))[0]


def _fitted(latents: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Latents in the size and number of others, cut in the middle to their shape, then resized bilinearly."""
    if latents.shape[-2:] != like.shape[-2:]:
        latents = resize(latents, like.shape[-1], like.shape[-2], "bilinear", "center")
    return repeat_to(latents, len(like))


def start_noise(noise: NoiseOf, latent: Latent) -> torch.Tensor:
    """The noise that sampling would start from: one draw for the whole batch; with `batch_index`, the draws of these
    numbers, a picture at a time."""
    samples: torch.Tensor = latent["samples"]
    if noise.silent:
        return torch.zeros_like(samples)
    generator = torch.Generator().manual_seed(noise.seed)
    indices = latent.get("batch_index")
    if indices is None:
        return torch.randn(samples.shape, generator=generator).to(samples)
    drawn = [torch.randn(1, *samples.shape[1:], generator=generator) for _ in range(max(indices) + 1)]
    return torch.cat([drawn[index] for index in indices]).to(samples)
