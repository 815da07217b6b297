"""Models written to files and folders: the same weights come back, and other programs load them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection
from transformers.models.clip.tokenization_clip import CLIPTokenizer

from sdkit.errors import ModelError, RequestError
from sdkit.models import (
    LatentDiffusion,
    detect_family,
    open_checkpoint,
    open_folder,
    save_model,
    sd1,
    sd2,
    sdxl,
    sdxl_refiner,
)
from sdkit.models.diffusers_folder import write_tokenizer
from sdkit.models.tokenizer import EOS, ClipTokenizer, plain_prompt
from sdkit.models.writing import Weight, write_safetensors
from sdkit.testing.models import Kind, random_checkpoint
from sdkit.types import Patch

KINDS: tuple[Kind, ...] = ("sd1", "sd2", "sdxl", "sdxl_refiner", "ssd1b")


def load(path: Path) -> LatentDiffusion:
    file = open_folder(path) if path.is_dir() else open_checkpoint(path)
    family, detection = detect_family(file, [sd1, sd2, sdxl, sdxl_refiner])
    model = family.load(file, detection, device=torch.device("cpu"), dtype="auto")
    assert isinstance(model, LatentDiffusion)
    return model


def weights(path: Path) -> Mapping[str, Tensor]:
    return {name: file.tensor(key) for name, (file, key) in load(path).sources.items()}


def assert_equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for name, weight in expected.items():
        assert found[name].dtype == weight.dtype, name
        assert torch.equal(found[name], weight), name


@dataclass(frozen=True)
class Saved:
    """A model's file, and the folder that it was written to."""

    path: Path
    folder: Path

    @cached_property
    def model(self) -> LatentDiffusion:
        return load(self.path)


@pytest.fixture(scope="module", params=KINDS)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("saving")
    path = random_checkpoint(folder / f"{request.param}.safetensors", kind=request.param)
    return Saved(path, save_model(load(path), folder / "folder", layout="diffusers"))


def test_a_single_file_comes_back_key_by_key(saved: Saved, tmp_path: Path) -> None:
    path = save_model(saved.model, tmp_path / "copy.safetensors")
    assert_equal(load_file(path), load_file(saved.path))


def test_a_folder_holds_the_same_model(saved: Saved, tmp_path: Path) -> None:
    expected = {name: weight for name, weight in weights(saved.path).items() if not name.startswith("image_tower.")}
    assert_equal(weights(saved.folder), expected)
    again = save_model(load(saved.folder), tmp_path / "back.safetensors")
    assert_equal(weights(again), expected)
    assert load(saved.folder).spec == load(again).spec


def test_diffusers_loads_the_folder_and_computes_the_same(saved: Saved) -> None:
    model = saved.model
    embedding = model.encode_text(plain_prompt("a red circle"), 1)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4, 16, 16, generator=generator)
    loaded: Any = UNet2DConditionModel.from_pretrained(saved.folder / "unet", output_loading_info=True)
    unet, info = loaded
    assert not any(info[fault] for fault in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    conditions = None
    if embedding.pooled is not None:
        told = [128, 128, 0, 0, 128, 128] if model.spec.family == "sdxl" else [128, 128, 0, 0, 6]
        conditions = {"text_embeds": embedding.pooled, "time_ids": torch.tensor([told])}
    with torch.no_grad():
        theirs = unet.float()(x, 500, embedding.context, added_cond_kwargs=conditions).sample
    torch.testing.assert_close(theirs, model.predict(x, 500.0, embedding), rtol=1e-4, atol=1e-5)
    vae: Any = AutoencoderKL.from_pretrained(saved.folder / "vae").float()
    with torch.no_grad():
        pictures = vae.decode(x / vae.config["scaling_factor"]).sample
    torch.testing.assert_close(((pictures + 1) / 2).clamp(0, 1), model.decode(x), rtol=1e-4, atol=1e-5)


def test_transformers_reads_the_towers(saved: Saved) -> None:
    model = saved.model
    for text in model.architecture.texts:
        kind: Any = CLIPTextModelWithProjection if text.kind.projects else CLIPTextModel
        tower, info = kind.from_pretrained(saved.folder / text.kind.part, output_loading_info=True)
        assert not any(info[fault] for fault in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        chunk = ClipTokenizer().chunks(plain_prompt("a red circle"), padding=text.kind.padding)[0]
        with torch.no_grad():
            output = tower.float().eval()(torch.tensor([chunk.ids]))
        embedding = model.encode_text(plain_prompt("a red circle"), 1)
        if text.kind.projects:
            torch.testing.assert_close(output.text_embeds, embedding.pooled, rtol=1e-4, atol=1e-5)
        elif len(model.architecture.texts) == 1:
            torch.testing.assert_close(output.last_hidden_state, embedding.context, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", [EOS, 0])
def test_transformers_reads_the_tokenizer(padding: int, tmp_path: Path) -> None:
    write_tokenizer(tmp_path, padding=padding)
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path)
    ids = tokenizer("A (red) circle, déjà vu 123", padding="max_length", max_length=77)["input_ids"]
    assert tuple(ids) == ClipTokenizer().chunks(plain_prompt("A (red) circle, déjà vu 123"), padding=padding)[0].ids


def test_diffusers_reads_the_single_file_and_finds_what_is_in_the_folder(saved: Saved, tmp_path: Path) -> None:
    path = save_model(saved.model, tmp_path / "single.safetensors")
    for kind, part in ((UNet2DConditionModel, "unet"), (AutoencoderKL, "vae")):
        reader: Any = kind
        local = {"subfolder": part, "local_files_only": True}
        found = reader.from_single_file(str(path), config=str(saved.folder), torch_dtype=torch.float16, **local)
        expected = reader.from_pretrained(saved.folder, torch_dtype=torch.float16, **local)
        assert_equal(found.state_dict(), expected.state_dict())


@pytest.mark.parametrize("kind", ["sd1_inpaint", "sdxl_refiner"])
def test_a_pipeline_of_diffusers_loads_the_whole_folder(kind: Kind, tmp_path: Path) -> None:
    import diffusers

    path = random_checkpoint(tmp_path / "m.safetensors", kind=kind)
    folder = save_model(load(path), tmp_path / "folder", layout="diffusers")
    index = json.loads((folder / "model_index.json").read_text("utf-8"))
    loaded = getattr(diffusers, index["_class_name"]).from_pretrained(folder, local_files_only=True)
    assert isinstance(loaded.unet, UNet2DConditionModel)
    assert loaded.unet.config["in_channels"] == load(path).spec.input_channels


def test_v_prediction_and_zero_snr_survive(tmp_path: Path) -> None:
    path = random_checkpoint(tmp_path / "v.safetensors", kind="sdxl", prediction="v", zero_snr=True)
    model = load(path)
    assert model.spec.prediction == "v"
    single = save_model(model, tmp_path / "single.safetensors")
    assert {"v_pred", "ztsnr"} <= set(load_file(single))
    folder = save_model(model, tmp_path / "folder", layout="diffusers")
    assert load(single).spec == load(folder).spec == model.spec
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    assert (scheduler["prediction_type"], scheduler["rescale_betas_zero_snr"]) == ("v_prediction", True)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return random_checkpoint(tmp_path / "small.safetensors", metadata={"modelspec.author": "me", "other": "x"})


def test_another_dtype_and_metadata(small: Path, tmp_path: Path) -> None:
    path = save_model(load(small), tmp_path / "wide.safetensors", dtype="bfloat16")
    expected = load_file(small)
    for name, weight in load_file(path).items():
        assert torch.equal(weight, expected[name].to(torch.bfloat16)), name
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata["modelspec.title"] == "wide"
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1"
    assert (metadata["modelspec.author"], metadata["modelspec.prediction_type"]) == ("me", "epsilon")
    assert "other" not in metadata


def test_patches_are_baked_in_with_one_rounding(small: Path, tmp_path: Path) -> None:
    name = "unet.input_blocks.1.0.in_layers.2.weight"
    third = Patch(key="third", targets=frozenset({name}), apply=lambda _, weight: weight / 3)
    path = save_model(load(small), tmp_path / "baked.safetensors", patches=[third, third])
    found, before = weights(path), weights(small)
    assert torch.equal(found[name], (before[name].float() / 3 / 3).half())
    assert torch.equal(found["unet.out.2.weight"], before["unet.out.2.weight"])


def test_nothing_is_overwritten_unasked_and_nothing_is_left_of_a_failure(small: Path, tmp_path: Path) -> None:
    model = load(small)
    path = tmp_path / "there.safetensors"
    path.write_text("mine")
    with pytest.raises(ModelError, match=r"there\.safetensors' exists already; choose another name, or overwrite it"):
        save_model(model, path)
    assert path.read_text() == "mine"
    save_model(model, path, overwrite=True)
    assert load(path).spec == model.spec
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ModelError, match="exists already"):
        save_model(model, folder, layout="diffusers")
    with pytest.raises(ModelError, match="is no model in diffusers' layout; choose another name"):
        save_model(model, folder, layout="diffusers", overwrite=True)
    folder.rmdir()
    save_model(model, folder, layout="diffusers")
    save_model(model, folder, layout="diffusers", overwrite=True)

    def failing() -> Tensor:
        raise ModelError("no")

    files = set(tmp_path.iterdir())
    with pytest.raises(ModelError, match=r"^no$"):
        write_safetensors(tmp_path / "half.safetensors", [Weight("a", "F32", (2,), failing)], {})
    assert set(tmp_path.iterdir()) == files


def test_what_cannot_be_written_is_said(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(small)
    with pytest.raises(RequestError, match=r"must end so"):
        save_model(model, tmp_path / "model.ckpt")
    with pytest.raises(RequestError, match=r"m\\udce9\.safetensors' is no valid UTF-8"):
        save_model(model, tmp_path / "m\udce9.safetensors")
    with pytest.raises(RequestError, match="float32, float16, bfloat16, not 'float8'"):
        save_model(model, tmp_path / "m.safetensors", dtype="float8")
    with pytest.raises(RequestError, match="single or diffusers, not 'both'"):
        save_model(model, tmp_path / "m.safetensors", layout="both")  # pyright: ignore[reportArgumentType]
    large = Weight("a", "F16", (1,), lambda: torch.tensor([70_000.0]))
    with pytest.raises(ModelError, match=r"the weight a reaches 7e\+04, which does not fit into float16; write"):
        write_safetensors(tmp_path / "m.safetensors", [large], {})
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(ModelError, match=r"it needs 0\.0 GB, and 0\.0 GB are free there"):
        save_model(model, tmp_path / "m.safetensors")
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"cannot write .*: a file is in the way"):
        save_model(model, tmp_path / "file" / "m.safetensors")


def test_tensors_are_made_one_after_another_and_aligned(tmp_path: Path) -> None:
    alive: list[str] = []

    def make(name: str, dtype: torch.dtype) -> Tensor:
        alive.append(name)
        return torch.ones(3, dtype=dtype)

    names = {"a": "U8", "b": "F32", "c": "BF16", "d": "F64"}
    dtypes = {"a": torch.uint8, "b": torch.float32, "c": torch.bfloat16, "d": torch.float64}
    weights = [Weight(name, kind, (3,), lambda n=name: make(n, dtypes[n])) for name, kind in names.items()]
    seen: list[tuple[int, int]] = []
    path = write_safetensors(tmp_path / "m.safetensors", weights, {"k": "ü"}, progress=lambda _, *s: seen.append(s))
    assert alive == ["d", "b", "c", "a"]
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)
    assert len(seen) == 4
    assert {name: weight.dtype for name, weight in load_file(path).items()} == dtypes
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt", "k": "ü"}


def test_numbers_that_are_not_finite_are_never_written(small: Path, tmp_path: Path) -> None:
    name = "unet.middle_block.0.in_layers.2.weight"
    broken = Patch(
        key="b", targets=frozenset({name}), apply=lambda _, weight: weight.index_fill(0, torch.tensor(3), torch.nan)
    )
    with pytest.raises(ModelError, match=r"middle_block\.0\.in_layers\.2\.weight holds numbers that are not finite"):
        save_model(load(small), tmp_path / "m.safetensors", patches=[broken])
    assert not (tmp_path / "m.safetensors").exists()
