"""Small models with attention at every resolution, and one call of their networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sdkit import Pipeline
from sdkit.testing import random_checkpoint
from sdkit.types import AttentionSite, NetworkCall

Site = Callable[..., AttentionSite]


@pytest.fixture(scope="session")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Widths 32, 64 and 128: once, twice and four times the finest level's."""
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    random_checkpoint(path, unet_widths=(32, 64, 128), attention_levels=(0, 1, 2))
    return Pipeline.load(path, device="cpu", dtype="float32")


@pytest.fixture
def attention_site() -> Site:
    """`attention_site(size, latents, …)`: a layer among a feature map's pixels, in a call for latents of a size."""

    def make(size: tuple[int, int], latents: tuple[int, int], **said: Any) -> AttentionSite:
        call = NetworkCall(said.pop("sigma", 1.0), 500.0, (2, 4, *latents), (("negative",), ("positive",)))
        given: dict[str, Any] = {"part": "input", "block": 1, "index": 0, "kind": "self", "heads": 2, "base": 8, **said}
        return AttentionSite(size=size, call=call, **given)

    return make
