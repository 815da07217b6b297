"""Sampling: from noise, or from latents, to latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast

from pydantic import Field

from sdkit.builtin.nodes.sockets import EncodedPrompt, Seed, Share, Side, Steps
from sdkit.graph import Choices, Expansion, GraphBuilder, NodeContext, node
from sdkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from sdkit import Pipeline
    from sdkit.builtin.nodes.sockets import Mask
    from sdkit.images import Image
    from sdkit.request import RequestFields
    from sdkit.types import Latents, Run, Step


class Watch:
    """A plugin: tells a node's progress after every step, and stops when the graph is cancelled."""

    in_record = False  # it changes nothing

    def __init__(self, context: NodeContext) -> None:
        self.context = context

    @hookimpl
    def sample_step(self, step: Step, run: Run) -> None:
        """Tell how far it is; the preview is made only if somebody looks."""
        from sdkit.plugins import Manager

        manager = run.stash.get(Manager)

        def preview() -> tuple[Image, ...]:
            return cast("tuple[Image, ...] | None", manager.ask("preview", tuple, step=step, run=run)) or ()

        self.context.progress(step.index + 1, len(run.sigmas) - 1, preview)


@node(category="latents")
def empty_latents(
    pipeline: Pipeline,
    width: Side | None = None,
    height: Side | None = None,
    count: Annotated[int, Field(ge=1, le=4096)] = 1,
) -> Latents:
    """Where a new picture begins, or several; the model's own size where none is given."""
    import torch

    from sdkit.errors import RequestError
    from sdkit.types import Latents

    spec = pipeline.model.spec
    factor = spec.latent_factor
    sides = (height or spec.defaults.height), (width or spec.defaults.width)
    if any(side % factor for side in sides):
        raise RequestError(f"sides are multiples of {factor}; these are {sides[1]}x{sides[0]}")
    return Latents(torch.zeros(count, spec.latent_channels, *(side // factor for side in sides)))


@node(category="sampling")
def sample(
    context: NodeContext,
    pipeline: Pipeline,
    positive: EncodedPrompt,
    negative: EncodedPrompt,
    latents: Latents,
    seed: Seed = 0,
    steps: Steps | None = None,
    guidance_scale: Annotated[float | None, Field(ge=0, le=100)] = None,
    sampler: Annotated[str | None, Choices("samplers")] = None,
    schedule: Annotated[str | None, Choices("schedules")] = None,
    denoise: Share = 1.0,
    mask: Mask | None = None,
    guidance: Annotated[str, Choices("guidance")] = "cfg",
    noise: Annotated[str, Choices("noise_sources")] = "per_image",
    start_step: Annotated[int, Field(ge=0, le=1000)] = 0,
    end_step: Annotated[int | None, Field(ge=1, le=1000)] = None,
    add_noise: bool = True,
    leftover_noise: bool = False,
    variation_seed: Seed | None = None,
    variation_strength: Share = 0.0,
    batch_size: Annotated[int, Field(ge=1, le=256)] = 4,
) -> Latents:
    """Take the noise out, step by step. What is left out is the model family's default.

    `denoise`: how much of the latents to replace; 1 begins from noise alone. `mask`: where they are to change. The
    seeds of several pictures count up. `start_step`, `end_step`: a part of the schedule, so that several nodes can
    share one; see `Pipeline.sample`.
    """
    from sdkit.types import Conditioning

    conditioning = Conditioning(
        positive.embeddings,
        negative.embeddings,
        positive.texts,
        negative.texts,
        transformed=positive.transformed or negative.transformed,
    )
    fields: RequestFields = {
        "seed": seed,
        "steps": steps,
        "guidance_scale": guidance_scale,
        "sampler": sampler,
        "schedule": schedule,
        "denoise": denoise,
        "guidance": guidance,
        "noise": noise,
        "start_step": start_step,
        "end_step": end_step,
        "add_noise": add_noise,
        "leftover_noise": leftover_noise,
        "variation_seed": variation_seed,
        "variation_strength": variation_strength,
        "batch_size": batch_size,
    }
    watched = pipeline.using(Watch(context))
    at = _at(latents, mask)
    if at is not None:
        fields["mask"] = at
    return watched.sample(conditioning, latents=latents, **fields)


@node(category="sampling")
def refine(
    pipeline: Pipeline,
    positive: EncodedPrompt,
    negative: EncodedPrompt,
    latents: Latents,
    scale: Annotated[float, Field(ge=1, le=8)] = 1.5,
    method: Literal["nearest-exact", "bilinear", "area", "bicubic", "bislerp"] = "bislerp",
    seed: Seed = 0,
    steps: Steps | None = None,
    denoise: Share = 0.5,
) -> Latents | Expansion:
    """Enlarge latents, and sample once more: `scale_latents` and `sample` in one."""
    build = GraphBuilder()
    larger = build.add("scale_latents", latents=latents, scale=scale, method=method)
    sampled = build.add(
        "sample",
        pipeline=pipeline,
        positive=positive,
        negative=negative,
        latents=larger,
        seed=seed,
        steps=steps,
        denoise=denoise,
    )
    return build.expansion(sampled)


def _at(latents: Latents, mask: Mask | None) -> Mask | None:
    """The mask at the latents' size, `[1, 1, h, w]`."""
    if mask is None:
        return None
    from sdkit.images import resize_mask_to_latents

    high, wide = latents.tensor.shape[-2:]
    return resize_mask_to_latents(mask[None], high, wide)
