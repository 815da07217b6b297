"""From a request to a plan, and from the plan to the runs: everything that is decided before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sdkit.errors import HookResultError, RequestError
from sdkit.images import Image
from sdkit.plugins import Entry, Manager, SamplerEntry
from sdkit.plugins.blame import Owned, blame
from sdkit.request import Request
from sdkit.sampling import check_sigmas, sigmas_for
from sdkit.types import CancelToken, DiffusionModel, ModelSpec, Run, RunPlan, Schedule, ScheduleParams

if TYPE_CHECKING:
    from pydantic import BaseModel

V = TypeVar("V")


@dataclass(frozen=True, eq=False)
class Plan:
    """A checked plan: what `prepare_run` left, and what its names stand for."""

    draft: RunPlan
    sampler: SamplerEntry
    sampler_options: dict[str, Any]
    sigmas: tuple[float, ...]
    init_image: Image | None
    mask: Image | None

    @property
    def request(self) -> Request:
        """The request, resolved."""
        return self.draft.request

    def runs(self, cancel: CancelToken, prompts: tuple[tuple[str, str], ...], size: int) -> Iterator[Run]:
        """The batches of `size` pictures, in order. `prompts`: each one's prompt and negative prompt, transformed."""
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
                first=first,
                total=len(seeds),
                options=self.draft.options,
                warnings=self.draft.warnings,
            )


def make_plan(request: Request, model: DiffusionModel, manager: Manager) -> Plan:
    """Fill in the defaults, let plugins change the plan, and check all of it.

    Raises RequestError for what cannot be done, UnknownNameError for names that nobody registered.
    """
    images = _read_pictures(request)
    resolved = resolve(request, model, images[0])
    seeds = list(resolved.image_seeds())
    draft = RunPlan(
        request=resolved.replace(seed=None, seeds=tuple(seeds), count=1),
        seeds=seeds,
        prompts=[request.prompt] * len(seeds),
        negative_prompts=[request.negative_prompt] * len(seeds),
        model=model,
        options=manager.validate_options(request.options),
    )
    before = draft.request
    manager.notify("prepare_run", plan=draft)
    if draft.request is not before:
        _check_change(before, draft.request, manager)
        images = _read_pictures(draft.request)
        draft.request = resolve(draft.request, model, images[0])
        draft.options = manager.validate_options(draft.request.options)
    return _check(draft, manager, images)


def resolve(request: Request, model: DiffusionModel, init_image: Image | None = None) -> Request:
    """The request with every None replaced: sizes by the initial image's, the rest by the family's defaults."""
    if request.model is not None and request.model != model.name:
        raise RequestError(
            f"the request is for the model {request.model!r}, but this pipeline has {model.name!r} loaded"
        )
    defaults, factor = model.spec.defaults, model.spec.latent_factor
    width, height = defaults.width, defaults.height
    if init_image is not None:
        width, height = (max(factor, side // factor * factor) for side in (init_image.width, init_image.height))
    return request.replace(
        width=_or(request.width, width),
        height=_or(request.height, height),
        steps=_or(request.steps, defaults.steps),
        sampler=_or(request.sampler, defaults.sampler),
        schedule=_or(request.schedule, defaults.schedule),
        guidance_scale=_or(request.guidance_scale, defaults.guidance_scale),
        clip_skip=_or(request.clip_skip, defaults.clip_skip),
        model=model.name,
    )


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
    return ", ".join(info.name for info in manager.infos if "prepare_run" in info.hooks)


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
    assert request.schedule, "resolved requests name a schedule"
    assert request.steps, "resolved requests have steps"
    sampler = manager.samplers[request.sampler]
    for entry in (sampler, manager.guidance[request.guidance], manager.syntaxes[request.prompt_syntax]):
        entry.load()  # what is not there, or cannot be imported, is an error now and not when its stage comes
    sigmas = _sigmas(manager.schedules[request.schedule], request.steps, request.denoise, spec)
    draft.request = request.replace(seed=None, seeds=tuple(draft.seeds), count=1)
    return Plan(draft, sampler, sampler.check_options(request.sampler_options), sigmas, init_image, mask)


def _sigmas(entry: Entry[Schedule], steps: int, denoise: float, spec: ModelSpec) -> tuple[float, ...]:
    """The sigmas that a schedule gives, checked; what is wrong with them is put down to its plugin."""
    schedule = Owned(entry.owner, f"schedule {entry.name!r}", entry.load(), Sequence)
    params = ScheduleParams(spec.sigmas, spec.sigmas[0], spec.sigmas[-1], spec.prediction)
    given = sigmas_for(schedule, steps, params, denoise)
    with blame(schedule.owner, schedule.hook):
        sigmas = tuple(float(sigma) for sigma in given)
        if denoise > 0:
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
