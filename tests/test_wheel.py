"""The package as a stranger gets it: built, installed into a fresh environment outside the checkout, drawing offline.

The heavy dependencies are not downloaded again: the fresh environment sees the packages of the one that runs the tests
through links, all but sdkit itself and the plugins, which are installed in place there. So nothing of ours can come
from anywhere but the wheel, `pip check` compares the wheel's own requirements with what is there, and a file that is
missing from the wheel is missing in the test. What this cannot see is whether an index still serves the dependencies;
CI's own `make setup` does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests._sources import ROOT

pytestmark = pytest.mark.slow

NO_NETWORK = Path(__file__).with_name("_offline.py").read_text("utf-8") + "\n\ncut_network()\n"
MAX_WEIGHTS = 32_000_000


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command with nothing of the checkout in its environment; its output."""
    keep = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG", "OMP_NUM_THREADS") if name in os.environ
    }
    quiet = {"HF_HUB_OFFLINE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=keep | quiet,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{command} → {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel that is built from it, not from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    (found,) = built.glob("sdkit_core-*.whl")
    return found


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; its folder of programs."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", cwd=folder)
    programs = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    site = next((folder / "env").glob("**/site-packages"))

    borrowed = folder / "borrowed"
    borrowed.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "sdkit" not in entry.name and entry.suffix != ".pth" and entry.name != "__pycache__":
            (borrowed / entry.name).symlink_to(entry, target_is_directory=entry.is_dir())
    (site / "borrowed.pth").write_text(f"{borrowed}\n")
    (site / "sitecustomize.py").write_text(NO_NETWORK)

    install = ["-m", "pip", "--python", programs / "python", "install", "--quiet", "--no-deps", "--no-index"]
    run(sys.executable, *install, wheel, cwd=folder)
    return programs


def test_wheel_has_everything_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        info = next(name for name in sizes if name.endswith(".dist-info/METADATA")).removesuffix("METADATA")
        metadata = archive.read(info + "METADATA").decode()
    assert {info + "licenses/LICENSE", info + "licenses/NOTICE"} <= set(sizes)
    assert "License-Expression: Apache-2.0" in metadata
    assert {"sdkit/py.typed", "sdkit/weights/MODEL_CARD.md"} <= set(sizes)
    (weights,) = [name for name in sizes if name.startswith("sdkit/weights/") and name.endswith(".safetensors")]
    assert 1_000_000 < sizes[weights] <= MAX_WEIGHTS
    data = [name for name in sizes if name.startswith("sdkit/models/data/")]
    assert any("licen" in name.lower() for name in data), f"the vocabulary's licence is not beside it: {data}"
    assert len(data) >= 2
    assert not [name for name in sizes if not name.startswith(("sdkit/", info))], "nothing else belongs in the wheel"


def test_sdist_can_be_built_from_and_tested(built: Path) -> None:
    (sdist,) = built.glob("sdkit_core-*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "NOTICE", "README.md", "pyproject.toml", "src/sdkit/__init__.py", "tests/conftest.py"} <= names


def test_dependencies_are_met_as_the_wheel_states_them(fresh: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "pip", "--python", fresh / "python", "check", cwd=tmp_path)


def test_nothing_comes_from_the_checkout(fresh: Path, tmp_path: Path) -> None:
    place = run(fresh / "python", "-c", "import sdkit; print(sdkit.__file__)", cwd=tmp_path).strip()
    assert Path(place).is_relative_to(fresh.parent)
    paths = run(fresh / "python", "-c", "import sys; print(*sys.path, sep='\\n')", cwd=tmp_path)
    assert str(ROOT / "src") not in paths


def test_the_network_is_cut(fresh: Path, tmp_path: Path) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    with pytest.raises(AssertionError, match="the tests run without network"):
        run(fresh / "python", "-c", code, cwd=tmp_path)


def test_it_draws_a_picture_offline(fresh: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [fresh / "sdkit", "generate", "a red circle on a blue background", "-o", "out.png"]
    if shutil.which("unshare") and not subprocess.run(["unshare", "-rn", "true"], check=False).returncode:
        command = ["unshare", "-rn", *command]  # on Linux, where allowed: a network with no cables at all
    run(*command, "--seed", "7", cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (128, 128)
        rgb = picture.convert("RGB")
        corners = [rgb.getpixel(corner) for corner in ((3, 3), (124, 3), (3, 124), (124, 124))]
    blue = [corner for corner in corners if isinstance(corner, tuple) and corner[2] > max(corner[0], corner[1]) + 40]
    assert len(blue) >= 3, f"the background is blue; the corners are {corners}"
