"""Whole runs of another program around a closed-form network: noise, schedule, guidance, img2img, masks, step ranges,
and every sampler. Nothing but the model's formula is given."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sdkit.builtin.masks import wrap_denoiser
from sdkit.plugins import load_manager
from sdkit.sampling import cfg, make_evaluate, parameterisation, sigmas_for, step_range, with_alpha
from sdkit.settings import Settings
from sdkit.types import Conditioning, Denoiser, Embedding
from tests.sampling._figures import FormulaModel, as_model, assert_close, make_run, params, tensors

LATENT_SCALE = 0.18215  # of SD 1; the figures are of latents before scaling
SEED = 42
MANAGER = load_manager(settings=Settings(plugins=("none",)))
CASES = [key for key in tensors("ksampler_toy") if "." in key]
TOLERANCE: dict[str, float] = dict.fromkeys(
    ("dpm_adaptive", "sa_solver", "sa_solver_pece", "uni_pc", "uni_pc_bh2"), 3e-4
)
"""Relative; these magnify the rounding of float32. All others agree to 1e-5."""


def test_there_are_figures() -> None:
    assert len(CASES) == 129


@pytest.mark.parametrize("key", CASES)
def test_run(key: str) -> None:
    figures = tensors("ksampler_toy")
    name, schedule, steps, *_ = key.split(".")
    shape, denoise, scale, init, mask = (1, 4, 16, 16), 1.0, 7.0, None, None
    start, end, leftover = 0, None, False
    match key.rpartition(".")[2]:
        case "cfg1":
            scale = 1.0
        case "img2img":
            denoise, init = 0.5, figures["latent_img2img"]
        case "inpaint":
            init, mask = figures["latent_img2img"], figures["mask"]
        case "batch2":
            shape, denoise, init = (2, 4, 8, 8), 0.75, figures["latent_batch2"]
        case "end6_full":
            end = 6
        case "start3_end7_leftover":
            start, end, leftover, init = 3, 7, True, figures["latent_img2img"]
        case _:
            pass

    entry = MANAGER.samplers[name]
    table = MANAGER.schedules[schedule].load()
    sigmas = sigmas_for(table, int(steps), params(), denoise, discard_penultimate=entry.discard_penultimate)
    sigmas = step_range(sigmas, start, end, leftover_noise=leftover)
    model = FormulaModel()
    rules = parameterisation(model.spec)
    run = make_run(seeds=(SEED,) * shape[0], scale=scale, size=shape[-1] * 8, model=model)
    request = run.request.replace(seeds=run.seeds)
    run = replace(run, request=request, total=shape[0], sigmas=sigmas, uncond=entry.uncond)
    source = MANAGER.noise_sources["comfy"].load()(run)
    noise = source.start()
    init = None if init is None else init * LATENT_SCALE
    run = replace(run, init=init, mask=mask, noise=noise)

    contexts = (torch.full((1, 77, 768), value) for value in (0.3, -0.1))
    positive, negative = ((Embedding(context),) for context in contexts)
    guide = cfg(run, make_evaluate(as_model(model), rules, Conditioning(positive, negative)))
    wrap = wrap_denoiser(run)
    denoise_function: Denoiser = with_alpha(wrap(guide) if wrap else guide, rules.alpha)

    options = {"per_image": False} if entry.adaptive else {}
    on_the_way = source.steps(entry.noise) if entry.noise != "none" else refuse
    x = rules.start(init, noise, sigmas[0])
    for step in entry.load()(denoise_function, x, sigmas, on_the_way, **options):
        x = step.x
    assert_close(x / LATENT_SCALE, figures[key], TOLERANCE.get(entry.name, 1e-5), key)


def refuse(sigma: float, sigma_next: float, /) -> torch.Tensor:
    raise AssertionError("a sampler without noise asked for noise")
