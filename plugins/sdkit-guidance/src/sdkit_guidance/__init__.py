"""Guidance for sdkit beyond classifier-free guidance: strong guidance without burnt colours, and cheaper steps.

A prediction goes through, in this order: the guidance (`cfg`, `apg` or `perp_neg`, within the interval), the rescale,
the mimicked scale, the threshold. Nothing of it happens unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sdkit import hookimpl
from sdkit.errors import RequestError
from sdkit_guidance.options import ApgOptions, DynthreshOptions, GuidanceOptions, PerpNegOptions

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterGuidance, RegisterOptions
    from sdkit.types import Prediction, Run, RunPlan

__all__ = ["ApgOptions", "DynthreshOptions", "GuidanceOptions", "PerpNegOptions"]

__version__ = "0.1.0"

OURS = ("cfg", "apg", "perp_neg")
"""The guidances that know of intervals, rescale and changing scales."""

OF_EVERY_GUIDANCE = {
    "guidance": ("rescale", "rescale_of", "interval", "interval_percent"),
    "dynthresh": ("cfg_mode", "cfg_scale_min"),
}
"""Options that the guidance itself must follow, so that somebody else's guidance would ignore them."""

OF_THE_SCALE = ("cfg_mode", "cfg_scale_min", "sched_val")
"""Options of `dynthresh` that do something without a scale to mimic."""


@hookimpl
def register_options(register: RegisterOptions) -> None:
    """`guidance.…`, `dynthresh.…`, `apg.…`, `perp_neg.…`."""
    register("guidance", GuidanceOptions)
    register("dynthresh", DynthreshOptions)
    register("apg", ApgOptions)
    register("perp_neg", PerpNegOptions)


@hookimpl
def register_guidance(register: RegisterGuidance) -> None:
    """Two guidances, and `cfg` with an interval and a rescale: without them it is sdkit's own, unchanged.

    `cfg` is replaced, because the rescale must see x, which `adjust_prediction` does not get, and an interval must
    decide what is evaluated.
    """
    register(
        "cfg",
        "sdkit_guidance.guides:cfg",
        summary="away from the negative prompt, towards the prompt; follows the options `guidance.…`",
        override=True,
    )
    register("apg", "sdkit_guidance.guides:apg", summary="cfg without the part that burns colours (arXiv:2410.02416)")
    register(
        "perp_neg",
        "sdkit_guidance.guides:perp_neg",
        summary="cfg that moves from the negative prompt only where that does not touch the prompt (arXiv:2304.04968)",
    )


@hookimpl
def prepare_run(plan: RunPlan) -> None:
    """Refuse options that would do nothing: somebody who sets them expects something."""
    guidance, given = plan.request.guidance, plan.request.options
    if guidance not in OURS:
        for namespace, names in OF_EVERY_GUIDANCE.items():
            for name in given.get(namespace, {}).keys() & set(names):
                raise RequestError(
                    f"{namespace}.{name} is for the guidances {', '.join(OURS)}; {guidance!r} does not know it"
                )
    for namespace in ("apg", "perp_neg"):
        if given.get(namespace) and guidance != namespace:
            name = next(iter(given[namespace]))
            raise RequestError(f"{namespace}.{name} is for guidance={namespace!r}, and this is {guidance!r}")
    if plan.option(DynthreshOptions).mimic_scale is None:
        for name in given.get("dynthresh", {}):
            if name not in OF_THE_SCALE and name != "mimic_scale":
                raise RequestError(f"dynthresh.{name} does nothing without dynthresh.mimic_scale, such as 7")


@hookimpl
def adjust_prediction(run: Run) -> Callable[[Prediction, float], Prediction] | None:
    """The mimicked scale, then the threshold: after any guidance, also somebody else's."""
    if run.option(DynthreshOptions).mimic_scale is None and run.option(GuidanceOptions).threshold is None:
        return None
    from sdkit_guidance.thresholds import adjustment

    return adjustment(run)
