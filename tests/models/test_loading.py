import shutil
from pathlib import Path

import pytest
import torch

from sdkit.errors import ModelNotFoundError, RequestError, UnknownModelError
from sdkit.models import Library, ModelLoader, embedded, open_checkpoint, sd1
from sdkit.models.placement import own_dtype
from sdkit.settings import Settings
from sdkit.testing.models import shared_checkpoint
from sdkit.types import DiffusionModel


def library(folder: Path) -> Library:
    return Library.of(Settings(models=folder, cache=folder / "cache"))


def load(source: str, folder: Path, device: str = "cpu", dtype: str = "auto") -> DiffusionModel:
    loader = ModelLoader(
        {"sd1": sd1}, lambda path: open_checkpoint(path) if Path(path).exists() else None, library(folder)
    )
    return loader.load(source, device=device, dtype=dtype)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("dreams", "people/portraits"):
        target = tmp_path / "checkpoints" / f"{name}.safetensors"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared_checkpoint(), target)
    return tmp_path


@pytest.mark.parametrize("source", ["dreams", "dreams.safetensors", "people/portraits", "sha256"])
def test_a_model_is_loaded_by_its_name_or_hash(folder: Path, source: str) -> None:
    if source == "sha256":
        source = library(folder).hashes.hashes(folder / "checkpoints" / "dreams.safetensors").auto_v2
        assert load(source, folder).name == "dreams"
    else:
        assert load(source, folder).name == Path(source).stem


def test_a_path_wins_over_a_name_and_keeps_dtype_and_device(folder: Path) -> None:
    model = load(str(shared_checkpoint()), folder, dtype="bfloat16")
    assert (model.name, model.dtype, model.device) == ("random", torch.bfloat16, torch.device("cpu"))


def test_a_name_that_is_not_there_suggests_the_nearest(folder: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no model file 'dream'.*Did you mean 'dreams'\?"):
        load("dream", folder)
    with pytest.raises(ModelNotFoundError, match=r"no model file 'tinny'.*Did you mean 'tiny'\?"):
        load("tinny", folder)
    with pytest.raises(ModelNotFoundError, match=r"no model of that name in .*`sdkit models` lists"):
        load("zzzzzz", folder)


def test_a_device_is_refused_before_the_file_is_opened(folder: Path) -> None:
    with pytest.raises(RequestError, match="no device 'quantum'"):
        load("nothing", folder, device="quantum")


def test_what_only_a_plugin_can_open_reaches_it_as_it_was_given(tmp_path: Path) -> None:
    asked: list[str] = []

    def open_file(source: str) -> None:
        asked.append(source)

    with pytest.raises(ModelNotFoundError):
        ModelLoader({}, open_file, library(tmp_path)).load("gguf:model")
    assert asked == ["gguf:model"]


def test_a_file_that_no_family_knows_is_an_error(folder: Path) -> None:
    with pytest.raises(UnknownModelError, match="No family is registered"):
        ModelLoader({}, open_checkpoint, library(folder)).load("dreams")


def test_a_missing_embedded_model_says_how_to_get_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "__file__", str(tmp_path / "models" / "embedded.py"))
    with pytest.raises(ModelNotFoundError, match=r"tiny\.safetensors\)\. Install sdkit-core again"):
        embedded.embedded_checkpoint()


def test_auto_dtype_is_the_files_own_beyond_the_cpu() -> None:
    gpu = torch.device("cuda", 0)
    assert [own_dtype(stored, gpu) for stored in ("F16", "BF16", "F32", "F64", "F8_E4M3")] == [
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float32,
        torch.float16,
    ]
    assert own_dtype("F16", torch.device("cpu")) == torch.float32
