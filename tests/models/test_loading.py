import shutil
from pathlib import Path

import pytest
import torch

from sdkit.errors import ModelNotFoundError, RequestError, UnknownModelError
from sdkit.models import embedded, find_checkpoint, load_model, model_files, open_checkpoint, sd1
from sdkit.models.placement import own_dtype
from sdkit.testing.models import shared_checkpoint
from sdkit.types import DiffusionModel


def load(source: str, folder: Path, device: str = "cpu", dtype: str = "auto") -> DiffusionModel:
    return load_model(
        source,
        device=device,
        dtype=dtype,
        families={"sd1": sd1},
        open_file=lambda path: open_checkpoint(path) if Path(path).exists() else None,
        folder=folder,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("dreams", "people/portraits"):
        target = tmp_path / "checkpoints" / f"{name}.safetensors"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared_checkpoint(), target)
    return tmp_path


def test_models_are_listed_by_name_and_found_by_name_or_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = model_files(folder)
    assert [file.name for file in files] == ["dreams", "people/portraits"]
    assert files[1].path == folder / "checkpoints" / "people" / "portraits.safetensors"
    assert files[1].size == shared_checkpoint().stat().st_size
    assert find_checkpoint("people/portraits", folder) == find_checkpoint(str(files[1].path), folder) == files[1].path
    assert find_checkpoint("portraits", folder) is None
    for odd in ("x" * 300, "~nobody_of_that_name/x", "a\0b"):
        assert find_checkpoint(odd, folder) is None
    monkeypatch.chdir(folder)
    (folder / "dreams").mkdir()  # a folder of the model's name does not hide the model
    assert find_checkpoint("dreams", folder) == files[0].path
    assert model_files(folder / "nowhere") == ()


@pytest.mark.parametrize("source", ["dreams", "dreams.safetensors", "people/portraits"])
def test_a_model_is_loaded_by_its_name(folder: Path, source: str) -> None:
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
        load_model("gguf:model", device="cpu", dtype="auto", families={}, open_file=open_file, folder=tmp_path)
    assert asked == ["gguf:model"]


def test_a_file_that_no_family_knows_is_an_error(folder: Path) -> None:
    with pytest.raises(UnknownModelError, match="No family is registered"):
        load_model("dreams", device="cpu", dtype="auto", families={}, open_file=open_checkpoint, folder=folder)


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
