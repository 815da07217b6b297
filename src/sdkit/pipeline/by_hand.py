"""The stages by hand: what a pipeline's `encode`, `sample` and `decode` do, bit for bit what a whole call does."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import cast

import torch

from sdkit.errors import RequestError
from sdkit.images import Image
from sdkit.models.embeddings import TextualInversions
from sdkit.pipeline import stages
from sdkit.pipeline.planning import known_options
from sdkit.pipeline.running import Generation
from sdkit.plugins import Manager
from sdkit.request import Request, RequestFields
from sdkit.sampling import parameterisation
from sdkit.types import Conditioning, DiffusionModel, Latents, Run


@dataclass(frozen=True)
class ByHand:
    """The stages of one model with its plugins. See the methods of `Pipeline` with these names."""

    model: DiffusionModel
    manager: Manager
    inversions: TextualInversions

    def encode(self, request: Request) -> Conditioning:
        """Both prompts of a request as the model reads them."""
        generation, run = self._single_run(request)
        with generation.finishing(run):
            return stages.encode(run, self.manager, self.inversions)

    def sample(
        self,
        conditioning: Conditioning,
        request: Request,
        latents: Latents | torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> Latents:
        """Latents from a conditioning; `mask`: where those that it starts from are to change. Raises RequestError where
        conditioning, latents and request do not fit."""
        if latents is not None:
            latents = self._latents(latents)
            request = self._continuing(request, latents)
        count = len(request.seeds or ()) or request.count
        rows = max(len(part.context) for branch in (conditioning.positive, conditioning.negative) for part in branch)
        if rows not in (1, count):
            raise RequestError(
                f"the conditioning is for {rows} pictures, but {count} are asked for; give as many seeds"
            )
        if mask is not None:
            _check_mask(mask, latents, count)
        generation = self._generation(request, latents, mask)
        generation.plan.check_start()
        sampled: list[Latents] = []
        for run in generation.runs(
            generation.plan.batch_limit,
            (lambda run: _prompted(run, conditioning, count)) if conditioning.prompts else None,
        ):
            with generation.finishing(run) as outcome:
                outcome.run = stages.prepare(run, generation.plan, self.manager)
                sampled.append(_last(generation.sampled(outcome.run, stages.rows_of(conditioning, run))))
        return generation.joined(sampled)

    def decode(self, latents: Latents | torch.Tensor) -> tuple[Image, ...]:
        """Latents → finished pictures. Raises RequestError for latents that the model cannot have made."""
        latents = self._latents(latents)
        if latents.run is not None:
            run = latents.run  # perhaps of another pipeline, or from before `to`: with this model and these options
            options = {**known_options(run.request, self.manager), **run.options}
            return stages.decode(latents, replace(run, model=self.model, options=options), self.manager)
        generation, run = self._single_run(self._request_for(latents, seed=0))
        with generation.finishing(run):
            return stages.decode(latents, run, self.manager)

    def encode_image(self, image: Image, fields: RequestFields) -> Latents:
        """A picture → scaled latents, `[1, C, H/f, W/f]`; its sides are cut to multiples of f."""
        factor = self.model.spec.latent_factor
        image = image.fit(max(factor, image.width // factor * factor), max(factor, image.height // factor * factor))
        generation, run = self._single_run(
            Request(**{"width": image.width, "height": image.height, "seed": 0, **fields})
        )
        with generation.finishing(run):
            return Latents(stages.encode_image(image, run, self.manager))

    def add_noise(self, latents: Latents, sigma: float, seed: int) -> Latents:
        """The latents with noise of std `sigma`, drawn from `seed`."""
        generation, run = self._single_run(self._request_for(latents, seed))
        with generation.finishing(run):
            noise = stages.draw_noise(run, generation.plan, self.manager)
        return replace(latents, tensor=parameterisation(run.spec).add_noise(latents.tensor, noise, sigma))

    def _request_for(self, latents: Latents, seed: int) -> Request:
        """A request for pictures of the latents' number and size."""
        count, _, height, width = latents.tensor.shape
        factor = self.model.spec.latent_factor
        return Request(width=width * factor, height=height * factor, seed=seed, count=count)

    def _latents(self, latents: Latents | torch.Tensor) -> Latents:
        """The latents, of a shape that the model can have made. Raises RequestError."""
        latents = Latents(latents) if isinstance(latents, torch.Tensor) else latents
        channels, shape = self.model.spec.latent_channels, list(latents.tensor.shape)
        if len(shape) != 4 or shape[1] != channels or 0 in shape:
            raise RequestError(f"latents of {self.model.name!r} are [B, {channels}, H, W], not {shape}")
        return latents

    def _continuing(self, request: Request, latents: Latents) -> Request:
        """The request with the size and the seeds of the latents that it goes on from. Raises RequestError."""
        if request.init_image is not None:
            raise RequestError("give latents or an init_image to start from, not both")
        own = self._request_for(latents, seed=0)
        for name in ("width", "height"):
            if getattr(request, name) not in (None, getattr(own, name)):
                raise RequestError(
                    f"{name} is {getattr(request, name)}, but the latents are of {own.width}×{own.height} pictures"
                )
        request = request.replace(width=own.width, height=own.height)
        if request.seed is None and request.seeds is None and latents.seeds:
            request = request.replace(seeds=latents.seeds)
        count, rows = len(request.seeds or ()) or request.count, len(latents.tensor)
        if rows > 1 and request.seeds is None and count == 1:
            return request.replace(count=rows)
        if rows not in (1, count):
            raise RequestError(f"the latents are of {rows} pictures, but {count} are asked for; give as many seeds")
        return request

    def _generation(
        self, request: Request, latents: Latents | None = None, mask: torch.Tensor | None = None
    ) -> Generation:
        """The generation of a stage by hand: plugins may not change how many pictures there are."""
        generation = Generation.of(request, self.model, self.manager, None, latents, self.inversions, mask)
        asked, planned = len(request.seeds or ()) or request.count, len(generation.plan.draft.seeds)
        if asked != planned:
            raise RequestError(
                f"a plugin's prepare_run makes {planned} pictures of a request for {asked}; "
                "call pipe(…) instead of single stages"
            )
        return generation

    def _single_run(self, request: Request) -> tuple[Generation, Run]:
        """The generation and its only run, however many pictures it has."""
        generation = self._generation(request)
        (run,) = generation.runs(batch_size=len(generation.plan.draft.seeds))
        return generation, run


def _check_mask(mask: torch.Tensor, latents: Latents | None, count: int) -> None:
    """Raise RequestError for a mask that does not fit latents, or has none to be for."""
    if latents is None:
        raise RequestError("a mask says where latents are to change: give latents, too")
    high, wide = latents.tensor.shape[-2:]
    if mask.ndim != 4 or mask.shape[0] not in (1, count) or tuple(mask.shape[1:]) != (1, high, wide):
        raise RequestError(f"the mask of these latents is [1 or {count}, 1, {high}, {wide}], not {list(mask.shape)}")


def _prompted(run: Run, conditioning: Conditioning, count: int) -> Run:
    """The run with the prompts that the conditioning was made from."""
    prompts, negatives = (_spread(texts, count) for texts in (conditioning.prompts, conditioning.negative_prompts))
    asked = run.request.replace(
        prompt=prompts[0],
        negative_prompt=negatives[0],
        prompt_syntax=conditioning.prompt_syntax or run.request.prompt_syntax,
        transform_prompts=not conditioning.transformed,
    )
    part = slice(run.first, run.first + len(run.seeds))
    return replace(run, request=asked, prompts=prompts[part], negative_prompts=negatives[part])


def _last(steps: Generator[object, None, Latents]) -> Latents:
    """What a generator returns when it is through."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return cast("Latents", done.value)


def _spread(texts: tuple[str, ...], count: int) -> tuple[str, ...]:
    """One text per picture; where there are not as many, they are all the same: see the check of the rows."""
    return texts if len(texts) == count else texts[:1] * count
