"""The source "comfy" against what ComfyUI drew, tensors and whole runs."""

from __future__ import annotations

import pytest
import torch

from sdkit.errors import RequestError
from sdkit.plugins import load_manager
from sdkit.sampling import cfg, make_evaluate, parameterisation, sigmas_for, with_alpha
from sdkit.sampling.noise.comfy import comfy
from sdkit.sampling.noise.philox import CudaStream
from sdkit.settings import Settings
from sdkit.types import Conditioning, Embedding
from tests.sampling._figures import FormulaModel, as_model, assert_close, params, tensors
from tests.sampling._noise_runs import part_of

SEEDS = (42, 43, 44)


@pytest.mark.parametrize(
    ("key", "seeds", "size"),
    [
        ("prepare_noise_seed42_1x4x16x16", (42,), 128),
        ("prepare_noise_seed42_1x4x64x64", (42,), 512),
        ("prepare_noise_seed42_2x4x16x16", (42, 43), 128),
        ("prepare_noise_seed_max_1x4x16x16", (2**64 - 1,), 128),
    ],
)
def test_start(key: str, seeds: tuple[int, ...], size: int) -> None:
    assert torch.equal(comfy(part_of(seeds, size=size)).start(), tensors("noise")[key])


@pytest.mark.parametrize(
    ("key", "indices"), [("noise_inds_0_1", (0, 1)), ("noise_inds_1", (1,)), ("noise_inds_2_2_0", (2, 2, 0))]
)
def test_batch_indices(key: str, indices: tuple[int, ...]) -> None:
    run = part_of(SEEDS[: len(indices)])
    assert torch.equal(comfy(run, batch_indices=indices).start(), tensors("noise")[key])


def test_white_noise_begins_with_the_start_again() -> None:
    white = comfy(part_of((42,))).steps("white")
    for i in range(2):
        assert torch.equal(white(2.0, 1.0), tensors("noise")[f"default_noise_sampler.{i}"])


def test_brownian_noise() -> None:
    sigmas = tuple(float(sigma) for sigma in tensors("sigmas")["normal.10"])
    noise = comfy(part_of((42,), sigmas=sigmas)).steps("brownian")
    for i in range(9):
        assert_close(noise(sigmas[i], sigmas[i + 1]), tensors("noise")[f"brownian_cpuTrue.{i}"], 3e-7, f"step {i}")


@pytest.mark.parametrize("indices", [None, (4, 0, 2)])
def test_batches_change_nothing(indices: tuple[int, ...] | None) -> None:
    whole, parts = part_of(SEEDS), [part_of(SEEDS, 0, 1), part_of(SEEDS, 1, 2)]
    makes = [lambda run: comfy(run, batch_indices=indices)]
    makes += [lambda run: comfy(run, white_from="cuda", brownian_from="cuda")]
    for make in makes:
        assert torch.equal(torch.cat([make(part).start() for part in parts]), make(whole).start())
        for kind in ("white", "brownian"):
            noises = [make(part).steps(kind) for part in parts]
            expected = make(whole).steps(kind)
            for way in ((10.0, 4.0), (4.0, 1.0)):
                assert torch.equal(torch.cat([noise(*way) for noise in noises]), expected(*way)), kind


def test_on_cuda_the_samplers_noise_is_cudas() -> None:
    run = part_of((42, 43))
    assert torch.equal(comfy(run, white_from="cuda").start(), comfy(run).start())
    white, stream = comfy(run, white_from="cuda").steps("white"), CudaStream(42)
    for _ in range(2):
        assert torch.equal(white(2.0, 1.0), stream(run.shape))
    few = comfy(run, white_from="cuda", cuda_threads=256).steps("white")(2.0, 1.0)
    assert torch.equal(few, CudaStream(42, threads=256)(run.shape))
    drawn = [comfy(run, brownian_from=where).steps("brownian")(10.0, 1.0) for where in ("cpu", "cuda")]
    assert torch.equal(drawn[0], comfy(run, white_from="cuda").steps("brownian")(10.0, 1.0))
    assert not torch.equal(drawn[0], drawn[1])


def test_seed_of_white_noise_one_further() -> None:
    run = part_of((2**64 - 1,))
    white = comfy(run, white_seed_delta=1).steps("white")(2.0, 1.0)
    assert torch.equal(white, comfy(part_of((0,))).start())


@pytest.mark.parametrize("indices", [(1,), (0, 1, 2, 3)])
def test_one_index_per_image(indices: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match=rf"one per image: 3 for this request, not {len(indices)} \(.*{indices[-1]}"):
        comfy(part_of(SEEDS), batch_indices=indices)


RUNS = [
    f"{sampler}.normal.{steps}"
    for sampler in ("euler_ancestral", "dpmpp_2s_ancestral", "dpmpp_2m_sde", "dpmpp_3m_sde", "dpmpp_sde")
    for steps in ("10", "5.batch2")
]


@pytest.mark.parametrize("key", RUNS)
def test_whole_runs(key: str) -> None:
    """All of KSampler around a closed-form network; nothing of its noise is given."""
    sampler, _, steps, *batch = key.split(".")
    manager = load_manager(settings=Settings(plugins=("none",)))
    if batch:
        shape, denoise, init = (2, 4, 8, 8), 0.75, tensors("ksampler_toy")["latent_batch2"] * 0.18215
    else:
        shape, denoise, init = (1, 4, 16, 16), 1.0, None
    sigmas = sigmas_for(manager.schedules["normal"].load(), int(steps), params(), denoise)
    model = FormulaModel()
    rules = parameterisation(model.spec)
    run = part_of((42, 43)[: shape[0]], sigmas=sigmas, size=shape[-1] * 8)
    positive, negative = ((Embedding(torch.full((1, 77, 768), value)),) for value in (0.3, -0.1))
    guide = cfg(run, make_evaluate(as_model(model), rules, Conditioning(positive, negative)))

    source, entry = comfy(run), manager.samplers[sampler]
    x = rules.start(init, source.start(), sigmas[0])
    for step in entry.load()(with_alpha(guide, rules.alpha), x, sigmas, source.steps(entry.noise)):
        x = step.x
    assert_close(x / 0.18215, tensors("ksampler_toy")[key], 1e-5, key)
