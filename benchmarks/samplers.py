"""What samplers cost beside the network: time per step, sdkit's against the diffusers scheduler of the same method.

    python benchmarks/samplers.py [SAMPLER …] [--steps 20] [--rounds 9] [--threads 1] [--cpu-time]

The network is replaced by one cheap operation, so what is measured is the sampler, at the size of Stable Diffusion 1's
latents for 512 × 512 pixels: 1 × 4 × 64 × 64, float32. Three things are timed, and nothing is subtracted: the bare
calls of that network, as many as a step makes; a step of sdkit's; and a step of diffusers' in its users' own loop:
`scale_model_input`, the network, `step`. They take turns within each round, so that what else the machine does hits all
three, and medians are shown. Noise is drawn by either in its own way, as part of its step: sdkit from a generator per
picture (and a Brownian path where a sampler needs one), diffusers from one generator.

The goal is a ratio of at most 1.05.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from sdkit.pipeline import Pipeline
from sdkit.plugins import SamplerEntry
from sdkit.sampling import BrownianNoise, SeededNoise, with_alpha
from sdkit.types import Denoiser, Noise, Prediction

SHAPE = (1, 4, 64, 64)
GOAL_RATIO = 1.05

Clock = Callable[[], float]


@dataclass(frozen=True)
class Theirs:
    """A scheduler of diffusers, its config, and the options of its `step`."""

    module: str
    name: str
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    draws: bool = False


def multistep(**config: Any) -> Theirs:
    draws = str(config.get("algorithm_type", "")).startswith("sde")
    return Theirs("dpmsolver_multistep", "DPMSolverMultistepScheduler", config, draws=draws)


def unipc(solver_type: str) -> Theirs:
    return Theirs("unipc_multistep", "UniPCMultistepScheduler", {"solver_type": solver_type, "solver_order": 3})


SAME: dict[str, Theirs] = {
    "euler": Theirs("euler_discrete", "EulerDiscreteScheduler"),
    "euler_ancestral": Theirs("euler_ancestral_discrete", "EulerAncestralDiscreteScheduler", draws=True),
    "heun": Theirs("heun_discrete", "HeunDiscreteScheduler"),
    "dpm_2": Theirs("k_dpm_2_discrete", "KDPM2DiscreteScheduler"),
    "dpm_2_ancestral": Theirs("k_dpm_2_ancestral_discrete", "KDPM2AncestralDiscreteScheduler", draws=True),
    "dpmpp_sde": Theirs("dpmsolver_sde", "DPMSolverSDEScheduler"),
    "lms": Theirs("lms_discrete", "LMSDiscreteScheduler"),
    "ipndm": Theirs("ipndm", "IPNDMScheduler"),
    "dpmpp_2m": multistep(),
    "dpmpp_2m_sde": multistep(algorithm_type="sde-dpmsolver++"),
    "dpmpp_2m_sde_heun": multistep(algorithm_type="sde-dpmsolver++", solver_type="heun"),
    "dpmpp_3m_sde": multistep(algorithm_type="sde-dpmsolver++", solver_type="heun", solver_order=3),
    "deis": Theirs("deis_multistep", "DEISMultistepScheduler", {"solver_order": 3}),
    "uni_pc": unipc("bh1"),
    "uni_pc_bh2": unipc("bh2"),
    "sa_solver": Theirs("sasolver", "SASolverScheduler", {"predictor_order": 3, "corrector_order": 4}, draws=True),
    "ddim": Theirs("ddim", "DDIMScheduler", {"clip_sample": False}),
    "ddpm": Theirs("ddpm", "DDPMScheduler", {"clip_sample": False}, draws=True),
    "lcm": Theirs("lcm", "LCMScheduler", draws=True),
    "tcd": Theirs("tcd", "TCDScheduler", draws=True),
}
"""sdkit's name → the scheduler of the same method. Samplers that are not here have none."""


class Network:
    """The cheap network: one operation on the latents, and how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x * 0.5


@dataclass(frozen=True)
class Timed:
    """Seconds per step, each the median of the rounds, and calls of the network per step."""

    bare: float
    ours: float
    theirs: float | None
    ratio: float | None
    calls: float


def denoiser(network: Network) -> Denoiser:
    """The network as sdkit's samplers see it: predicts noise, as diffusers' schedulers are told that it does."""

    def denoise(x: torch.Tensor, sigma: float, /) -> Prediction:
        denoised = x - network(x) * sigma
        return Prediction(denoised=denoised, cond=denoised, uncond=denoised)

    return with_alpha(denoise, lambda sigma: 1.0)


def noise_of(entry: SamplerEntry) -> Noise:
    white = SeededNoise((0,), SHAPE[1:])
    return BrownianNoise(white) if entry.noise == "brownian" else white


def our_step(entry: SamplerEntry, network: Network, sigmas: tuple[float, ...], clock: Clock) -> float:
    """Seconds per step of sdkit's sampler."""
    sampler, options, denoise = entry.load(), entry.check_options({}), denoiser(network)
    x, noise, steps = start(sigmas[0]), noise_of(entry), 0
    started = clock()
    for _ in sampler(denoise, x, sigmas, noise, **options):
        steps += 1
    return (clock() - started) / steps


def their_step(theirs: Theirs, network: Network, steps: int, clock: Clock) -> float:
    """Seconds per step of diffusers' scheduler, in the loop that its documentation shows."""
    module = importlib.import_module(f"diffusers.schedulers.scheduling_{theirs.module}")
    made = getattr(module, theirs.name)(**theirs.config)
    made.set_timesteps(steps)
    options = theirs.options | ({"generator": torch.Generator().manual_seed(0)} if theirs.draws else {})
    x = start(1.0) * made.init_noise_sigma
    started = clock()
    for timestep in made.timesteps:
        scaled = made.scale_model_input(x, timestep)
        x = made.step(network(scaled), timestep, x, **options).prev_sample
    return (clock() - started) / steps


def bare_calls(calls: float, clock: Clock, count: int = 200) -> float:
    """Seconds for as many calls of the network as a step makes."""
    network, x = Network(), start(1.0)
    started = clock()
    for _ in range(count):
        network(x)
    return (clock() - started) / count * calls


def start(sigma: float) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)) * sigma


def measure(entry: SamplerEntry, steps: int, rounds: int, clock: Clock) -> Timed:
    """All three in turn, `rounds` times."""
    sigmas = (*(14.6 * (0.03 / 14.6) ** (i / (steps - 1)) for i in range(steps)), 0.0)
    network, theirs = Network(), SAME.get(entry.name)
    if theirs is not None and not importable(theirs):
        theirs = None
    our_step(entry, network, sigmas, clock)  # once each, to warm up
    calls = network.calls / steps
    if theirs is not None:
        their_step(theirs, network, steps, clock)
    bare, ours, others = list[float](), list[float](), list[float]()
    for _ in range(rounds):
        bare.append(bare_calls(calls, clock))
        ours.append(our_step(entry, network, sigmas, clock))
        if theirs is not None:
            others.append(their_step(theirs, network, steps, clock))
    ratio = statistics.median(a / b for a, b in zip(ours, others, strict=True)) if others else None
    median = statistics.median
    return Timed(median(bare), median(ours), median(others) if others else None, ratio, calls)


def importable(theirs: Theirs) -> bool:
    """Whether diffusers' class can be imported; two need more than diffusers (torchsde, scipy)."""
    try:
        importlib.import_module(f"diffusers.schedulers.scheduling_{theirs.module}")
        return theirs.name != "LMSDiscreteScheduler" or importlib.util.find_spec("scipy") is not None
    except ModuleNotFoundError:
        return False


def row(name: str, timed: Timed) -> str:
    def shown(seconds: float | None) -> str:
        return "         –" if seconds is None else f"{seconds * 1e6:10.1f}"

    ratio = "–" if timed.ratio is None else f"{timed.ratio:.2f}{'' if timed.ratio <= GOAL_RATIO else ' !'}"
    return f"{name:32}{timed.calls:6.2f}{shown(timed.bare)}{shown(timed.ours)}{shown(timed.theirs)}   {ratio}"


def chosen(names: Sequence[str]) -> list[SamplerEntry]:
    registry = Pipeline.load().samplers
    built_in = [entry for entry in registry.values() if not entry.name.startswith("diffusers:")]
    return [registry[name] for name in names] if names else built_in


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sampler", nargs="*", help="names; all of sdkit's if left out")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true", help="count processor time: for machines that are busy")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")  # numpy's, about how diffusers calls it
    clock: Clock = time.process_time if arguments.cpu_time else time.perf_counter
    print(f"µs per step, {arguments.steps} steps, median of {arguments.rounds}; goal: ratio ≤ {GOAL_RATIO}")
    print(f"{'sampler':32}{'calls':>6}{'bare':>10}{'sdkit':>10}{'diffusers':>10}   ratio")
    missed: list[str] = []
    for entry in chosen(arguments.sampler):
        timed = measure(entry, arguments.steps, arguments.rounds, clock)
        print(row(entry.name, timed), flush=True)
        if timed.ratio is not None and timed.ratio > GOAL_RATIO:
            missed.append(entry.name)
    print(f"slower than diffusers by more than the goal: {', '.join(missed) or 'none'}")


if __name__ == "__main__":
    main()
