"""Guidance and masks as ComfyUI's nodes have them, against their formulas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
import torch

from sdkit import Pipeline
from sdkit.testing import ToyModel
from sdkit.types import DiffusionModel, Run
from sdkit_comfy.nodes import model_sampling as nodes
from sdkit_comfy.values.guiding import rescaled
from sdkit_comfy.values.masking import differential
from sdkit_comfy.values.networks import Model
from sdkit_comfy.values.samplers import Guider, NoiseOf, SamplerChoice
from sdkit_comfy.values.sampling import sample


def model() -> Model:
    return Model(Pipeline(cast("DiffusionModel", ToyModel())))


def made(changed: Model, **fields: Any) -> torch.Tensor:
    positive, negative = (
        [[each[0].context, {}]]
        for each in (changed.pipe.encode("a red circle").positive, changed.pipe.encode("").positive)
    )
    latent = {"samples": torch.zeros(1, 4, 4, 4)}
    options = {"steps": 3, "schedule": "normal", **fields}
    done = sample(
        Guider(changed, positive, negative, 3.0), latent, NoiseOf(1), sampler=SamplerChoice("euler"), **options
    )
    return done.latent["samples"]


def test_rescaling_gives_the_spread_of_the_prompt_s_velocity() -> None:
    generator = torch.Generator().manual_seed(2)
    x, cond, uncond = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(3))
    sigma = torch.full((2,), 1.5)
    known = {"input": x, "sigma": sigma, "cond_scale": 5.0, "cond_denoised": cond, "uncond_denoised": uncond}
    base, unit = x / 3.25, 3.25**0.5 / 1.5
    velocity = (base - (x - rescaled(1.0)(known))) * unit
    wanted = (base - cond) * unit
    assert torch.allclose(velocity.std((1, 2, 3)), wanted.std((1, 2, 3)), rtol=1e-4)
    plain = uncond + 5.0 * (cond - uncond)
    assert torch.allclose(x - rescaled(0.0)(known), plain, atol=1e-5)


def test_functions_are_called_before_instead_of_and_after_guidance() -> None:
    changed = model()
    seen: list[set[str]] = []

    def before(known: dict[str, Any]) -> list[torch.Tensor]:
        seen.append(set(known))
        return [each * 0 for each in known["conds_out"]]

    def after(known: dict[str, Any]) -> torch.Tensor:
        assert float(known["denoised"].abs().max()) == 0
        return known["denoised"] + 0.25

    changed.set_model_sampler_pre_cfg_function(before)
    changed.set_model_sampler_post_cfg_function(after)
    assert torch.allclose(made(changed), torch.full((1, 4, 4, 4), 0.25), atol=1e-5)
    assert {"input", "sigma", "cond_scale", "model_options"} <= seen[0]
    twin = changed.clone()
    twin.set_model_sampler_post_cfg_function(lambda known: known["denoised"] + 1)
    assert torch.allclose(made(changed), torch.full((1, 4, 4, 4), 0.25), atol=1e-5)
    assert torch.allclose(made(twin), torch.full((1, 4, 4, 4), 1.25), atol=1e-5)


def test_a_consistency_model_has_its_own_timesteps_and_boundary() -> None:
    plain = model()
    lcm = nodes.model_sampling_discrete(model=plain, sampling="lcm", zsnr=False)
    assert (len(lcm.spec.sigmas), lcm.spec.timestep_stride) == (50, 20)
    assert lcm.spec.sigmas[-1] == pytest.approx(plain.spec.sigmas[-1])
    assert not torch.equal(made(lcm), made(plain))
    eps = nodes.model_sampling_discrete(model=lcm, sampling="eps", zsnr=False)
    assert torch.equal(made(eps), made(plain))


def test_zero_terminal_noise_is_in_the_table() -> None:
    changed = nodes.model_sampling_discrete(model=model(), sampling="v_prediction", zsnr=True)
    assert changed.spec.prediction == "v"
    assert changed.spec.sigmas[-1] > 1000


def test_differential_masks_open_one_after_another() -> None:
    spec = ToyModel().spec
    run = cast("Run", _Part(spec, (spec.sigmas[-1], spec.sigmas[499], 0.0)))
    mask = torch.tensor([0.1, 0.4, 0.6, 1.0])
    at = differential(1.0)
    assert at(mask, spec.sigmas[-1], run).tolist() == [0, 0, 0, 1]
    assert at(mask, spec.sigmas[499], run).tolist() == [0, 0, 1, 1]
    assert at(mask, spec.sigmas[0], run).tolist() == [1, 1, 1, 1]
    assert differential(0.5)(mask, spec.sigmas[499], run).tolist() == pytest.approx([0.05, 0.2, 0.8, 1.0])


class _Part:
    """What a mask asks of a run."""

    def __init__(self, spec: Any, sigmas: tuple[float, ...]) -> None:
        self.spec, self.sigmas = replace(spec), sigmas
