import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sdkit.builtin import checkpoints
from sdkit.errors import CheckpointError
from sdkit.models import SafetensorsFile, detect_family, open_checkpoint, sd1
from sdkit.models.tokenizer import plain_prompt
from sdkit.testing.models import shared_checkpoint


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("boom",))


def pickled(path: Path, content: object, **options: bool) -> Path:
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "old"])
def test_weights_of_a_pickle_are_those_of_the_safetensors_file(tmp_path: Path, options: dict[str, bool]) -> None:
    content = {"state_dict": load_file(shared_checkpoint()), "epoch": 3}
    path = pickled(tmp_path / "m.ckpt", content, **options)
    with pytest.raises(CheckpointError, match=r"pickles can run code.*SDKIT_PICKLES=1"):
        open_checkpoint(path)
    file, expected = open_checkpoint(path, pickles=True), open_checkpoint(shared_checkpoint())
    assert dict(file.infos) == dict(expected.infos)
    assert len(file.sha256()) == 64
    models = [sd1.load(each, detect_family(each, [sd1])[1], device=torch.device("cpu")) for each in (file, expected)]
    contexts = [model.encode_text(plain_prompt("a cat")).context for model in models]
    assert torch.equal(*contexts)
    file.close()
    with pytest.raises(CheckpointError, match="was closed"):
        file.tensor(next(iter(file.infos)))


def test_a_pickle_that_would_run_code_is_refused_even_then(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = pickled(tmp_path / "m.ckpt", {"state_dict": {"x": torch.zeros(1)}, "bomb": Bomb()})
    with pytest.raises(CheckpointError, match=r"m\.ckpt holds more than weights.*Use the \.safetensors version"):
        open_checkpoint(path, pickles=True)
    assert capsys.readouterr().out == ""


def test_what_is_no_checkpoint_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="without weights by name"):
        open_checkpoint(pickled(tmp_path / "a.pt", [torch.zeros(1)]), pickles=True)
    (tmp_path / "b.pt").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(CheckpointError, match="cannot be read as a PyTorch checkpoint"):
        open_checkpoint(tmp_path / "b.pt", pickles=True)
    (tmp_path / "c.pt").write_bytes(pickle.dumps({"a": 1}, protocol=2)[:-3])
    with pytest.raises(CheckpointError, match=r"c\.pt"):
        open_checkpoint(tmp_path / "c.pt", pickles=True)


def test_the_setting_allows_pickles_and_changes_nothing_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(pickled(tmp_path / "m.ckpt", {"x": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match="pickles can run code"):
        checkpoints.load_checkpoint(path)
    monkeypatch.setenv("SDKIT_PICKLES", "1")
    file = checkpoints.load_checkpoint(path)
    assert file is not None
    assert list(file.infos) == ["x"]
    assert isinstance(checkpoints.load_checkpoint(str(shared_checkpoint())), SafetensorsFile)
