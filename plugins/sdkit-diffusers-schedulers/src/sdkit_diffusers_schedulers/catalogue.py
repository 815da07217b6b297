"""Which schedulers there are, and what the bridge must know of each. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sdkit_diffusers_schedulers import options as o

if TYPE_CHECKING:
    from sdkit.types import NoiseKind

Space = Literal["sigma", "variance-preserving", "flow"]
"""How a scheduler scales its noisy latents: x₀ + σ·noise as sdkit does; that divided by √(σ² + 1); or
(1 − σ)·x₀ + σ·noise, for flow models only."""

Tables = Literal["sigmas", "pairs", "alphas", "trained", "betas"]
"""How a scheduler keeps its noise levels: a sigma per step; two per step, one for each evaluation; ᾱ per timestep, with
all timesteps equally far apart; ᾱ per training timestep, which matter themselves; α and σ per step."""

Output = Literal["sample", "epsilon", "velocity", "v", "edm"]
"""What a scheduler wants to be told: the latents, the noise, the flow's velocity, v, or an EDM network's output."""


@dataclass(frozen=True)
class Scheduler:
    """A class of diffusers, and how to drive it.

    `flow`: it steps flow models, too. `reaches_zero`: it can step to sigma 0; where not, the last step is the
    prediction itself. `anchor`: the attribute in which it keeps an earlier state that later steps start from.
    `step_options`: those options that `step` takes, in place of the constructor. `single`: it computes in float32
    whatever it is given. `needs`: a package beside diffusers.
    """

    name: str
    module: str
    summary: str
    space: Space = "sigma"
    tables: Tables = "sigmas"
    output: Output = "sample"
    options: type[o.SchedulerOptions] = o.SchedulerOptions
    noise: NoiseKind = "none"
    order: float = 1
    evaluations: float = 1
    flow: bool = False
    reaches_zero: bool = True
    anchor: str = ""
    step_options: frozenset[str] = frozenset()
    single: bool = False
    needs: str = ""


_ALL = (
    Scheduler("EulerDiscreteScheduler", "euler_discrete", "Euler's method", single=True),
    Scheduler(
        "EulerAncestralDiscreteScheduler",
        "euler_ancestral_discrete",
        "Euler's method with new noise in each step",
        output="epsilon",
        noise="white",
        single=True,
    ),
    Scheduler(
        "HeunDiscreteScheduler",
        "heun_discrete",
        "Heun's method",
        tables="pairs",
        options=o.HeunOptions,
        order=2,
        evaluations=2,
    ),
    Scheduler(
        "LMSDiscreteScheduler",
        "lms_discrete",
        "linear multistep in sigma; needs scipy",
        options=o.LMSOptions,
        order=2,  # four derivatives, but its first step is Euler's
        step_options=frozenset({"order"}),
        needs="scipy",
    ),
    Scheduler(
        "KDPM2DiscreteScheduler",
        "k_dpm_2_discrete",
        "DPM-Solver-2 as in the EDM paper: a midpoint in log sigma",
        tables="pairs",
        output="epsilon",
        order=2,
        evaluations=2,
    ),
    Scheduler(
        "KDPM2AncestralDiscreteScheduler",
        "k_dpm_2_ancestral_discrete",
        "KDPM2 with new noise in each step",
        tables="pairs",
        output="epsilon",
        noise="white",
        evaluations=2,
    ),
    Scheduler(
        "DPMSolverSDEScheduler",
        "dpmsolver_sde",
        "stochastic DPM-Solver++, midpoint; needs torchsde",
        tables="pairs",
        output="epsilon",
        options=o.DPMSolverSDEOptions,
        noise="brownian",
        evaluations=2,
        step_options=frozenset({"s_noise"}),
        needs="torchsde",
    ),
    Scheduler(
        "DPMSolverMultistepScheduler",
        "dpmsolver_multistep",
        "DPM-Solver(++) of order 1 to 3 that looks back, also stochastic",
        space="variance-preserving",
        options=o.DPMSolverMultistepOptions,
        noise="white",  # asked for only by the `sde-` algorithms
        order=2,
        flow=True,
        single=True,
    ),
    Scheduler(
        "DPMSolverSinglestepScheduler",
        "dpmsolver_singlestep",
        "DPM-Solver(++) in blocks of as many steps as its order",
        space="variance-preserving",
        options=o.DPMSolverSinglestepOptions,
        noise="white",  # asked for only by the `sde-` algorithm
        order=2,
        flow=True,
        anchor="sample",
    ),
    Scheduler(
        "DEISMultistepScheduler",
        "deis_multistep",
        "DEIS in log rho; takes the last step, to sigma 0, at once",
        space="variance-preserving",
        options=o.DEISOptions,
        order=2,
        flow=True,
        reaches_zero=False,
    ),
    Scheduler(
        "UniPCMultistepScheduler",
        "unipc_multistep",
        "UniPC: predicts, and corrects at the price of nothing",
        space="variance-preserving",
        options=o.UniPCOptions,
        order=2,
        flow=True,
        anchor="last_sample",
    ),
    Scheduler(
        "SASolverScheduler",
        "sasolver",
        "stochastic Adams, predicts and corrects; takes the last step, to sigma 0, at once",
        space="variance-preserving",
        options=o.SASolverOptions,
        noise="white",
        order=2,
        reaches_zero=False,
        anchor="last_sample",
    ),
    Scheduler(
        "DDIMScheduler",
        "ddim",
        "DDIM, with eta",
        space="variance-preserving",
        tables="alphas",
        options=o.DDIMOptions,
        noise="white",  # asked for only where eta is set
        step_options=frozenset({"eta", "use_clipped_model_output"}),
    ),
    Scheduler(
        "DDPMScheduler",
        "ddpm",
        "DDPM: ancestral sampling",
        space="variance-preserving",
        tables="alphas",
        options=o.DDPMOptions,
        noise="white",
    ),
    Scheduler(
        "PNDMScheduler",
        "pndm",
        "PNDM without its Runge-Kutta steps: Adams-Bashforth as if timesteps were even",
        space="variance-preserving",
        tables="alphas",
        output="epsilon",
        order=2,
    ),
    Scheduler(
        "IPNDMScheduler",
        "ipndm",
        "improved PNDM: Adams-Bashforth as if steps were even",
        space="variance-preserving",
        tables="betas",
        output="v",
        order=2,
    ),
    Scheduler(
        "LCMScheduler",
        "lcm",
        "for latent consistency models: predicts the end, and adds noise again",
        space="variance-preserving",
        tables="trained",
        options=o.LCMOptions,
        noise="white",
    ),
    Scheduler(
        "TCDScheduler",
        "tcd",
        "for trajectory consistency models, with eta",
        space="variance-preserving",
        tables="trained",
        options=o.TCDOptions,
        noise="white",
        step_options=frozenset({"eta"}),
    ),
    Scheduler("EDMEulerScheduler", "edm_euler", "Euler's method, as EDM models have it", output="edm", single=True),
    Scheduler(
        "EDMDPMSolverMultistepScheduler",
        "edm_dpmsolver_multistep",
        "DPM-Solver++ as EDM models have it",
        output="edm",
        options=o.EDMDPMSolverOptions,
        noise="white",  # asked for only by the `sde-` algorithm
        order=2,
    ),
    Scheduler(
        "CosineDPMSolverMultistepScheduler",
        "cosine_dpmsolver_multistep",
        "stochastic DPM-Solver++ as EDM models have it; needs torchsde",
        output="edm",
        options=o.CosineDPMSolverOptions,
        noise="brownian",
        needs="torchsde",
    ),
    Scheduler(
        "FlowMatchEulerDiscreteScheduler",
        "flow_match_euler_discrete",
        "flow models: Euler's method",
        space="flow",
        output="velocity",
        options=o.FlowEulerOptions,
        noise="white",  # asked for only by stochastic_sampling
        flow=True,
        single=True,
    ),
    Scheduler(
        "FlowMatchHeunDiscreteScheduler",
        "flow_match_heun_discrete",
        "flow models: Heun's method",
        space="flow",
        tables="pairs",
        output="velocity",
        order=2,
        evaluations=2,
        flow=True,
        single=True,
    ),
    Scheduler(
        "FlowMatchLCMScheduler",
        "flow_match_lcm",
        "flow models: predicts the end, and adds noise again",
        space="flow",
        output="velocity",
        noise="white",
        flow=True,
        single=True,
    ),
    Scheduler(
        "LTXEulerAncestralRFScheduler",
        "ltx_euler_ancestral_rf",
        "flow models: Euler's method with new noise in each step",
        space="flow",
        output="velocity",
        options=o.FlowAncestralOptions,
        noise="white",
        flow=True,
        single=True,
    ),
)

SCHEDULERS = {scheduler.name: scheduler for scheduler in _ALL}
"""By the name of diffusers' class."""
