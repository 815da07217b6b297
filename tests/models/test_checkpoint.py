import hashlib
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdkit.errors import CheckpointError, ModelNotFoundError
from sdkit.models import open_checkpoint

GOOD = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}


def written(path: Path, header: object, data: bytes = bytes(24), length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(**changes: object) -> dict[str, object]:
    return {"a": {**GOOD["a"], **changes}}


def test_a_sound_file_gives_names_shapes_dtypes_metadata_and_tensors(tmp_path: Path) -> None:
    weights = {"x": torch.arange(6.0).reshape(2, 3), "h": torch.ones(4, dtype=torch.float16), "s": torch.tensor(7)}
    save_file(weights, tmp_path / "w.safetensors", metadata={"title": "test"})
    with open_checkpoint(tmp_path / "w.safetensors") as file:
        assert {key: (info.shape, info.dtype, info.count) for key, info in file.infos.items()} == {
            "x": ((2, 3), "F32", 6),
            "h": ((4,), "F16", 4),
            "s": ((), "I64", 1),
        }
        assert file.metadata == {"title": "test"}
        assert file.size == (tmp_path / "w.safetensors").stat().st_size
        assert all(torch.equal(file.tensor(key), weight) for key, weight in weights.items())


def test_tensors_are_views_of_the_mapped_file_and_outlive_it(tmp_path: Path) -> None:
    save_file({"x": torch.arange(6.0)}, tmp_path / "w.safetensors")
    file = open_checkpoint(tmp_path / "w.safetensors")
    first, second = file.tensor("x"), file.tensor("x")
    assert first.data_ptr() == second.data_ptr()
    file.close()
    assert first.sum() == 15
    with pytest.raises(CheckpointError, match="was closed"):
        file.tensor("x")
    with pytest.raises(KeyError, match="y"):
        open_checkpoint(tmp_path / "w.safetensors").tensor("y")


def test_sha256_is_that_of_the_whole_file(tmp_path: Path) -> None:
    file = open_checkpoint(written(tmp_path / "w.safetensors", GOOD))
    assert file.sha256() == hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()


def test_a_missing_file_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=re.escape(f"no model file {tmp_path / 'x.safetensors'}")):
        open_checkpoint(tmp_path / "x.safetensors")


def test_a_file_that_was_replaced_since_is_said_to_be(tmp_path: Path) -> None:
    for replacement, what in (
        ({"b": torch.ones(1)}, "does not contain tensor a"),
        ({"a": torch.ones(6)}, r"\[6\] now"),
    ):
        file = open_checkpoint(written(tmp_path / "w.safetensors", GOOD))
        save_file(replacement, tmp_path / "w.safetensors")
        with pytest.raises(CheckpointError, match=f"changed or went away after it was opened: .*{what}.*Load it again"):
            file.tensor("a")


def test_a_name_too_long_for_a_path_is_one_clear_error() -> None:
    with pytest.raises(CheckpointError, match=r"x cannot be read: .*Check the path"):
        open_checkpoint("x" * 300)


def test_a_folder_and_a_device_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is a folder"):
        open_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="not a regular file"):
        open_checkpoint("/dev/null")


BAD_HEADERS: dict[str, tuple[object, str]] = {
    "not JSON": (b"{nonsense", "no valid JSON"),
    "not UTF-8": (b'{"\xff": 1}', "no valid JSON"),
    "nested too deeply": (b'{"a":' + b"[" * 100_000, "no valid JSON"),
    "a number of 5000 digits": (b'{"a":' + b"9" * 5000 + b"}", "no valid JSON"),
    "a name twice": (b'{"a": {}, "a": {}}', "'a' appears twice"),
    "metadata that is no object": ({"__metadata__": "x", **GOOD}, "metadata is no JSON object"),
    "metadata that is an empty list": ({"__metadata__": [], **GOOD}, "metadata is no JSON object"),
    "a blank before the object": (b" " + json.dumps(GOOD).encode(), "header is no JSON object"),
    "metadata that is no text": ({"__metadata__": {"n": 1}, **GOOD}, "field 'n' is no text"),
    "an entry that is no object": ({"a": 5}, "entry of tensor 'a' is malformed"),
    "an entry without shape": ({"a": {"dtype": "F32", "data_offsets": [0, 24]}}, "entry of tensor 'a' is malformed"),
    "a negative side": (entry(shape=[-2, -3]), "entry of tensor 'a' is malformed"),
    "a side that is true": (entry(shape=[True]), "entry of tensor 'a' is malformed"),
    "three offsets": (entry(data_offsets=[0, 24, 48]), "entry of tensor 'a' is malformed"),
    "an unknown dtype": (entry(dtype="F99"), "unknown dtype 'F99'"),
    "a shape that does not fit": (entry(shape=[2, 4]), r"shape \[2, 4\] in F32 needs 32 bytes, but has 24"),
    "an impossible shape": (entry(shape=[2**40, 2**40]), "'a' claims an impossible shape"),
    "offsets the wrong way round": (entry(data_offsets=[24, 0]), "needs 24 bytes, but has -24"),
    "an overlap": ({**GOOD, "b": {**GOOD["a"], "data_offsets": [8, 32]}}, "'b' overlaps its neighbour"),
    "two tensors in one place": ({**GOOD, "b": GOOD["a"]}, "'b' overlaps its neighbour"),
    "a gap": (entry(data_offsets=[4, 28]), "'a' leaves a gap"),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_a_damaged_header_is_one_clear_error(tmp_path: Path, name: str) -> None:
    header, message = BAD_HEADERS[name]
    path = written(tmp_path / "bad.safetensors", header, bytes(32))
    with pytest.raises(
        CheckpointError, match=rf"bad\.safetensors is a damaged safetensors file: .*{message}.*Fetch the file again"
    ):
        open_checkpoint(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"12345"), "5 bytes hold no safetensors header"),
        (lambda path: written(path, GOOD, length=2**60), "claims a header of 1,152,921,504,606,846,976 bytes"),
        (lambda path: written(path, b'{"a', b"", length=500), "cut off in its header: 508 bytes expected, 11 found"),
        (lambda path: written(path, GOOD, bytes(10)), "its tensors need 24 bytes, 10 are there"),
        (lambda path: written(path, GOOD, bytes(30)), "6 bytes follow the last tensor"),
        (lambda path: written(path, b"[1]"), "no JSON object"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)), "but a PNG picture"),
        (lambda path: path.write_bytes(b"<!DOCTYPE html><html>"), "but a web page.*needed a login"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS .*git lfs pull"),
        (lambda path: path.write_bytes(pickle.dumps({"state_dict": {}})), "pickle.*Use the .safetensors version"),
        (lambda path: torch.save({"a": torch.zeros(2)}, path), "a pickled PyTorch checkpoint.*convert"),
        (lambda path: zipfile.ZipFile(path, "w").writestr("x", "y"), "but a zip archive. Unpack it"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1}, protocol=0)), "a Python pickle.*SDKIT_PICKLES=1"),
        (lambda path: path.write_bytes(b"cposix\nsystem\np0\n(S'ls'\np1\n" + bytes(9)), "a Python pickle"),
        (lambda path: path.write_bytes(b"GGUF\x03" + bytes(99)), "but a GGUF file. Use the .safetensors version"),
        (lambda path: path.write_bytes(b"\x08\x07\x12\x07pytorch\x1a\x052.0.1" + bytes(99)), "but an ONNX model"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "but an HDF5 file"),
        (lambda path: path.write_bytes(b"%PDF-1.7 x"), "a PDF document"),
        (lambda path: path.write_bytes(b"Rar!\x1a\x07\x01" + bytes(99)), "a RAR archive. Unpack it"),
        (lambda path: path.write_bytes(bytes(257) + b"ustar" + bytes(99)), "a tar archive. Unpack it"),
        (lambda path: path.write_bytes(b"\n <!doctype html>\n<html>"), "but a web page.*needed a login; fetch"),
        (
            lambda path: path.write_bytes(b'{"error": "You must log in to read this"}'),
            "but a text, perhaps a server's error message: '{\"error\": \"You must log in.*needed a login",
        ),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_says_what_it_is_and_what_to_do(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "bad.ckpt"
    make(path)
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(path)
    assert str(path) in str(caught.value)


def test_a_header_whose_length_looks_like_a_pickle_is_read_all_the_same(tmp_path: Path) -> None:
    text = json.dumps(GOOD).encode().ljust(0x280)  # 80 02 00 …: how a pickle begins
    assert list(open_checkpoint(written(tmp_path / "w.safetensors", text)).infos) == ["a"]


def test_a_megabyte_of_name_does_not_fill_the_message(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(written(tmp_path / "w.safetensors", {"n" * 1_000_000: 1}))
    assert len(str(caught.value)) < 1000


def test_eight_threads_read_the_same_tensors(tmp_path: Path) -> None:
    weights = {str(index): torch.full((1000,), float(index)) for index in range(50)}
    save_file(weights, tmp_path / "w.safetensors")
    file = open_checkpoint(tmp_path / "w.safetensors")
    wrong: list[str] = []

    def read() -> None:
        wrong.extend(key for key, weight in weights.items() if not torch.equal(file.tensor(key), weight))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_looking_into_a_file_needs_no_torch(tmp_path: Path) -> None:
    path = written(tmp_path / "w.safetensors", GOOD)
    program = (
        "import sys; from sdkit.models import inspect_file, sd1; "
        f"report = inspect_file({str(path)!r}, [sd1]); assert report.declined, report; "
        "assert not {'torch', 'numpy', 'transformers', 'diffusers'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_tensors_can_be_read_while_the_file_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"x": torch.arange(6.0)}, tmp_path / "w.safetensors")
    file = open_checkpoint(tmp_path / "w.safetensors")
    hashing, read = threading.Event(), threading.Event()
    digest = hashlib.file_digest

    def slowly(stream: BufferedReader, name: str) -> object:
        hashing.set()
        assert read.wait(10)
        return digest(stream, name)

    monkeypatch.setattr(hashlib, "file_digest", slowly)
    thread = threading.Thread(target=file.sha256)
    thread.start()
    assert hashing.wait(10)
    assert file.tensor("x").sum() == 15
    read.set()
    thread.join()


def test_a_name_that_is_no_text_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path / "caf") + b"\xe9.safetensors"))
    try:
        save_file({"x": torch.zeros(1)}, tmp_path / "w.safetensors")
        (tmp_path / "w.safetensors").rename(path)
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    with pytest.raises(CheckpointError, match=r"caf\\udce9.*no valid UTF-8.*Rename the file") as caught:
        open_checkpoint(path)
    str(caught.value).encode()
