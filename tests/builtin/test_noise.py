"""The noise sources that come with sdkit, and replacing the start."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from pydantic import JsonValue

from sdkit.errors import RequestError, UnknownNameError
from sdkit.hookspecs import hookimpl
from sdkit.plugins import Manager, load_manager
from sdkit.sampling import SeededNoise, noise_for
from sdkit.settings import Settings
from sdkit.types import Run
from tests.sampling._noise_runs import part_of

SEEDS = (4, 2**64 - 1)


def manager(*plugins: object) -> Manager:
    return load_manager(list(plugins), settings=Settings(plugins=("none",)))


def test_sources_and_their_other_names() -> None:
    sources = manager().noise_sources
    assert list(sources) == ["per_image", "comfy", "a1111", "nv"]
    assert dict(sources.aliases) == {
        "comfyui": "comfy",
        "automatic1111": "a1111",
        "webui": "a1111",
        "philox": "nv",
    }
    assert all(entry.summary for entry in sources.values())


@pytest.mark.parametrize("name", ["per_image", "comfy", "a1111", "nv"])
def test_every_source_makes_noise_of_the_runs_shape_with_its_defaults(name: str) -> None:
    run, entry = part_of(SEEDS), manager().noise_sources[name]
    source = entry.load()(run, **entry.check_options({}))
    for drawn in (source.start(), source.steps("white")(10.0, 4.0), source.steps("brownian")(10.0, 4.0)):
        assert drawn.shape == run.shape
        assert drawn.dtype == torch.float32
        assert float(drawn.std()) == pytest.approx(1, abs=0.1)
    assert torch.equal(source.steps("white")(10.0, 4.0), source.steps("white")(10.0, 4.0)), "from the beginning again"


@pytest.mark.parametrize("name", ["per_image", "a1111"])
def test_start_is_drawn_from_each_images_seed(name: str) -> None:
    run = part_of(SEEDS)
    drawn = manager().noise_sources[name].load()(run).start()
    for i, seed in enumerate(run.seeds):
        expected = torch.randn(run.shape[1:], generator=torch.Generator().manual_seed(seed))
        assert torch.equal(drawn[i], expected)


def test_options_arrive() -> None:
    entry = manager().noise_sources["comfy"]
    options = entry.check_options({"batch_indices": [1, 0], "white_from": "cuda"})
    assert options == {
        "batch_indices": (1, 0),
        "white_from": "cuda",
        "white_seed_delta": 0,
        "brownian_from": "cpu",
        "cuda_threads": None,
    }
    swapped = entry.load()(part_of(SEEDS), **options).start()
    assert torch.equal(swapped.flip(0), entry.load()(part_of(SEEDS)).start())


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("per_image", {"eta": 1}, "noise source 'per_image' has no options, so 'eta' cannot be set"),
        ("a1111", {"eta_noise_delta": 1}, "no option 'eta_noise_delta'. Did you mean 'eta_noise_seed_delta'"),
        (
            "comfy",
            {"batch_indices": [0, -1]},
            r"'comfy', option 'batch_indices.1': .*greater than or equal to 0, not -1",
        ),
        ("comfy", {"batch_indices": []}, r"option 'batch_indices': .*at least 1 item"),
        ("comfy", {"white_from": "mps"}, "option 'white_from': .*'cpu' or 'cuda', not 'mps'"),
        ("nv", {"cuda_threads": 1000}, "option 'cuda_threads': .*multiple of 256, not 1000"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict[str, JsonValue], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        manager().noise_sources[name].check_options(options)


def test_wrong_source_is_named() -> None:
    with pytest.raises(UnknownNameError, match="comfy"):
        _ = manager().noise_sources["confy"]


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from sdkit.builtin import noise\n"
        "noise.register_noise_sources(lambda *a, **k: None)\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.hook("make_noise")
def test_a_plugin_replaces_the_start_and_nothing_else() -> None:
    class Flat:
        @hookimpl
        def make_noise(self, run: Run) -> torch.Tensor:
            return torch.ones(run.shape)

    run = part_of((4, 5))
    assert torch.equal(manager(Flat()).answer("make_noise", torch.Tensor, run=run), torch.ones(run.shape))
    source = SeededNoise(run.seeds, run.shape[1:])
    source.start()
    assert torch.equal(noise_for(run, "white", "any")(2.0, 1.0), source(2.0, 1.0))


@pytest.mark.hook("register_noise_sources")
def test_a_plugin_brings_a_source() -> None:
    class Silence:
        def __init__(self, run: Run) -> None:
            self._run = run

        def start(self) -> torch.Tensor:
            return torch.zeros(self._run.shape)

        def steps(self, kind: str) -> Any:
            return lambda sigma, sigma_next: torch.zeros(self._run.shape)

    class Brings:
        @hookimpl
        def register_noise_sources(self, register: Any) -> None:
            register("silence", Silence, summary="Nothing.")

    run, entry = part_of((4, 5)), manager(Brings()).noise_sources["silence"]
    assert not entry.load()(run).start().any()
    assert not noise_for(run, "brownian", "any", entry.load())(2.0, 1.0).any()
