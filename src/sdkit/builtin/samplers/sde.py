"""Samplers of the reverse SDE: new noise in every step, correlated where a step looks in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.builtin.samplers import options
from sdkit.hookspecs import hookimpl
from sdkit.sampling import SdeOptions

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterSampler


@hookimpl
def register_samplers(register: RegisterSampler) -> None:
    """DPM-Solver++ SDE, ER-SDE, SEEDS, exponential Heun, SA-Solver. Their orders are measured at eta 0."""
    register(
        "dpmpp_sde",
        "sdkit.sampling.samplers.dpmpp_sde:dpmpp_sde",
        noise="brownian",
        order=2,
        evaluations=2,
        options=options.DpmppSdeOptions,
        summary="DPM-Solver++ SDE: noise in each step, and a look in between",
        aliases=("dpmpp_sde_gpu",),
    )
    register(
        "dpmpp_2m_sde",
        "sdkit.sampling.samplers.dpmpp_sde:dpmpp_2m_sde",
        noise="brownian",
        order=2,
        options=options.Dpmpp2mSdeOptions,
        summary="DPM-Solver++(2M) SDE: dpmpp_2m with noise in each step",
        aliases=("dpmpp_2m_sde_gpu",),
    )
    register(
        "dpmpp_2m_sde_heun",
        "sdkit.sampling.samplers.dpmpp_sde:dpmpp_2m_sde_heun",
        noise="brownian",
        order=2,
        options=options.Dpmpp2mSdeHeunOptions,
        summary="dpmpp_2m_sde with an exact integral in place of the midpoint's",
        aliases=("dpmpp_2m_sde_heun_gpu",),
    )
    register(
        "dpmpp_3m_sde",
        "sdkit.sampling.samplers.dpmpp_sde:dpmpp_3m_sde",
        noise="brownian",
        order=2,
        options=SdeOptions,
        summary="DPM-Solver++(3M) SDE: uses two earlier predictions; for many steps",
        aliases=("dpmpp_3m_sde_gpu",),
    )
    register(
        "er_sde",
        "sdkit.sampling.samplers.er_sde:er_sde",
        noise="white",
        order=1.75,  # from 80 to 160 steps; its sums over 200 points take it from 2 towards 1
        options=options.ErSdeOptions,
        summary="ER-SDE-Solver-3: renews noise where it helps, with two earlier predictions",
    )
    register(
        "seeds_2",
        "sdkit.sampling.samplers.seeds:seeds_2",
        noise="white",
        order=2,
        evaluations=2,
        options=options.Seeds2Options,
        summary="SEEDS-2: exponential integrator with noise, a look in the middle of each step",
    )
    register(
        "seeds_3",
        "sdkit.sampling.samplers.seeds:seeds_3",
        noise="white",
        order=3,
        evaluations=3,
        options=options.Seeds3Options,
        summary="SEEDS-3: exponential integrator with noise, two looks within each step",
    )
    register(
        "exp_heun_2_x0",
        "sdkit.sampling.samplers.seeds:exp_heun_2_x0",
        order=2,
        evaluations=2,
        options=options.ExpHeunOptions,
        summary="Heun's method as an exponential integrator, without noise",
    )
    register(
        "exp_heun_2_x0_sde",
        "sdkit.sampling.samplers.seeds:exp_heun_2_x0_sde",
        noise="white",
        order=2,
        evaluations=2,
        options=options.ExpHeunSdeOptions,
        summary="Heun's method as an exponential integrator, with noise",
    )
    register(
        "sa_solver",
        "sdkit.sampling.samplers.sa_solver:sa_solver",
        noise="white",
        order=2,  # on the way; its first step is of first order, and later corrected: 3 or more at the end
        options=options.SaSolverOptions,
        summary="SA-Solver: Adams predictor and corrector, noise in the middle of the schedule",
    )
    register(
        "sa_solver_pece",
        "sdkit.sampling.samplers.sa_solver:sa_solver_pece",
        noise="white",
        order=2,  # as sa_solver
        evaluations=2,
        options=options.SaSolverPeceOptions,
        summary="SA-Solver that asks the model again after each correction",
    )
