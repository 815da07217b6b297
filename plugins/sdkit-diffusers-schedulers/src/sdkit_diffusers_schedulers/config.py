"""Reads diffusers' `scheduler_config.json` into the fields of a request. Imports neither torch nor diffusers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import JsonValue

from sdkit.errors import RequestError, nearest
from sdkit_diffusers_schedulers.catalogue import SCHEDULERS
from sdkit_diffusers_schedulers.schedule import SpacingOptions, has_spacing

if TYPE_CHECKING:
    from sdkit.request import RequestFields

OF_THE_MODEL = frozenset(
    {
        "beta_end",
        "beta_schedule",
        "beta_start",
        "num_train_timesteps",
        "prediction_type",
        "rescale_betas_zero_snr",
        "set_alpha_to_one",
        "sigma_data",
        "sigma_max",
        "sigma_min",
        "snr_shift_scale",
        "trained_betas",
        "variance_type",
    }
)
"""What a model was trained with, which sdkit knows from the model itself."""

OF_OTHERS = frozenset(
    {
        "base_image_seq_len",
        "base_shift",
        "flow_shift",
        "interpolation_type",
        "invert_sigmas",
        "lambda_min_clipped",
        "max_image_seq_len",
        "max_shift",
        "noise_sampler_seed",
        "rho",
        "scale_factors",
        "sigma_schedule",
        "skip_prk_steps",
        "solver_p",
        "tau_func",
        "time_shift_type",
        "timestep_scaling",
        "timestep_type",
        "upscale_mode",
        "use_dynamic_shifting",
        "use_flow_sigmas",
    }
)
"""What has no meaning where sdkit gives the sigmas and the noise."""


def from_config(source: str | Path | Mapping[str, JsonValue]) -> RequestFields:
    """The sampler, its options, the schedule and its options that a scheduler's config stands for.

    `source`: the file, a folder with it (or with a folder `scheduler` that has it, as models of diffusers do), or what
    is in it. Use it as `pipe(prompt, **from_config("scheduler_config.json"))`. What the config says of the model is
    left out, and so is what belongs to other schedulers, which configs that were converted still carry. Raises
    RequestError for a scheduler or a name that is not known, with the nearest one.
    """
    config, where = _read(source)
    name = config.get("_class_name")
    if not isinstance(name, str):
        raise RequestError(f"{where} names no scheduler: '_class_name' is missing; is it a scheduler_config.json?")
    if name not in SCHEDULERS:
        raise RequestError(
            f"{where} is of {name!r}, which is no scheduler that sdkit can sample with.{_near(name, SCHEDULERS)}"
        )
    mine, spacing = SCHEDULERS[name].options.model_fields, SpacingOptions.model_fields
    known = {option for other in SCHEDULERS.values() for option in other.options.model_fields}
    known |= {*spacing, *OF_THE_MODEL, *OF_OTHERS}
    for option in config:
        if not option.startswith("_") and option not in known:
            raise RequestError(f"{where} has {option!r}, which no scheduler of diffusers has.{_near(option, known)}")
    given = {option: value for option, value in config.items() if value is not None}
    fields: RequestFields = {
        "sampler": f"diffusers:{name}",
        "sampler_options": {option: value for option, value in given.items() if option in mine},
    }
    if has_spacing(SCHEDULERS[name]):
        fields["schedule"] = "diffusers"
        fields["schedule_options"] = {
            "scheduler": name,
            **{option: value for option, value in given.items() if option in spacing},
        }
    return fields


def _read(source: str | Path | Mapping[str, JsonValue]) -> tuple[Mapping[str, JsonValue], str]:
    if isinstance(source, Mapping):
        return source, "the config"
    path = Path(source)
    if path.is_dir():
        inside = (path / "scheduler_config.json", path / "scheduler" / "scheduler_config.json")
        path = next((file for file in inside if file.is_file()), inside[0])
    try:
        found: object = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RequestError(f"cannot read the scheduler's config {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise RequestError(f"{str(path)!r} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise RequestError(f"{str(path)!r} holds no JSON object, so it is no scheduler's config")
    return cast("dict[str, JsonValue]", found), repr(str(path))


def _near(name: str, known: Mapping[str, object] | set[str]) -> str:
    near = nearest(name, known)
    return f" Did you mean {near[0]!r}?" if near else ""
