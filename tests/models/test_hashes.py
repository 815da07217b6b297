"""Hashes by which people call models, their cache, and finding files by them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdkit.errors import ModelNotFoundError
from sdkit.models import HashCache, Library
from sdkit.models.hashes import FileHashes, compute_hashes, hash_in
from sdkit.settings import Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "loras" / "ink.safetensors"
    path.parent.mkdir()
    save_file({"a": torch.arange(300_000).float()}, path, metadata={"by": "me"})
    return path


@pytest.fixture
def cache(tmp_path: Path) -> HashCache:
    return HashCache(tmp_path / "cache")


def test_hashes_are_those_of_their_definitions(path: Path) -> None:
    data = path.read_bytes()
    found = compute_hashes(path)
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.auto_v2 == found.sha256[:10]
    assert found.auto_v1 == hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8]
    assert found.weights == hashlib.sha256(torch.arange(300_000).float().numpy().tobytes()).hexdigest()
    assert found.auto_v3 == found.weights[:12]


def test_the_hash_of_the_weights_stays_when_metadata_change_and_other_files_have_none(tmp_path: Path) -> None:
    for name, metadata in (("a", {"x": "1"}), ("b", {"x": "2", "y": "3"})):
        save_file({"w": torch.ones(5)}, tmp_path / name, metadata=metadata)
    a, b = compute_hashes(tmp_path / "a"), compute_hashes(tmp_path / "b")
    assert a.weights == b.weights
    assert a.sha256 != b.sha256
    (tmp_path / "c").write_bytes(b"PK\x03\x04" + bytes(100))
    found = compute_hashes(tmp_path / "c")
    assert (found.weights, found.auto_v1, len(found.sha256)) == ("", "", 64)


def test_a_file_is_read_once_until_it_changes(path: Path, cache: HashCache, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.known([path]) == {}
    found = cache.hashes(path)
    monkeypatch.setattr("sdkit.models.hashes.compute_hashes", lambda path, progress: FileHashes("new", "", ""))
    assert cache.hashes(path) == found
    assert cache.known([path, path.with_name("gone")]) == {path: found}
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert cache.known([path]) == {}
    assert cache.hashes(path).sha256 == "new"


def test_progress_counts_bytes_to_the_end(path: Path) -> None:
    seen: list[tuple[Path, int, int]] = []
    compute_hashes(path, lambda *state: seen.append(state))
    size = path.stat().st_size
    assert seen[-1] == (path, size, size)


def test_a_cache_that_cannot_be_used_only_costs_time(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert HashCache(tmp_path / "file" / "below").hashes(path) == compute_hashes(path)


def test_a_damaged_cache_is_started_anew(path: Path, cache: HashCache, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "hashes.sqlite3").write_bytes(b"this is no database " * 100)
    assert cache.known([path]) == {}
    expected = compute_hashes(path)
    assert cache.hashes(path) == expected
    assert cache.hashes(path) == expected
    assert cache.known([path]) == {path: expected}


def test_processes_share_a_cache_without_losing_anything(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.bin" for number in range(40)]
    for path in paths:
        path.write_text(path.name)
    program = (
        "import sys; from pathlib import Path; from sdkit.models import HashCache; "
        "cache = HashCache(Path(sys.argv[1])); "
        "[cache.hashes(Path(name)) for name in sys.argv[2:]]"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "cache"), *map(str, paths[part::2])])
        for part in range(2)
    ]
    assert [process.wait(60) for process in started] == [0, 0]
    known = HashCache(tmp_path / "cache").known(paths)
    assert {path: found.sha256 for path, found in known.items()} == {
        path: hashlib.sha256(path.name.encode()).hexdigest() for path in paths
    }


@pytest.mark.parametrize(
    ("name", "digits"),
    [
        ("sha256:ABCDEF12", "abcdef12"),
        ("0123456789", "0123456789"),
        ("e3b0c442", "e3b0c442"),
        ("0123456789ab", "0123456789ab"),
        ("a" * 64, "a" * 64),
        ("sha256:abc", ""),
        ("dreams", ""),
        ("abcdef", ""),
        ("01234567890", ""),
    ],
)
def test_what_is_taken_for_a_hash(name: str, digits: str) -> None:
    assert hash_in(name) == digits


def test_a_model_is_found_by_each_of_its_hashes(path: Path, tmp_path: Path) -> None:
    library = Library.of(Settings(models=tmp_path, cache=tmp_path / "cache"))
    found = compute_hashes(path)
    (tmp_path / "loras" / "small.safetensors").write_bytes(b"too small for the older hash")
    for name in (found.auto_v1, found.auto_v2, found.auto_v3, found.sha256, f"SHA256:{found.sha256[:6]}"):
        assert library.find("loras", name) == path, name
    assert library.get("checkpoints", found.auto_v2) is None
    with pytest.raises(ModelNotFoundError, match="there is no LoRA 'sha256:0123456789'"):
        library.find("loras", "sha256:0123456789")


def test_known_hashes_come_before_unknown_ones(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library.of(Settings(models=tmp_path, cache=tmp_path / "cache"))
    digits = library.hashes.hashes(path).auto_v2
    (tmp_path / "loras" / "a.safetensors").write_bytes(b"not read yet")

    def never(*_: object) -> FileHashes:
        raise AssertionError("read a file without need")

    monkeypatch.setattr("sdkit.models.hashes.compute_hashes", never)
    assert library.find("loras", digits) == path


def test_a_name_that_looks_like_a_hash_is_a_name_first(tmp_path: Path) -> None:
    name = tmp_path / "loras" / "0123456789.safetensors"
    name.parent.mkdir()
    name.touch()
    assert Library.of(Settings(models=tmp_path, cache=tmp_path / "cache")).find("loras", "0123456789") == name


def test_the_beginning_of_several_hashes_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library.of(Settings(models=tmp_path, cache=tmp_path / "cache"))
    (tmp_path / "loras").mkdir()
    for name in ("a", "b"):
        path = tmp_path / "loras" / f"{name}.pt"
        path.write_text(name)
        monkeypatch.setattr(
            "sdkit.models.hashes.compute_hashes", lambda path, progress: FileHashes(f"abcdef{path.stem}", "", "")
        )
        library.hashes.hashes(path)
    with pytest.raises(ModelNotFoundError, match=r"several models begin with 'abcdef': .*a\.pt, .*b\.pt\. Give more"):
        library.find("loras", "sha256:abcdef")
