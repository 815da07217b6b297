"""What the pipeline costs beside the network: time per step, all built-in plugins on, against the bare U-Net calls.

    python benchmarks/overhead.py [CHECKPOINT] [--steps 20] [--rounds 9] [--threads 2] [--cpu-time]

Both do the same evaluations, at the same timesteps, with the same conditioning, both branches in one batch. They take
turns, and medians are compared; the goal is at most 5 % and 0.5 ms a step. `--cpu-time` counts processor time: for
machines that are busy with other things.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import cast

import torch

from sdkit.models import LatentDiffusion
from sdkit.pipeline import Pipeline
from sdkit.sampling import parameterisation
from sdkit.types import Encoded, Event, StepDone

PROMPT, NEGATIVE = "a red circle on a blue background", "green"
GOAL_RATIO, GOAL_MILLISECONDS = 1.05, 0.5

Clock = Callable[[], float]


def pipeline_step(pipe: Pipeline, steps: int, clock: Clock) -> float:
    """Seconds per step, from the end of encoding to the last step."""
    with_events = pipe.stream(PROMPT, negative_prompt=NEGATIVE, seed=0, steps=steps)
    advance(with_events, Encoded)
    started = clock()
    for _ in range(steps):
        advance(with_events, StepDone)
    took = clock() - started
    with_events.close()
    return took / steps


def advance(events: Iterator[Event], kind: type[Event]) -> None:
    """Go on to the next event of a kind."""
    while not isinstance(next(events), kind):
        pass


def bare_calls(pipe: Pipeline, steps: int) -> Callable[[Clock], float]:
    """A function that gives the seconds per call of the U-Net alone, at the timesteps and shapes of a run."""
    model = cast("LatentDiffusion", pipe.model)
    unet = model.networks.unet()  # the bare network is the point
    conditioning = pipe.encode(PROMPT, NEGATIVE)
    context = torch.cat([conditioning.negative[0].context, conditioning.positive[0].context]).to(model.dtype)
    rules = parameterisation(model.spec)
    sigmas = [event.step.sigma for event in pipe.stream(PROMPT, steps=steps) if isinstance(event, StepDone)]
    timesteps = [torch.full((2,), rules.timestep(sigma)) for sigma in sigmas]
    latents = pipe.sample(conditioning, steps=1).tensor
    x = torch.randn(2, *latents.shape[1:], generator=torch.Generator().manual_seed(0)).to(model.dtype)

    def measure(clock: Clock) -> float:
        started = clock()
        with torch.no_grad():
            for timestep in timesteps:
                unet(x, timestep, context)
        return (clock() - started) / steps

    return measure


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", help="a Stable Diffusion file; the embedded model if left out")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu-time", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clock: Clock = time.process_time if arguments.cpu_time else time.perf_counter
    pipe = Pipeline.load(arguments.checkpoint)
    bare_call = bare_calls(pipe, arguments.steps)
    pipeline_step(pipe, arguments.steps, clock)  # once each, to warm up
    bare_call(clock)
    bare: list[float] = []
    whole: list[float] = []
    for _ in range(arguments.rounds):
        bare.append(bare_call(clock) * 1e3)
        whole.append(pipeline_step(pipe, arguments.steps, clock) * 1e3)
    ratio = statistics.median(one / other for one, other in zip(whole, bare, strict=True))
    extra = statistics.median(one - other for one, other in zip(whole, bare, strict=True))
    print(f"{pipe.model.name}: {arguments.steps} steps, {arguments.rounds} rounds, {arguments.threads} threads")
    print(f"bare U-Net call   {statistics.median(bare):8.3f} ms")
    print(f"step in pipeline  {statistics.median(whole):8.3f} ms")
    print(f"ratio             {ratio:8.3f}      goal ≤ {GOAL_RATIO}")
    print(f"extra per step    {extra:8.3f} ms   goal ≤ {GOAL_MILLISECONDS}")


if __name__ == "__main__":
    main()
