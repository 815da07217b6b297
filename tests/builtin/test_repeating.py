"""Pictures repeated from their records: what plugins changed is not changed twice, and models are found by hash."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import sdkit
from sdkit.builtin.commands.repeating import model_of
from sdkit.errors import ModelNotFoundError
from sdkit.images import GenerationRecord
from sdkit.models import Library, embedded_checkpoint
from sdkit.settings import Settings
from sdkit.testing import make_pipeline


class Style:
    """Appends a style to every prompt."""

    @sdkit.hookimpl
    def transform_prompt(self, plan):
        return lambda text, seed: f"{text}, in blue" if text else text


def test_a_styled_picture_repeats_bit_for_bit(tmp_path: Path) -> None:
    pipe = make_pipeline(plugins=[Style()])
    first = pipe("a circle", seed=3).images[0]
    request = sdkit.Request.from_image(first.save(tmp_path / "first.png"))
    assert (request.prompt, request.transform_prompts) == ("a circle, in blue", False)
    assert torch.equal(pipe(request).images[0].pixels, first.pixels)
    assert torch.equal(make_pipeline()(request).images[0].pixels, first.pixels)


def test_a_picture_whose_prompt_nobody_changed_leaves_the_next_prompt_to_plugins(tmp_path: Path) -> None:
    path = make_pipeline()("a circle", seed=3).images[0].save(tmp_path / "first.png")
    request = sdkit.Request.from_image(path)
    assert make_pipeline(plugins=[Style()])(request).images[0].prompt == "a circle, in blue"


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder with two checkpoints, dreams and clouds."""
    monkeypatch.setenv("SDKIT_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("SDKIT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "models" / "checkpoints"
    folder.mkdir(parents=True)
    for name in ("dreams", "clouds"):
        (folder / f"{name}.safetensors").write_bytes(name.encode() * 100)
    return folder


def test_a_records_model_is_found_by_hash_whatever_its_name(checkpoints: Path) -> None:
    dreams, clouds = (checkpoints / f"{name}.safetensors" for name in ("dreams", "clouds"))
    hashes = Library.of(Settings.load()).hashes
    digits = hashes.hashes(dreams).sha256
    assert model_of(GenerationRecord(model="dreams", model_sha256=digits)) == str(dreams)
    assert model_of(GenerationRecord(model="clouds", model_sha256=digits)) == str(dreams), "another has its name"
    assert model_of(GenerationRecord(model="gone", model_sha256=digits[:10])) == str(dreams)
    assert model_of(GenerationRecord(model="clouds")) == str(clouds)
    assert model_of(GenerationRecord(model="clouds", model_sha256="ab" * 32)) == str(clouds), "what differs is said"
    assert model_of(GenerationRecord(model="tiny")) == str(embedded_checkpoint())
    assert model_of(GenerationRecord()) is None
    with pytest.raises(ModelNotFoundError, match=r"made with the model 'gone' \(hash abababab.*Say which one to use"):
        model_of(GenerationRecord(model="gone", model_sha256="ab" * 32))
