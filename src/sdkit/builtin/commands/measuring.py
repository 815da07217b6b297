"""How far samplers are from the answer, over how often they ask the model: the numbers of `sdkit samplers --compare`.

The answer is the probability-flow ODE's: where noise goes that is taken away in infinitely small steps (Song et al.,
arXiv:2011.13456). Most samplers approach it as steps increase. Two kinds do not, and have no error that
could be measured: those that add noise, which draw other pictures of the same model, unless an option turns the noise
off; and CFG++, whose guidance grows with the number of steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Unpack, cast

from sdkit.hookspecs import hookimpl
from sdkit.request import RequestFields

if TYPE_CHECKING:
    import torch

    from sdkit import Pipeline
    from sdkit.plugins import SamplerEntry
    from sdkit.types import CallPatches, DiffusionModel, Embedding, Latents, Result, Run, RunPlan

REFERENCE = "dpmpp_2m"
"""The sampler that finds the answer: of second order for one evaluation a step. For the model in the box, its answer
and heun's on the same sigmas, for twice the evaluations, are 1e-5 apart; 500 and 1000 sigmas, 1e-3."""
REFERENCE_STEPS = 1000
QUIET = {"eta": 0.0, "s_churn": 0.0}
"""Options that turn a sampler's noise off."""


@dataclass(frozen=True)
class Case:
    """What to measure: a sampler with options, at a number of steps."""

    sampler: str
    steps: int
    options: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def label(self) -> str:
        """Its name for people, with the options that are not its own: `dpmpp_sde (eta=0)`."""
        options = ", ".join(f"{name}={value:g}" for name, value in self.options.items())
        return f"{self.sampler} ({options})" if options else self.sampler


@dataclass(frozen=True)
class Measurement:
    """What it came to.

    `evaluations`: how often the network ran; with guidance, both branches in one go are one; on average, if the sampler
    takes pictures one by one. `error`: ‖x − answer‖ / ‖answer‖ of the final latents, those of all pictures together.
    """

    case: Case
    evaluations: int
    error: float


def noiseless_options(entry: SamplerEntry) -> dict[str, float] | None:
    """The options with which a sampler adds no noise, as far as they are not its defaults; None if there are none."""
    if entry.noise == "none":
        return {}
    fields = entry.options.model_fields if entry.options else {}
    known = {name: quiet for name, quiet in QUIET.items() if name in fields}
    return {name: quiet for name, quiet in known.items() if fields[name].default != quiet} if known else None


def why_not(entry: SamplerEntry) -> str:
    """Why a sampler has no error that could be measured; "" if it has one."""
    if entry.uncond:
        return "their guidance grows with the number of steps"
    return "they always add noise" if noiseless_options(entry) is None else ""


def cases_of(entry: SamplerEntry, steps: Sequence[int]) -> tuple[Case, ...]:
    """A sampler without its noise at each number of steps; once, if it chooses the number itself."""
    options = noiseless_options(entry) or {}
    return tuple(Case(entry.name, count, options) for count in (steps[:1] if entry.adaptive else steps))


def measure(
    pipe: Pipeline,
    cases: Sequence[Case],
    prompt: str,
    *,
    reference_steps: int = REFERENCE_STEPS,
    before_evaluation: Callable[[], None] = lambda: None,
    **fields: Unpack[RequestFields],
) -> Iterator[Measurement]:
    """Sample every case from the same noise, and yield how far its latents are from the answer.

    `fields`: of the request, such as seed, schedule, guidance_scale. The answer is REFERENCE's in `reference_steps`
    steps, spaced as Karras et al. do (arXiv:2206.00364, eq. 5), from the same first sigma to the model's lowest and to
    0; it is computed after the first case, and again where a schedule begins elsewhere. `before_evaluation` is called
    whenever the network is; what it raises ends the measurement. Raises whatever a run of these requests does.
    """
    counter = _Counter(before_evaluation)
    pipe = pipe.using(counter)
    conditioning = pipe.encode(prompt, **fields)
    answers: dict[float, torch.Tensor] = {}
    unspaced = {name: value for name, value in fields.items() if name not in ("schedule", "schedule_options", "steps")}
    for case in cases:
        calls, runs = counter.calls, counter.runs
        chosen = {**fields, "sampler": case.sampler, "sampler_options": dict(case.options), "steps": case.steps}
        latents = pipe.sample(conditioning, **cast("RequestFields", chosen))
        evaluations = round((counter.calls - calls) / (counter.runs - runs))
        first, last = _bounds(latents)
        if first not in answers:
            spaced = {**unspaced, "sampler": REFERENCE, "sigmas": (*karras(first, last, reference_steps - 1), 0.0)}
            answers[first] = pipe.sample(conditioning, **cast("RequestFields", spaced)).tensor
        answer = answers[first]
        yield Measurement(case, evaluations, relative_error(latents.tensor, answer))


def relative_error(made: torch.Tensor, answer: torch.Tensor) -> float:
    """‖made − answer‖ / ‖answer‖."""
    return math.sqrt(float((made - answer).square().sum() / answer.square().sum()))


def karras(first: float, last: float, steps: int) -> tuple[float, ...]:
    """`steps + 1` sigmas from first to last, evenly spaced in σ^(1/7) (Karras et al., arXiv:2206.00364, eq. 5)."""
    high, low = first ** (1 / 7), last ** (1 / 7)
    return (first, *((high + (low - high) * i / steps) ** 7 for i in range(1, steps)), last)


def pareto_front(measured: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Those that no other one beats: nothing is nearer to the answer for as few evaluations. Cheapest first."""
    front: list[Measurement] = []
    for one in sorted(measured, key=lambda one: (one.evaluations, one.error)):
        if not front or one.error < front[-1].error:
            front.append(one)
    return tuple(front)


def _bounds(latents: Latents) -> tuple[float, float]:
    """The sigma that a run began at, and its model's lowest."""
    assert latents.run is not None
    return latents.run.sigmas[0], latents.run.spec.sigmas[0]


class _Counter:
    """A plugin that counts runs, and how often the network does, inside whatever other plugins put around it."""

    def __init__(self, before_evaluation: Callable[[], None]) -> None:
        self.calls = 0
        self.runs = 0
        self._before = before_evaluation

    def count(self) -> None:
        """The network is about to run."""
        self._before()
        self.calls += 1

    @hookimpl
    def prepare_run(self, plan: RunPlan) -> None:
        """Put a counting model in the model's place."""
        plan.model = cast("DiffusionModel", _Counted(plan.model, self.count))

    @hookimpl
    def run_finished(self, run: Run, result: Result | None, error: BaseException | None) -> None:
        """Count it, too."""
        self.runs += 1


class _Counted:
    """A model that says when its network runs."""

    def __init__(self, model: DiffusionModel, count: Callable[[], None]) -> None:
        self._model = model
        self._count = count

    def predict(
        self, x: torch.Tensor, timestep: float, embedding: Embedding, patches: CallPatches | None = None
    ) -> torch.Tensor:
        """The model's own prediction."""
        self._count()
        told = () if patches is None else (patches,)
        return self._model.predict(x, timestep, embedding, *told)

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)
