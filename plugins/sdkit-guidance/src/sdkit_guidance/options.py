"""The options, by namespace: what may be set, within which bounds, and what it means. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

STRICT = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

Sigma = Annotated[float, Field(ge=0)]
Percent = Annotated[float, Field(ge=0, le=1)]
Scale = Annotated[float, Field(ge=0, le=100)]


def _plain(name: object) -> object:
    """Modes as other programs write them, "Half Cosine Down" → "half_cosine_down"."""
    return name.lower().replace(" ", "_") if isinstance(name, str) else name


Mode = Annotated[
    Literal[
        "constant",
        "linear_down",
        "cosine_down",
        "half_cosine_down",
        "linear_up",
        "cosine_up",
        "half_cosine_up",
        "power_up",
        "power_down",
        "linear_repeating",
        "cosine_repeating",
        "sawtooth",
    ],
    BeforeValidator(_plain),
]
"""How a scale changes on the way from noise to picture."""


class GuidanceOptions(BaseModel):
    """Options of the namespace `guidance`: for `cfg`, `apg` and `perp_neg` alike; the threshold, for every guidance."""

    model_config = STRICT

    rescale: float = Field(default=0.0, ge=0, le=1)
    """How far to bring the spread of the guided prediction back to that of the positive one: 0 off, 0.7 is usual."""
    rescale_of: Literal["v", "output"] = "v"
    """Whose spread: of the prediction as a velocity, whatever the model, or of what the network itself put out."""
    interval: tuple[Sigma, Sigma] | None = None
    """Guide at sigmas above the first and up to the second only; elsewhere the negative prompt costs nothing."""
    interval_percent: tuple[Percent, Percent] | None = None
    """The same by the share of the way, 0 all noise, 1 none: guide from the first up to the second."""
    threshold: float | None = Field(default=None, gt=0, le=1)
    """Clip each prediction at this share of its magnitudes, such as 0.995, and scale it to `threshold_limit`."""
    threshold_limit: float = Field(default=4.0, gt=0)
    """Magnitudes up to here are left alone. Latents seldom go beyond 4; for pixels in −1…1 it would be 1."""

    @field_validator("interval")
    @classmethod
    def _lowest_first(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and value[0] >= value[1]:
            raise ValueError(f"the lower sigma comes first, but {value[0]:g} is not below {value[1]:g}")
        return value

    @field_validator("interval_percent")
    @classmethod
    def _in_order(cls, value: tuple[float, float] | None, info: ValidationInfo) -> tuple[float, float] | None:
        if value is None:
            return None
        if value[0] >= value[1]:
            raise ValueError(f"the start comes first, but {value[0]:g} is not below {value[1]:g}")
        if info.data.get("interval") is not None:
            raise ValueError("give interval (sigmas) or interval_percent, not both")
        return value


class DynthreshOptions(BaseModel):
    """Options of the namespace `dynthresh`, under the names that users of sd-dynamic-thresholding know."""

    model_config = STRICT

    mimic_scale: Scale | None = None
    """The guidance scale whose range of values to have, such as 7; None is off."""
    threshold_percentile: float = Field(default=1.0, gt=0, le=1)
    """Which share of the guided magnitudes counts as their largest; what is above is clipped."""
    mimic_mode: Mode = "constant"
    """How the mimicked scale changes on the way."""
    mimic_scale_min: Scale = 0.0
    """What the mimicked scale changes to."""
    cfg_mode: Mode = "constant"
    """How the guidance scale itself changes on the way; this works without `mimic_scale`, too."""
    cfg_scale_min: Scale = 0.0
    """What the guidance scale changes to."""
    sched_val: float = Field(default=1.0, ge=0, le=100)
    """The exponent of the power modes; how often the repeating ones repeat."""
    separate_feature_channels: bool = True
    """Whether each channel of the latents has a range of its own."""
    scaling_startpoint: Annotated[Literal["mean", "zero"], BeforeValidator(_plain)] = "mean"
    """What the values are scaled around: the mean of each channel, which stays, or zero."""
    variability_measure: Annotated[Literal["ad", "std"], BeforeValidator(_plain)] = "ad"
    """What is made equal: the largest distance from the mean, or the standard deviation."""
    interpolate_phi: float = Field(default=1.0, ge=0, le=1)
    """How much of it to take: 0 nothing, 1 all."""


class ApgOptions(BaseModel):
    """Options of the namespace `apg`."""

    model_config = STRICT

    eta: float = Field(default=0.0, ge=-10, le=10)
    """How much to keep of the guidance that is parallel to the positive prediction, which burns colours; 1 is all."""
    norm_threshold: float = Field(default=5.0, ge=0)
    """The largest norm that the guidance, a whole latents' worth, may have; 0 is off."""
    momentum: float = Field(default=-0.5, ge=-1, le=1)
    """How much of the guidance before to add; below 0, guidance is pushed away from where it went; 0 is off."""


class PerpNegOptions(BaseModel):
    """Options of the namespace `perp_neg`."""

    model_config = STRICT

    neg_scale: Scale = 1.0
    """How strongly to move away from the negative prompt."""
