"""The stages of one run: each is a built-in answer to a hook, with the plugins' functions composed around it."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

import torch

from sdkit.errors import HookResultError, NonFiniteError
from sdkit.images import Image, mask_to_latents
from sdkit.pipeline.encoding import Encoder
from sdkit.pipeline.network import Evaluator, network_patches
from sdkit.pipeline.recovery import decode_safely
from sdkit.plugins import Manager
from sdkit.plugins.blame import Owned, blame
from sdkit.sampling import make_evaluate, noise_for, parameterisation, starting_noise, with_alpha
from sdkit.types import (
    BoundSampler,
    Conditioning,
    Denoiser,
    Embedding,
    Evaluate,
    Latents,
    ModelSpan,
    NetworkPatches,
    NoiseSource,
    Patch,
    Prediction,
    Prompt,
    Run,
    Step,
)

if TYPE_CHECKING:
    from sdkit.models.embeddings import TextualInversions
    from sdkit.pipeline.planning import Plan
    from sdkit.sampling import Parameterisation

R = TypeVar("R")

OURS = "sdkit.pipeline"
"""The owner of what the plugins' wrappers stand around: its faults are not put down to them."""


# ── patch ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def patch(run: Run, manager: Manager) -> Run:
    """The run with its model patched as plugins want it; the run itself where none does."""
    patches = manager.answers("patch_model", Patch, run=run, model=run.model)
    if not patches:
        return run
    always = [patch for patch in patches if patch.sigmas is None]
    bounds = {bound for patch in patches for bound in patch.sigmas or ()}
    edges = sorted({*bounds, math.inf, -math.inf}, reverse=True)
    spans = tuple(
        ModelSpan(high, low, run.model.patched([patch for patch in patches if _counts(patch, high, low)]))
        for high, low in itertools.pairwise(edges)
    )
    return replace(run, model=run.model.patched(always), spans=spans if bounds else ())


def _counts(patch: Patch, high: float, low: float) -> bool:
    return patch.sigmas is None or (patch.sigmas[0] >= high and patch.sigmas[1] <= low)


def _evaluate(
    run: Run, rules: Parameterisation, conditioning: Conditioning, patches: NetworkPatches | None
) -> Evaluate:
    """The evaluation by the run's model; where several take turns, by the one whose turn it is."""
    if not run.spans:
        return make_evaluate(run.model, rules, conditioning, patches)
    turns = [(span.low, make_evaluate(span.model, rules, conditioning, patches)) for span in run.spans]

    def evaluate(x: torch.Tensor, sigma: float, branches: tuple[str, ...]) -> dict[str, torch.Tensor]:
        _, made = next(turn for turn in turns if sigma > turn[0])
        return made(x, sigma, branches)

    return evaluate


# ── encode ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def encode(run: Run, manager: Manager, inversions: TextualInversions | None = None) -> Conditioning:
    """Both branches' prompts, each distinct text encoded once; one row per branch where all pictures share a prompt.
    `inversions`: where the textual inversions are that prompts name."""
    encode_prompt = _composed(manager, "wrap_encode", run, functools.partial(_encode_prompt, run, manager), Embedding)
    entry = manager.syntaxes[run.request.prompt_syntax]
    syntax = Owned(entry.owner, f"prompt syntax {entry.name!r}", entry.load(), Prompt)

    def parse(text: str) -> Prompt:
        return manager.ask("parse_prompt", Prompt, text=text, run=run) or syntax(text)

    texts = run.prompts, run.negative_prompts
    asked = {run.request.prompt}, {run.request.negative_prompt}
    branches = Encoder(run, parse, encode_prompt, inversions).branches(*texts)
    return Conditioning(*branches, *texts, run.request.prompt_syntax, transformed=asked != tuple(map(set, texts)))


def _encode_prompt(run: Run, manager: Manager, prompt: Prompt) -> Embedding:
    return manager.answer("encode", Embedding, prompt=prompt, run=run)


# ── sample ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def prepare(run: Run, plan: Plan, manager: Manager) -> Run:
    """The run with its starting noise, and the initial image and mask as latents where there are any."""
    quiet = not run.request.add_noise
    noise = torch.zeros(run.shape, device=run.model.device) if quiet else draw_noise(run, plan, manager)
    width, height = plan.request.size
    init = mask = None
    if plan.draft.latents is not None:
        init = _rows(plan.draft.latents.tensor, run).to(noise)
    elif plan.init_image is not None:
        init = encode_image(plan.init_image.fit(width, height), run, manager)
    if plan.draft.mask is not None:
        mask = _rows(plan.draft.mask, run).to(noise)
    elif plan.mask is not None:
        mask = mask_to_latents(plan.mask.fit(width, height), run.spec.latent_factor).to(noise.device)
    return replace(run, noise=noise, init=init, mask=mask)


def _rows(tensor: torch.Tensor, run: Run) -> torch.Tensor:
    """The rows of a whole generation's tensor that are this run's; one row serves all."""
    return tensor if len(tensor) == 1 else tensor[run.first : run.first + len(run.seeds)]


def rows_of(conditioning: Conditioning, run: Run) -> Conditioning:
    """The part of a whole generation's conditioning that is this run's."""

    def part(embedding: Embedding) -> Embedding:
        further = {"pooled": embedding.pooled, "mask": embedding.mask, "channels": embedding.channels}
        rows = {what: tensor if tensor is None else _rows(tensor, run) for what, tensor in further.items()}
        return replace(embedding, context=_rows(embedding.context, run), **rows)

    return replace(
        conditioning,
        positive=tuple(part(embedding) for embedding in conditioning.positive),
        negative=tuple(part(embedding) for embedding in conditioning.negative),
    )


def draw_noise(run: Run, plan: Plan, manager: Manager) -> torch.Tensor:
    """The starting noise, `run.shape`, float32 on the model's device: a plugin's, or else the noise source's."""
    noise = manager.ask("make_noise", torch.Tensor, run=run)
    if noise is not None:
        return _checked(noise, run.shape, "make_noise", run, manager)
    request = run.request
    noise = starting_noise(
        run,
        _noise_source(plan, manager),
        variation_seed=request.variation_seed,
        variation_strength=request.variation_strength,
        noise_offset=request.noise_offset,
    )
    if tuple(noise.shape) != run.shape:
        by = manager.noise_sources[request.noise].owner
        raise HookResultError(
            by, f"noise source {request.noise!r} (plugin {by!r}) must draw {list(run.shape)}, not {list(noise.shape)}"
        )
    return noise.to(run.model.device, torch.float32)


def _noise_source(plan: Plan, manager: Manager) -> Callable[[Run], NoiseSource]:
    """The noise source that the request names, with its options filled in; its faults are put down to its plugin."""
    entry = manager.noise_sources[plan.request.noise]
    make = functools.partial(entry.load(), **plan.noise_options)
    return Owned(entry.owner, f"noise source {entry.name!r}", make)


def encode_image(image: Image, run: Run, manager: Manager) -> torch.Tensor:
    """A picture of the run's size → scaled latents, `[1, C, H/f, W/f]`, float32 on the model's device."""
    latents = manager.answer("encode_image", torch.Tensor, image=image, run=run)
    return _checked(latents, (1, *run.shape[1:]), "encode_image", run, manager)


def _checked(made: torch.Tensor, shape: tuple[int, ...], hook: str, run: Run, manager: Manager) -> torch.Tensor:
    if tuple(made.shape) != shape:
        by = _implementers(manager, hook)
        raise HookResultError(by, f"{hook} must return {list(shape)}, not {list(made.shape)} (plugins: {by})")
    return made.to(run.model.device, torch.float32)


def sample(run: Run, plan: Plan, conditioning: Conditioning, manager: Manager) -> Generator[Step]:
    """The run's steps, as the sampler and whatever plugins put around it yield them."""
    run = replace(run, network=network_patches(run, manager))
    denoise = make_denoiser(run, conditioning, manager)
    entry, options = plan.sampler, plan.sampler_options
    function, noise = entry.load(), noise_for(run, entry.noise, entry.name, _noise_source(plan, manager))

    def walk(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...]) -> Iterator[Step]:
        return function(denoise, x, sigmas, noise, **options)

    sampler = Owned(entry.owner, f"sampler {entry.name!r}", walk, Step).iterating()
    for factory in manager.factories("wrap_sampler", run=run):
        sampler = factory.wrapping_iterator(cast("BoundSampler", sampler), Step)
    return sampler(denoise, start(run), run.sigmas)


def start(run: Run) -> torch.Tensor:
    """Where sampling starts: the initial image, or nothing, with the noise of the first sigma added."""
    assert run.noise is not None
    return parameterisation(run.spec).start(run.init, run.noise, run.sigmas[0])


def finish(x: torch.Tensor, run: Run) -> torch.Tensor:
    """What sampling ends with as latents; they may have noise left in them, if the run was told to leave it."""
    return parameterisation(run.spec).finish(x, run.sigmas[-1])


def unsampled(run: Run) -> torch.Tensor:
    """The latents of a run that takes no step: what there was to start from; zeros, if there was nothing."""
    if run.init is None:
        return torch.zeros(run.shape, device=run.model.device)
    return run.init.expand(run.shape).clone()


def make_denoiser(run: Run, conditioning: Conditioning, manager: Manager) -> Denoiser:
    """model → guidance and what is around it → adjustments → wrappers, the nearest plugin's outermost."""
    rules = parameterisation(run.spec)

    def make(patches: NetworkPatches | None) -> Evaluate:
        return _cancellable(_evaluate(run, rules, conditioning, patches), run)

    evaluate = Evaluator(make, run.network)
    entry = manager.guidance[run.request.guidance]
    guidance = Owned(entry.owner, f"guidance {entry.name!r}", functools.partial(entry.load(), run))
    guide = guidance.wrapping(evaluate, Prediction)
    for factory in manager.factories("wrap_guidance", run=run, evaluate=evaluate):
        guide = factory.wrapping(guide, Prediction)
    adjustments = manager.factories("adjust_prediction", Prediction, run=run)

    def denoise(x: torch.Tensor, sigma: float, /) -> Prediction:
        prediction = guide(x, sigma)
        for adjust in adjustments:
            prediction = adjust(prediction, sigma)
        return prediction

    denoiser = with_alpha(denoise, rules.alpha)
    for factory in manager.factories("wrap_denoiser", run=run):
        denoiser = with_alpha(factory.wrapping(denoiser, Prediction), rules.alpha)
    return denoiser


def _cancellable(evaluate: Evaluate, run: Run) -> Evaluate:
    """The evaluation, cancellable: a sampler that calls the model many times a step stops within one call."""

    def checked(x: torch.Tensor, sigma: float, branches: tuple[str, ...]) -> dict[str, torch.Tensor]:
        run.cancel.check()
        with blame("sdkit.models", "predict"):
            return evaluate(x, sigma, branches)

    return checked


def check_x(step: Step, run: Run, by: str, manager: Manager) -> None:
    """Check the shape of `step.x`, and where looking costs no synchronisation (on the CPU) that it is finite."""
    if tuple(step.x.shape) != run.shape:
        raise HookResultError(
            by, f"after step {step.index}, {by} left x as {list(step.x.shape)} instead of {list(run.shape)}"
        )
    if step.x.device.type == "cpu" and not bool(torch.isfinite(step.x).all()):
        raise non_finite(step, by, manager)


def non_finite(step: Step, by: str, manager: Manager) -> NonFiniteError:
    """NaN after a step: says where, and who was around the model then."""
    others = _others(
        manager,
        ("sample_step", "adjust_prediction", "wrap_denoiser", "wrap_sampler", "wrap_encode", "encode", "make_noise"),
    )
    suspects = f" Plugins that touch the numbers: {', '.join(others)}; try without." if others else ""
    return NonFiniteError(
        f"NaN or infinity after step {step.index} (sigma {step.sigma:.4g} → {step.sigma_next:.4g}), "
        f"from {by}.{suspects} "
        'If the model computes in float16, load it with dtype="float32".',
        step=step.index,
        sigma=step.sigma,
    )


# ── decode ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def decode(latents: Latents, run: Run, manager: Manager) -> tuple[Image, ...]:
    """Latents → finished pictures."""

    def inner(latents: Latents) -> torch.Tensor:
        return decode_safely(lambda part: manager.answer("decode", torch.Tensor, latents=part, run=run), latents, run)

    pixels = _composed(manager, "wrap_decode", run, inner, torch.Tensor)(latents)
    count = len(latents.tensor)
    if pixels.ndim != 4 or pixels.shape[0] != count or pixels.shape[1] != 3:
        by = _implementers(manager, "wrap_decode", "decode")
        raise HookResultError(
            by, f"decoding must give pixels [{count}, 3, H, W], not {list(pixels.shape)} (plugins: {by})"
        )
    pixels = pixels.to("cpu", torch.float32)
    finishers = manager.factories("finish_image", Image, run=run)
    images = tuple(_finish(pixels[index], index, run, finishers) for index in range(count))
    if not all(bool(torch.isfinite(image.pixels).all()) for image in images):
        by = ", ".join(_others(manager, ("wrap_decode", "finish_image"))) or "sdkit"
        raise NonFiniteError(f"a finished picture has NaN or infinity in it. Plugins that change pictures: {by}")
    return images


def _finish(pixels: torch.Tensor, index: int, run: Run, finishers: list[Owned]) -> Image:
    image = Image(
        pixels=pixels,
        seed=run.seeds[index] if index < len(run.seeds) else None,
        prompt=run.prompts[index] if index < len(run.prompts) else "",
        negative_prompt=run.negative_prompts[index] if index < len(run.negative_prompts) else "",
        index=run.first + index,
    )
    for finish in finishers:
        image = finish(image)
    return image


# ── plugins around a stage ───────────────────────────────────────────────────────────────────────────────────────────


def _composed(manager: Manager, hook: str, run: Run, inner: Callable[..., R], kind: type[R]) -> Callable[..., R]:
    """`inner` with each plugin's wrapper around it, the nearest outermost; each must return a `kind`, too."""
    composed = Owned(OURS, hook, inner, kind)
    for factory in manager.factories(hook, run=run):
        composed = factory.wrapping(composed, kind)
    return composed


def _others(manager: Manager, hooks: tuple[str, ...]) -> list[str]:
    """The names of the plugins, built-in ones left out, that implement any of the hooks."""
    infos = [info for info in manager.infos if info.origin != "built-in"]
    return sorted(info.name for info in infos if any(hook in info.hooks for hook in hooks))


def _implementers(manager: Manager, *hooks: str) -> str:
    """Who may be at fault: the plugins that implement a hook, sdkit if nobody else does."""
    return ", ".join(_others(manager, hooks)) or "sdkit"
