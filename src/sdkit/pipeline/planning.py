"""From a request to a plan, and from the plan to the runs: everything that is decided before anything is computed."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sdkit.errors import HookResultError, RequestError
from sdkit.images import Image
from sdkit.names import choose
from sdkit.plugins import Manager, SamplerEntry
from sdkit.plugins.blame import Owned, blame
from sdkit.request import Request
from sdkit.sampling import check_sigmas, sampling_spec, sigmas_for, step_range
from sdkit.types import CancelToken, DiffusionModel, Latents, ModelSpec, Run, RunPlan, ScheduleParams

if TYPE_CHECKING:
    import torch
    from pydantic import BaseModel

V = TypeVar("V")


@dataclass(frozen=True, eq=False)
class Plan:
    """A checked plan: what `prepare_run` left, and what its names stand for."""

    draft: RunPlan
    sampler: SamplerEntry
    sampler_options: dict[str, Any]
    noise_options: dict[str, Any]
    shared_noise: bool
    sigmas: tuple[float, ...]
    spec: ModelSpec
    init_image: Image | None
    mask: Image | None

    @property
    def request(self) -> Request:
        """The request, resolved."""
        return self.draft.request

    @property
    def batch_limit(self) -> int:
        """How many pictures may share a run: one, where the sampler decides each picture's steps for itself."""
        alone = self.sampler.adaptive and self.sampler_options.get("per_image", True)
        return 1 if alone else len(self.draft.seeds)

    def check_start(self) -> None:
        """Raise RequestError where the model cannot begin what is to be sampled."""
        if self.spec.finishes_only and self.init_image is None and self.draft.latents is None:
            raise RequestError(
                f"{self.draft.model.name!r} ({self.spec.family}) finishes pictures that another model has begun, and "
                "cannot begin one: give it an init_image with denoise 0.2 to 0.4, or another model's latents "
                "(pipe.sample(…, latents=…)); for a text alone, load the base model"
            )

    def runs(self, cancel: CancelToken, prompts: tuple[tuple[str, str], ...], size: int) -> Iterator[Run]:
        """The batches of at most `size` pictures, in order. `prompts`: each one's prompt and negative prompt,
        transformed."""
        seeds = self.draft.seeds
        for first in range(0, len(seeds), size):
            batch = prompts[first : first + size]
            yield Run(
                request=self.request,
                model=self.draft.model,
                seeds=tuple(seeds[first : first + size]),
                prompts=tuple(positive for positive, _ in batch),
                negative_prompts=tuple(negative for _, negative in batch),
                sigmas=self.sigmas,
                cancel=cancel,
                spec=self.spec,
                uncond=self.sampler.uncond,
                shared_noise=self.shared_noise,
                first=first,
                total=len(seeds),
                options=self.draft.options,
                warnings=self.draft.warnings,
            )


def make_plan(
    request: Request,
    model: DiffusionModel,
    manager: Manager,
    latents: Latents | None = None,
    mask: torch.Tensor | None = None,
) -> Plan:
    """Fill in the defaults, let plugins change the plan, and check all of it. `latents`: to start from, if any, and
    `mask`: where they are to change, `[1 or B, 1, h, w]`.

    Raises RequestError for what cannot be done, UnknownNameError for names that nobody registered.
    """
    if latents is None:
        request.check_start()
    images = _read_pictures(request)
    resolved = resolve(request, model, manager, images[0])
    seeds = list(resolved.image_seeds())
    draft = RunPlan(
        request=resolved.replace(seed=None, seeds=tuple(seeds), count=1),
        seeds=seeds,
        prompts=[request.prompt] * len(seeds),
        negative_prompts=[request.negative_prompt] * len(seeds),
        model=model,
        options=manager.validate_options(request.options),
        latents=latents,
        mask=mask,
    )
    draft.stash.put(manager)
    before = draft.request
    manager.notify("prepare_run", plan=draft)
    if draft.request is not before:
        _check_change(before, draft.request, manager)
        images = _read_pictures(draft.request)
        draft.request = resolve(draft.request, model, manager, images[0])
        draft.options = manager.validate_options(draft.request.options)
    return _check(draft, manager, images)


def resolve(request: Request, model: DiffusionModel, manager: Manager, init_image: Image | None = None) -> Request:
    """The request with every None replaced: sizes by the initial image's, the rest by the family's defaults; labels of
    other programs by the names here."""
    _check_model(request, model)
    defaults, factor = model.spec.defaults, model.spec.latent_factor
    width, height = defaults.width, defaults.height
    if init_image is not None:
        width, height = (max(factor, side // factor * factor) for side in (init_image.width, init_image.height))
    named = _named(request, manager)
    given = named.sigmas is not None  # then there are no steps to count and no schedule
    return named.replace(
        width=_or(request.width, width),
        height=_or(request.height, height),
        steps=None if given else _or(named.steps, defaults.steps),
        sampler=_or(named.sampler, defaults.sampler),
        schedule=None if given else _or(named.schedule, defaults.schedule),
        guidance_scale=_or(request.guidance_scale, defaults.guidance_scale),
        clip_skip=_or(request.clip_skip, defaults.clip_skip),
        model=model.name,
        model_sha256=None,  # it was right, and a resolved request's record has the whole of it
    )


def _check_model(request: Request, model: DiffusionModel) -> None:
    """Raise RequestError for a request that is another model's: by hash where both are known, else by name."""
    wanted = (request.model_sha256 or "").lower()
    found = model.fingerprint() if wanted else ""
    if wanted and found:
        if not found.startswith(wanted):
            name = f"{request.model!r} " if request.model else ""
            raise RequestError(
                f"the request is for the model {name}(SHA-256 {wanted[:10]}), but this pipeline has {model.name!r} "
                f"({found[:10]}) loaded; load that one, or leave model and model_sha256 out to use this one"
            )
    elif request.model is not None and request.model != model.name:
        raise RequestError(
            f"the request is for the model {request.model!r}, but this pipeline has {model.name!r} loaded; load that "
            "one, or leave model out to use this one"
        )


def _named(request: Request, manager: Manager) -> Request:
    """The request with other programs' labels ("DPM++ 2M Karras") and aliases replaced by the names here, and with the
    options that a label stands for, where the request does not say otherwise."""
    choice = choose(request.sampler, request.schedule, samplers=manager.samplers, schedules=manager.schedules)
    sampler, schedule = choice.sampler, choice.schedule if request.sigmas is None else None
    named = request.replace(
        sampler=manager.samplers[sampler].name if sampler is not None else None,
        schedule=manager.schedules[schedule].name if schedule is not None else None,
        noise=manager.noise_sources[request.noise].name,
    )
    return named.replace(sampler_options={**choice.options, **request.sampler_options}) if choice.options else named


def transformed_prompts(plan: Plan, manager: Manager) -> tuple[tuple[str, str], ...]:
    """Each picture's prompt and negative prompt, after every plugin's `transform_prompt`, if the request lets them."""
    wanted = plan.request.transform_prompts
    transforms = manager.factories("transform_prompt", str, plan=plan.draft) if wanted else []

    def transform(text: str, seed: int) -> str:
        for transformed in transforms:
            text = transformed(text, seed)
        return text

    draft = plan.draft
    return tuple(
        (transform(positive, seed), transform(negative, seed))
        for positive, negative, seed in zip(draft.prompts, draft.negative_prompts, draft.seeds, strict=True)
    )


def known_options(request: Request, manager: Manager) -> dict[type[BaseModel], BaseModel]:
    """The options of the plugins that are there, filled from a request that may name others, too."""
    known = {namespace: values for namespace, values in request.options.items() if namespace in manager.option_models}
    return manager.validate_options(known)


def _check_change(before: Request, after: Request, manager: Manager) -> None:
    """Raise HookResultError where `prepare_run` changed in the request what the plan has a list of."""
    for name, instead in (("prompt", "prompts"), ("negative_prompt", "negative_prompts"), ("seeds", "seeds")):
        if getattr(before, name) != getattr(after, name):
            by = _preparers(manager)
            raise HookResultError(
                by, f"prepare_run changed plan.request.{name} (plugins: {by}); change plan.{instead}, one per picture"
            )


def _preparers(manager: Manager) -> str:
    """The plugins, built-in ones left out, that may have changed the plan."""
    given = (info for info in manager.infos if info.origin != "built-in")
    return ", ".join(info.name for info in given if "prepare_run" in info.hooks)


def _check(draft: RunPlan, manager: Manager, images: tuple[Image | None, Image | None]) -> Plan:
    request, spec = draft.request, draft.model.spec
    if not len(draft.seeds) == len(draft.prompts) == len(draft.negative_prompts) > 0:
        by = _preparers(manager)
        raise HookResultError(
            by,
            f"prepare_run (plugins: {by}) must leave one seed, prompt and negative prompt per picture; it left "
            f"{len(draft.seeds)} seeds, {len(draft.prompts)} prompts and {len(draft.negative_prompts)} negative ones",
        )
    for side, value in zip(("width", "height"), request.size, strict=True):
        _check_side(side, value, spec.latent_factor)
    init_image, mask = images
    if init_image is not None and mask is not None:
        _check_mask(mask, init_image)
    assert request.sampler, "resolved requests name a sampler"
    sampler, source = manager.samplers[request.sampler], manager.noise_sources[request.noise]
    for entry in (sampler, source, manager.guidance[request.guidance], manager.syntaxes[request.prompt_syntax]):
        entry.load()  # what is not there, or cannot be imported, is an error now and not when its stage comes
    spec = sampling_spec(
        spec, request.prediction, request.zero_terminal_snr, request.flow_shift, request.distilled_timesteps
    )
    sigmas = _sigmas(request, sampler, spec, manager)
    if not sigmas and init_image is None and draft.latents is None:
        raise RequestError(
            f"start_step is {request.start_step}, but there are no more steps than that, and nothing to keep: begin "
            "earlier, or give latents (pipe.sample) or an init_image"
        )
    draft.warnings.extend(_doubts(request, spec))
    draft.request = request.replace(seed=None, seeds=tuple(draft.seeds), count=1)
    return Plan(
        draft=draft,
        sampler=sampler,
        sampler_options=sampler.check_options(request.sampler_options),
        noise_options=source.check_options(request.noise_options),
        shared_noise=source.shared,
        sigmas=sigmas,
        spec=spec,
        init_image=init_image,
        mask=mask,
    )


def _doubts(request: Request, spec: ModelSpec) -> Iterator[str]:
    """What can be done, and is hardly meant."""
    if request.zero_terminal_snr and spec.prediction == "eps":
        yield (
            "zero_terminal_snr with a model that predicts eps: at the first step it can say nothing of the picture; "
            'models trained for this predict v (prediction="v")'
        )
    if request.variation_seed is not None and request.variation_strength == 0:
        yield "variation_seed without variation_strength changes nothing"


def _sigmas(request: Request, sampler: SamplerEntry, spec: ModelSpec, manager: Manager) -> tuple[float, ...]:
    """The sigmas of the steps that the request asks for; empty where there are none to take."""
    sigmas = _scheduled(request, sampler, spec, manager) if request.sigmas is None else request.sigmas
    return step_range(sigmas, request.start_step, request.end_step, leftover_noise=request.leftover_noise)


def _scheduled(request: Request, sampler: SamplerEntry, spec: ModelSpec, manager: Manager) -> tuple[float, ...]:
    """The sigmas that the schedule gives, checked; what is wrong with them is put down to its plugin."""
    assert request.schedule, "resolved requests name a schedule"
    assert request.steps, "resolved requests have steps"
    entry = manager.schedules[request.schedule]
    bound = functools.partial(entry.load(), **entry.check_options(request.schedule_options))
    schedule = Owned(entry.owner, f"schedule {entry.name!r}", bound, Sequence)
    params = ScheduleParams(spec.sigmas, spec.sigmas[0], spec.sigmas[-1], spec.prediction, spec.family)
    given = sigmas_for(
        schedule, request.steps, params, request.denoise, discard_penultimate=sampler.discard_penultimate
    )
    with blame(schedule.owner, schedule.hook):
        sigmas = tuple(float(sigma) for sigma in given)
        if request.denoise > 0:
            check_sigmas(sigmas)
    return sigmas


def _check_mask(mask: Image, init_image: Image) -> None:
    sizes = f"the mask is {mask.width}×{mask.height}, but the initial image is {init_image.width}×{init_image.height}"
    if (mask.width, mask.height) != (init_image.width, init_image.height):
        raise RequestError(f"{sizes}; they must have the same size")


def _check_side(name: str, value: int, factor: int) -> None:
    if value % factor:
        below, above = value // factor * factor, (value // factor + 1) * factor
        nearby = f"{below} or {above}" if below else str(above)
        raise RequestError(f"{name} is {value}, which is not a multiple of {factor}; use {nearby}")


def _read_pictures(request: Request) -> tuple[Image | None, Image | None]:
    return (
        request.init_image.read() if request.init_image else None,
        request.mask.read() if request.mask else None,
    )


def _or(value: V | None, default: V) -> V:
    return default if value is None else value
