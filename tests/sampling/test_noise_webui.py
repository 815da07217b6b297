"""The sources "a1111" and "nv": one stream per image, ENSD, a tree per image."""

from __future__ import annotations

import pytest
import torch

from sdkit.sampling import SeededNoise
from sdkit.sampling.noise.philox import CudaStream
from sdkit.sampling.noise.streams import MakeStream, cpu_stream
from sdkit.sampling.noise.tree import TreeNoise
from sdkit.sampling.noise.webui import a1111, nv
from sdkit.types import MakeNoiseSource
from tests.sampling._figures import tensors
from tests.sampling._noise_runs import part_of

SOURCES = [pytest.param(a1111, cpu_stream, id="a1111"), pytest.param(nv, CudaStream, id="nv")]


@pytest.mark.parametrize(("make", "stream"), SOURCES)
def test_without_ensd_the_starts_streams_go_on(make: MakeNoiseSource, stream: MakeStream) -> None:
    run = part_of((5, 2**64 - 1))
    source = make(run)
    streams = [stream(seed) for seed in run.seeds]
    draws = [torch.stack([draw(run.shape[1:]) for draw in streams]) for _ in range(3)]
    assert torch.equal(source.start(), draws[0])
    white = source.steps("white")
    assert torch.equal(white(2.0, 1.0), draws[1])
    assert torch.equal(white(1.0, 0.5), draws[2])


@pytest.mark.parametrize("delta", [31337, -7, 2**64 - 1])
@pytest.mark.parametrize(("make", "stream"), SOURCES)
def test_with_ensd_white_noise_has_seeds_of_its_own(make: MakeNoiseSource, stream: MakeStream, delta: int) -> None:
    run = part_of((5, 2**64 - 1))
    source = make(run, eta_noise_seed_delta=delta)
    assert torch.equal(source.start(), make(run).start())
    other = SeededNoise([(seed + delta) % 2**64 for seed in run.seeds], run.shape[1:], stream=stream)
    white = source.steps("white")
    for _ in range(2):
        assert torch.equal(white(2.0, 1.0), other.start())


@pytest.mark.parametrize(("make", "stream"), SOURCES)
def test_brownian_noise_is_a_tree_per_image_whatever_the_ensd(make: MakeNoiseSource, stream: MakeStream) -> None:
    sigmas = tuple(float(sigma) for sigma in tensors("sigmas")["normal.10"])
    run = part_of((42, 7), sigmas=sigmas)
    drawn = make(run, eta_noise_seed_delta=3).steps("brownian")(sigmas[1], sigmas[2])
    for i, seed in enumerate(run.seeds):
        alone = TreeNoise([seed], lambda seed: stream(seed)((1, *run.shape[1:])), sigmas)(sigmas[1], sigmas[2])
        assert torch.equal(drawn[i : i + 1], alone)
    expected = tensors("noise")["brownian_cpuTrue.1"]  # of seed 42, drawn on a CPU
    assert torch.allclose(drawn[:1], expected, atol=1e-6) == (make is a1111)


def test_an_image_depends_on_its_own_seed_alone() -> None:
    whole, part = part_of((5, 6, 7)), part_of((5, 6, 7), 1, 2)
    for make in (a1111, nv):
        assert torch.equal(make(whole).start()[1:], make(part).start())
        for kind in ("white", "brownian"):
            assert torch.equal(make(whole).steps(kind)(10.0, 4.0)[1:], make(part).steps(kind)(10.0, 4.0))


def test_threads_reach_the_stream() -> None:
    run = part_of((5,))
    assert torch.equal(nv(run, cuda_threads=256).start()[0], CudaStream(5, threads=256)(run.shape[1:]))
    assert not torch.equal(nv(run, cuda_threads=256).start(), nv(run).start())
