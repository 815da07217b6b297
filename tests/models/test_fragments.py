"""Models that lack parts: what is there works, what is not says so."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdkit.errors import ModelError, UnknownModelError
from sdkit.models import LatentDiffusion, ModelLoader, Parts, open_checkpoint, sd1, sd2, sdxl, sdxl_refiner
from sdkit.models.library import Library
from sdkit.models.tokenizer import plain_prompt
from sdkit.settings import Settings
from sdkit.testing.models import Kind, shared_checkpoint

FAMILIES = {family.name: family for family in (sd1, sd2, sdxl, sdxl_refiner)}
UNET, VAE = "model.diffusion_model.", "first_stage_model."


def load(folder: Path, parts: Parts) -> LatentDiffusion:
    loader = ModelLoader(
        FAMILIES,
        lambda path: open_checkpoint(path) if Path(path).exists() else None,
        Library.of(Settings(models=folder, cache=folder)),
    )
    model = loader.load(None, parts, device="cpu", whole=False)
    assert isinstance(model, LatentDiffusion)
    return model


def cut(source: Path, to: Path, prefix: str) -> str:
    """The part of a checkpoint under a prefix, as a file of its own."""
    weights = load_file(source)
    save_file({key.removeprefix(prefix): w.clone() for key, w in weights.items() if key.startswith(prefix)}, to)
    return str(to)


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl", "sdxl_refiner"])
def test_a_unet_alone_predicts_as_in_its_checkpoint(tmp_path: Path, kind: Kind) -> None:
    source = shared_checkpoint(kind=kind)
    alone = load(tmp_path, Parts(unet=cut(source, tmp_path / "unet.safetensors", UNET)))
    whole = sd1.load if kind == "sd1" else FAMILIES[kind].load
    file = open_checkpoint(source)
    detection = FAMILIES[kind].detect(file)
    model = whole(file, detection, device=torch.device("cpu"))  # pyright: ignore[reportArgumentType] - it is detected
    assert alone.spec.family == kind
    embedding = model.encode_text(plain_prompt("a red circle"))
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(alone.predict(x, 500.0, embedding), model.predict(x, 500.0, embedding))
    with pytest.raises(ModelError, match="without a VAE"):
        alone.decode(x)
    with pytest.raises(ModelError, match="without a text encoder"):
        alone.encode_text(plain_prompt("a red circle"))


def test_text_encoders_alone_are_told_by_their_number_and_stand_in_order(tmp_path: Path) -> None:
    source = shared_checkpoint(kind="sdxl")
    first = cut(source, tmp_path / "l.safetensors", "conditioner.embedders.0.")
    second = cut(source, tmp_path / "g.safetensors", "conditioner.embedders.1.")
    alone = load(tmp_path, Parts(text_encoders=(second, first)))
    file = open_checkpoint(source)
    detection = sdxl.detect(file)
    whole = sdxl.load(file, detection, device=torch.device("cpu"))  # pyright: ignore[reportArgumentType] - detected
    ours, theirs = (model.encode_text(plain_prompt("a red circle")) for model in (alone, whole))
    assert alone.spec.family == "sdxl"
    assert torch.equal(ours.context, theirs.context)
    assert ours.pooled is not None
    assert theirs.pooled is not None
    assert torch.equal(ours.pooled, theirs.pooled)
    with pytest.raises(ModelError, match="without a U-Net"):
        alone.predict(torch.zeros(1, 4, 8, 8), 500.0, ours)


def test_a_vae_alone_decodes_as_in_its_checkpoint(tmp_path: Path) -> None:
    source = shared_checkpoint(kind="sd1")
    alone = load(tmp_path, Parts(vae=cut(source, tmp_path / "vae.safetensors", VAE)))
    file = open_checkpoint(source)
    detection = sd1.detect(file)
    whole = sd1.load(file, detection, device=torch.device("cpu"))  # pyright: ignore[reportArgumentType] - detected
    latents = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(alone.decode(latents), whole.decode(latents))
    assert alone.patched(()) is alone


def test_files_that_fit_no_kind_are_refused(tmp_path: Path) -> None:
    source = shared_checkpoint(kind="sd1")
    text = cut(source, tmp_path / "l.safetensors", "cond_stage_model.")
    with pytest.raises(UnknownModelError, match="no model family has 3 text encoders"):
        load(tmp_path, Parts(text_encoders=(text, text, text)))
