"""Whole runs of another program around a closed-form network: noise, schedule, guidance, img2img, masks, sampler."""

from __future__ import annotations

import pytest
import torch

from sdkit.builtin.masks import wrap_denoiser
from sdkit.plugins import load_manager
from sdkit.sampling import cfg, make_evaluate, parameterisation, sigmas_for, with_alpha
from sdkit.settings import Settings
from sdkit.types import Conditioning, Denoiser, Embedding
from tests.sampling._figures import (
    SAMPLERS,
    SCHEDULES,
    FormulaModel,
    as_model,
    assert_close,
    make_run,
    one_draw,
    params,
    tensors,
)

LATENT_SCALE = 0.18215  # of SD 1; the figures are of latents before scaling
SEED = 42

CASES = [
    key
    for key in tensors("ksampler_toy")
    if key.partition(".")[0] in SAMPLERS
    and key.split(".")[1:2] in [[name] for name in SCHEDULES]
    and "end" not in key.rpartition(".")[2]  # a range of steps is nothing that a request can ask for
]


def test_there_are_figures() -> None:
    assert len(CASES) == 32


@pytest.mark.parametrize("key", CASES)
def test_run(key: str) -> None:
    figures = tensors("ksampler_toy")
    sampler, schedule, steps, *_ = key.split(".")
    shape, denoise, scale, init, mask = (1, 4, 16, 16), 1.0, 7.0, None, None
    match key.rpartition(".")[2]:
        case "cfg1":
            scale = 1.0
        case "img2img":
            denoise, init = 0.5, figures["latent_img2img"]
        case "inpaint":
            init, mask = figures["latent_img2img"], figures["mask"]
        case "batch2":
            shape, denoise, init = (2, 4, 8, 8), 0.75, figures["latent_batch2"]
        case _:
            pass

    model = FormulaModel()
    rules = parameterisation(model.spec)
    noise = one_draw(SEED, shape)
    init = None if init is None else init * LATENT_SCALE
    run = make_run(
        seeds=tuple(range(shape[0])), scale=scale, size=shape[-1] * 8, model=model, init=init, mask=mask, noise=noise
    )
    contexts = (torch.full((1, 77, 768), value) for value in (0.3, -0.1))
    positive, negative = ((Embedding(context),) for context in contexts)
    guide = cfg(run, make_evaluate(as_model(model), rules, Conditioning(positive, negative)))
    wrap = wrap_denoiser(run)
    denoise_function: Denoiser = wrap(guide) if wrap else guide

    manager = load_manager(settings=Settings(plugins=("none",)))
    sigmas = sigmas_for(manager.schedules[schedule].load(), int(steps), params(), denoise)
    generator = torch.Generator().manual_seed(SEED)  # the reference's ancestral noise begins with the start's again
    x = rules.start(init, noise, sigmas[0])
    walk = manager.samplers[sampler].load()
    for step in walk(
        with_alpha(denoise_function, rules.alpha), x, sigmas, lambda *_: torch.randn(shape, generator=generator)
    ):
        x = step.x
    assert_close(x / LATENT_SCALE, figures[key], 1e-5, key)
