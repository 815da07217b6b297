"""The stages of one run: each is a built-in answer to a hook, with the plugins' functions composed around it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch

from sdkit.errors import HookResultError, NonFiniteError
from sdkit.images import Image, mask_to_latents
from sdkit.pipeline.recovery import decode_safely
from sdkit.plugins import Manager
from sdkit.plugins.blame import Owned
from sdkit.sampling import make_evaluate, noise_for, parameterisation, stack_embeddings, with_alpha
from sdkit.types import (
    BoundSampler,
    Conditioning,
    Denoiser,
    Embedding,
    Evaluate,
    Latents,
    Prediction,
    Prompt,
    Run,
    Step,
)

if TYPE_CHECKING:
    from sdkit.pipeline.planning import Plan


# ── encode ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def encode(run: Run, manager: Manager) -> Conditioning:
    """Both branches' prompts, each distinct text encoded once; one row per branch where all pictures share a prompt."""
    encode_prompt = _composed(
        manager.factories("wrap_encode", run=run), functools.partial(_encode_prompt, run, manager)
    )
    syntax = manager.syntaxes[run.request.prompt_syntax].load()
    known: dict[str, Embedding] = {}

    def embedding(text: str) -> Embedding:
        if text not in known:
            prompt = manager.first("parse_prompt", text=text, run=run) or syntax(text)
            if not isinstance(prompt, Prompt):
                by = _implementers(manager, "parse_prompt")
                raise HookResultError(by, f"parse_prompt must return a Prompt, not {type(prompt).__name__}")
            known[text] = _checked_embedding(encode_prompt(prompt), manager)
        return known[text]

    def branch(texts: tuple[str, ...]) -> tuple[Embedding, ...]:
        if len(set(texts)) == 1:
            return (embedding(texts[0]),)
        return (stack_embeddings([embedding(text) for text in texts]),)

    return Conditioning(branch(run.prompts), branch(run.negative_prompts), run.prompts, run.negative_prompts)


def _encode_prompt(run: Run, manager: Manager, prompt: Prompt) -> Embedding:
    return manager.answer("encode", Embedding, prompt=prompt, run=run)


def _checked_embedding(value: object, manager: Manager) -> Embedding:
    if not isinstance(value, Embedding):
        raise HookResultError(
            _implementers(manager, "wrap_encode"), f"wrap_encode must leave an Embedding, not {type(value).__name__}"
        )
    return value


# ── sample ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def prepare(run: Run, plan: Plan, manager: Manager) -> Run:
    """The run with its starting noise, and the initial image and mask as latents where there are any."""
    noise = manager.answer("make_noise", torch.Tensor, run=run)
    if tuple(noise.shape) != run.shape:
        raise HookResultError(
            _implementers(manager, "make_noise"), f"make_noise must return {list(run.shape)}, not {list(noise.shape)}"
        )
    if plan.init_image is None:
        return replace(run, noise=noise)
    width, height = plan.request.size
    init = manager.answer("encode_image", torch.Tensor, image=plan.init_image.fit(width, height), run=run)
    mask = None
    if plan.mask is not None:
        mask = mask_to_latents(plan.mask.fit(width, height), run.model.spec.latent_factor).to(init.device)
    return replace(run, noise=noise, init=init, mask=mask)


def sample(run: Run, plan: Plan, conditioning: Conditioning, manager: Manager) -> Iterator[Step]:
    """The run's steps, as the sampler and whatever plugins put around it yield them."""
    denoise = make_denoiser(run, conditioning, manager)
    noise = noise_for(run, plan.sampler.noise, plan.sampler.name)
    function, options = plan.sampler.load(), plan.sampler_options
    owned = Owned(plan.sampler.owner, f"sampler {plan.sampler.name!r}", function)

    def walk(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...]) -> Iterator[Step]:
        return function(denoise, x, sigmas, noise, **options)

    sampler = cast("BoundSampler", owned.guarding_iterator(walk))
    for factory in manager.factories("wrap_sampler", run=run):
        sampler = cast("BoundSampler", factory.wrapping_iterator(sampler))
    return sampler(denoise, start(run), run.sigmas)


def start(run: Run) -> torch.Tensor:
    """Where sampling starts: the initial image, or nothing, with the noise of the first sigma added."""
    assert run.noise is not None
    init = run.init if run.init is not None else torch.zeros((), device=run.noise.device)
    return parameterisation(run.model.spec).add_noise(init, run.noise, run.sigmas[0])


def make_denoiser(run: Run, conditioning: Conditioning, manager: Manager) -> Denoiser:
    """model → guidance → adjustments → wrappers, the nearest plugin's outermost."""
    rules = parameterisation(run.model.spec)
    evaluate = make_evaluate(run.model, rules, conditioning)
    entry = manager.guidance[run.request.guidance]
    guide = Owned(entry.owner, f"guidance {entry.name!r}", entry.load())(run, _reporting(evaluate, run))
    adjustments = manager.factories("adjust_prediction", run=run)

    def denoise(x: torch.Tensor, sigma: float) -> Prediction:
        prediction = guide(x, sigma)
        for adjust in adjustments:
            prediction = adjust(prediction, sigma)
        return prediction

    denoiser = with_alpha(denoise, rules.alpha)
    for factory in manager.factories("wrap_denoiser", run=run):
        denoiser = with_alpha(factory.wrapping(denoiser), rules.alpha)
    return denoiser


def _reporting(evaluate: Evaluate, run: Run) -> Evaluate:
    """The evaluation, cancellable: a sampler that calls the model many times a step stops within one call."""

    def checked(x: torch.Tensor, sigma: float, branches: tuple[str, ...]) -> dict[str, torch.Tensor]:
        run.cancel.check()
        return evaluate(x, sigma, branches)

    return checked


def check_step(step: object, run: Run, manager: Manager, sampler: str) -> Step:
    """A step as it came out of the sampler. Raises HookResultError or NonFiniteError."""
    if not isinstance(step, Step):
        raise HookResultError(sampler, f"sampler {sampler!r} must yield Steps, not {type(step).__name__}")
    check_x(step, run, f"the sampler {sampler!r} or what it called", manager)
    return step


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
    hooks = ("sample_step", "adjust_prediction", "wrap_denoiser", "wrap_sampler", "wrap_encode", "encode", "make_noise")
    others = sorted(
        info.name for info in manager.infos if info.origin != "built-in" and any(hook in info.hooks for hook in hooks)
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

    decode_latents = _composed(manager.factories("wrap_decode", run=run), inner)
    pixels = decode_latents(latents)
    count = len(latents.tensor)
    if not isinstance(pixels, torch.Tensor) or pixels.ndim != 4 or pixels.shape[0] != count or pixels.shape[1] != 3:
        came = list(pixels.shape) if isinstance(pixels, torch.Tensor) else type(pixels).__name__
        raise HookResultError(
            _implementers(manager, "wrap_decode"), f"decoding must give pixels [{count}, 3, H, W], not {came}"
        )
    finishers = manager.factories("finish_image", run=run)
    return tuple(_finish(pixels[index], index, run, finishers) for index in range(count))


def _finish(pixels: torch.Tensor, index: int, run: Run, finishers: list[Owned]) -> Image:
    image = Image(
        pixels=pixels,
        seed=run.seeds[index] if index < len(run.seeds) else None,
        prompt=run.prompts[index] if index < len(run.prompts) else "",
        negative_prompt=run.negative_prompts[index] if index < len(run.negative_prompts) else "",
    )
    for finish in finishers:
        image = finish(image)
        if not isinstance(image, Image):  # pyright: ignore[reportUnnecessaryIsInstance] - a plugin's word
            raise HookResultError(
                finish.owner, f"plugin {finish.owner!r}: finish_image must return an Image, not {type(image).__name__}"
            )
    return image


def _composed(factories: list[Owned], inner: Callable[..., object]) -> Callable[..., Any]:
    """`inner` with each plugin's wrapper around it, the nearest outermost."""
    for factory in factories:
        inner = factory.wrapping(inner)
    return inner


def _implementers(manager: Manager, hook: str) -> str:
    """Who may be at fault: the plugins that implement a hook, the built-in ones only if nobody else does."""
    named = [info for info in manager.infos if hook in info.hooks]
    return ", ".join(info.name for info in ([i for i in named if i.origin != "built-in"] or named)) or "sdkit"
