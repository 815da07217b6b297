"""Textual inversions: the files, looking them up, and what is told when they do not fit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdkit.errors import CheckpointError, RequestError
from sdkit.models.embeddings import TextualInversions, check_inversions, read_inversion
from sdkit.models.library import Kind, ModelFile
from sdkit.prompts import a1111, comfy, plain
from sdkit.types import Prompt, Segment, TextualInversion

TWO = torch.arange(16.0).view(2, 8)


@dataclass
class Folder:
    """Stands for the model folders."""

    path: Path

    def list(self, kind: Kind) -> tuple[ModelFile, ...]:
        assert kind == "embeddings"
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        return tuple(
            ModelFile(path.relative_to(self.path).with_suffix("").as_posix(), path, path.stat().st_size, kind)
            for path in files
        )


@pytest.fixture
def inversions(tmp_path: Path) -> TextualInversions:
    (tmp_path / "sub").mkdir()
    save_file({"emb_params": TWO}, tmp_path / "Ugly.safetensors")
    save_file({"emb_params": TWO + 1}, tmp_path / "ugly-hands.safetensors")
    save_file({"clip_l": TWO, "clip_g": torch.ones(2, 12)}, tmp_path / "sub" / "both.safetensors")
    return TextualInversions(Folder(tmp_path))


def told(prompt: Prompt) -> list[str]:
    return [s.inversion.name if isinstance(s.inversion, TextualInversion) else s.text for s in prompt.segments]


@pytest.mark.parametrize(
    ("tensors", "encoders"),
    [
        ({"emb_params": TWO}, {"": (2, 8)}),
        ({"clip_l": TWO, "clip_g": torch.ones(2, 12)}, {"l": (2, 8), "g": (2, 12)}),
        ({"<cat-toy>": torch.ones(8)}, {"": (1, 8)}),
        ({"emb_params": TWO.half()}, {"": (2, 8)}),
    ],
)
def test_layouts(tmp_path: Path, tensors: dict[str, torch.Tensor], encoders: dict[str, tuple[int, ...]]) -> None:
    save_file(tensors, tmp_path / "x.safetensors")
    found = read_inversion(tmp_path / "x.safetensors")
    assert {name: tuple(vectors.shape) for name, vectors in found.vectors.items()} == encoders
    assert all(vectors.dtype == torch.float32 for vectors in found.vectors.values())
    assert (found.name, len(found.digest)) == ("x", 64)


def test_pickles_only_where_they_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"string_to_param": {"*": TWO}, "name": "x", "step": 500}, path)
    with pytest.raises(CheckpointError, match=r"is a pickle, which can run any program .* or SDKIT_PICKLES=1"):
        read_inversion(path)
    assert torch.equal(read_inversion(path, pickles=True).vectors[""], TWO)


class Hostile:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("/tmp/sdkit-was-here",)


def test_pickles_never_run(tmp_path: Path) -> None:
    torch.save({"emb_params": Hostile()}, tmp_path / "x.pt")
    with pytest.raises(
        CheckpointError, match=r"cannot be read as weights alone \(Weights only load failed\); get it as safetensors"
    ):
        read_inversion(tmp_path / "x.pt", pickles=True)
    assert not Path("/tmp/sdkit-was-here").exists()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            {"lora.up": TWO, "lora.down": TWO + 1},
            r"is no textual inversion: expected .* it has 2 tensors \(lora.down \[2, 8\]",
        ),
        ({"emb_params": torch.zeros(2, 0)}, "is no textual inversion"),
        ({"emb_params": torch.full((1, 8), torch.nan)}, "holds NaN or infinity"),
        ({"clip_l": TWO, "clip_g": torch.ones(3, 12)}, "another number of vectors"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, tensors: dict[str, torch.Tensor], message: str) -> None:
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=message):
        read_inversion(tmp_path / "x.safetensors")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    for data in (b"", b"\x10\0\0\0\0\0\0\0{}", os.urandom(100)):
        (tmp_path / "x.safetensors").write_bytes(data)
        with pytest.raises(CheckpointError, match="no complete safetensors file"):
            read_inversion(tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="cannot read"):
        read_inversion(tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", ["ugly", "Ugly", "ugly.safetensors", "sub/both", "both", "sub\\both"])
def test_names(inversions: TextualInversions, name: str) -> None:
    assert inversions.get(name) is not None
    assert inversions.get(name) is inversions.get(name)


@pytest.mark.parametrize("name", ["", "..", "../sub/both", "ugl", "/etc/passwd", "ugly.pt"])
def test_names_of_nothing(inversions: TextualInversions, name: str) -> None:
    assert inversions.get(name) is None


def test_a_changed_file_is_read_again(inversions: TextualInversions, tmp_path: Path) -> None:
    before = inversions.get("ugly")
    save_file({"emb_params": TWO * 3}, tmp_path / "Ugly.safetensors")
    os.utime(tmp_path / "Ugly.safetensors", ns=(1, 1))
    after = inversions.get("ugly")
    assert before is not None
    assert after is not None
    assert before != after
    assert torch.equal(after.vectors[""], TWO * 3)


def test_comfy_names_them_and_is_told_of_missing_ones(inversions: TextualInversions) -> None:
    prompt, warnings = inversions.resolve(comfy("a (embedding:ugly:1.2), embedding:uglyy embedding:uglyy both"))
    assert told(prompt) == ["a ", "Ugly", ",", "embedding:uglyy", "embedding:uglyy", " both"]
    assert prompt.segments[1].weight == 1.2
    (warning,) = warnings
    assert "'uglyy', which is in no model folder, so it is left out; did you mean 'Ugly'?" in warning


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("an ugly cat", ["an ", "Ugly", " cat"]),
        ("(UGLY:1.5), <both>", ["Ugly", ", ", "both"]),
        ("ugly-hands, ugly", ["ugly-hands", ", ", "Ugly"]),
        ("uglyness, snugly", ["uglyness, snugly"]),
        ("ugly2 2both", ["Ugly", "2 2", "both"]),
        ("a [cat:ugly:5]", ["a ", "cat", "Ugly"]),
        ("<nothing> here", ["<nothing> here"]),
    ],
)
def test_a1111_finds_them_by_name_alone(inversions: TextualInversions, text: str, expected: list[str]) -> None:
    prompt, warnings = inversions.resolve(a1111(text))
    assert (told(prompt), warnings) == (expected, ())


def test_parts_and_windows_stay(inversions: TextualInversions) -> None:
    prompt, _ = inversions.resolve(a1111("a ugly :2 AND b BREAK ugly"))
    first, second = prompt.parts
    assert (told(first), first.weight, told(second)) == (["a ", "Ugly"], 2.0, [" b", "Ugly"])
    assert [s.starts_window for s in second.segments] == [False, True]


def test_plain_text_names_nothing(inversions: TextualInversions) -> None:
    prompt = plain("embedding:ugly ugly")
    assert inversions.resolve(prompt) == (prompt, ())


def test_widths() -> None:
    narrow = TextualInversion("x", "1", {"": torch.zeros(1, 768)})
    prompt = Prompt("", (Segment("", inversion=narrow), Segment("", inversion=narrow)))
    assert check_inversions(prompt, {"l": 768}) == ()
    with pytest.raises(RequestError, match="'x' has vectors of 768 numbers, and the model's text encoder reads 1024"):
        check_inversions(prompt, {"h": 1024})
    (warning,) = check_inversions(prompt, {"l": 768, "g": 1280})
    assert (
        "768 numbers, and the model's text encoders read 768 and 1280: it is left out where it does not fit" in warning
    )
