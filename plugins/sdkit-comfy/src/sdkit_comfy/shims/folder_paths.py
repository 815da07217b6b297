"""`folder_paths`: where models and pictures are: the library's folders, and the workspace's inputs and outputs."""

from __future__ import annotations

import mimetypes
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import platformdirs

from sdkit.models import KINDS
from sdkit_comfy.packs.calls import current
from sdkit_comfy.shims.lists import Named

supported_pt_extensions = {".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"}
_FURTHER_KINDS = (
    "audio_encoders", "classifiers", "clip_vision", "configs", "diffusers", "gligen", "hypernetworks", "model_patches",
    "photomaker", "style_models", "vae_approx",
)  # fmt: skip
"""Kinds of models that ComfyUI has folders for and the library has not."""
_OTHER_NAMES = {"unet": "diffusion_models", "clip": "text_encoders"}


class _Folders(Mapping[str, tuple[list[str], set[str]]]):
    """Kind of model → its folders, and the endings of its files. What packs add is kept."""

    def __init__(self) -> None:
        self._added: dict[str, tuple[list[str], set[str]]] = {}

    def __getitem__(self, kind: str) -> tuple[list[str], set[str]]:
        own = _own_kind(kind)
        known = [] if own is None else [str(each) for each in current().library.folders(own)]
        if kind in _FURTHER_KINDS:
            known = [str(current().settings.models.expanduser() / kind)]
        elif kind == "custom_nodes":
            home = current().home
            known = [str(Path("custom_nodes").absolute() if home is None else home.parent)]
        elif own is None and kind not in self._added:
            raise KeyError(kind)
        added = self._added.get(kind, ([], set[str]()))
        return [*known, *added[0]], {*(supported_pt_extensions if known else ()), *added[1]}

    def __setitem__(self, kind: str, value: Any) -> None:
        folders, endings = value
        self._added[kind] = ([str(each) for each in folders], {str(each) for each in endings})

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*KINDS, *_FURTHER_KINDS, "custom_nodes", *self._added)))

    def __len__(self) -> int:
        return len([*iter(self)])

    def add(self, kind: str, folder: str, first: bool) -> None:
        folders, endings = self._added.setdefault(kind, ([], set()))
        if folder not in folders:
            folders.insert(0 if first else len(folders), folder)
        if not endings and _own_kind(kind) is None:
            endings.update(supported_pt_extensions)


def _own_kind(kind: str) -> Any:
    name = _OTHER_NAMES.get(kind, kind)
    return name if name in KINDS else None


folder_names_and_paths = _Folders()


def __getattr__(name: str) -> str:
    folders = {
        "models_dir": lambda: str(current().settings.models.expanduser()),
        "base_path": lambda: str(Path.cwd()),
        "output_directory": get_output_directory,
        "input_directory": get_input_directory,
        "temp_directory": get_temp_directory,
        "user_directory": get_user_directory,
    }
    if name not in folders:
        raise AttributeError(name)
    return folders[name]()


def get_folder_paths(folder_name: str) -> list[str]:
    """The folders of a kind of model."""
    return [*folder_names_and_paths[map_legacy(folder_name)][0]]


def map_legacy(folder_name: str) -> str:
    """Today's name of a kind."""
    return _OTHER_NAMES.get(folder_name, folder_name)


def add_model_folder_path(folder_name: str, full_folder_path: str, is_default: bool = False) -> None:
    """Add a folder for a kind of model, which may be new."""
    folder_names_and_paths.add(map_legacy(folder_name), str(full_folder_path), is_default)


def get_filename_list(folder_name: str) -> list[str]:
    """The names of the models of a kind; sessions know the list by name, so that what is new is there at once."""
    kind = _own_kind(folder_name)
    more = [] if kind is not None and folder_name not in folder_names_and_paths else _listed(map_legacy(folder_name))
    if kind is None:
        return more
    names = [each.name for each in current().library.list(kind)]
    return Named(names, f"models.{kind}") if not set(more) - set(names) else sorted({*names, *more})


def _listed(kind: str) -> list[str]:
    if kind not in folder_names_and_paths:
        raise KeyError(kind)
    folders, endings = folder_names_and_paths[kind]
    found: dict[str, None] = {}
    for folder in map(Path, folders):
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.is_file() and (not endings or path.suffix.lower() in endings):
                found[path.relative_to(folder).as_posix()] = None
    return sorted(found)


def get_full_path(folder_name: str, filename: str) -> str | None:
    """The path of a model; None where there is none."""
    kind = _own_kind(folder_name)
    found = None if kind is None else current().library.get(kind, filename)
    if found is not None:
        return str(found)
    for folder in map(Path, folder_names_and_paths[map_legacy(folder_name)][0]):
        path = folder / filename
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return str(path)
    return None


def get_full_path_or_raise(folder_name: str, filename: str) -> str:
    """The path of a model. Raises FileNotFoundError."""
    path = get_full_path(folder_name, filename)
    if path is None:
        raise FileNotFoundError(f"there is no model {filename!r} among the {folder_name}")
    return path


def get_input_directory() -> str:
    """The first folder of the workspace's inputs."""
    workspace = current().workspace
    places = (Path("input"),) if workspace is None else (*workspace.inputs.places, Path("input"))
    return str(next((each for each in places if each.is_dir() and each != Path()), Path()).absolute())


def get_output_directory() -> str:
    """The workspace's outputs; before there is one, as while packs describe their nodes, an empty folder."""
    workspace = current().workspace
    folder = Path(get_temp_directory()) / "output" if workspace is None else workspace.outputs.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def get_temp_directory() -> str:
    """A folder for files that nobody keeps."""
    folder = Path(tempfile.gettempdir()) / "sdkit-comfy"
    folder.mkdir(exist_ok=True)
    return str(folder)


def get_user_directory() -> str:
    """A folder for what a user has set."""
    return str(Path(platformdirs.user_data_dir("sdkit", appauthor=False)) / "comfy")


def get_directory_by_type(type_name: str) -> str | None:
    """The folder of "input", "output" or "temp"."""
    known = {"input": get_input_directory, "output": get_output_directory, "temp": get_temp_directory}
    return known[type_name]() if type_name in known else None


def annotated_filepath(name: str) -> tuple[str, str | None]:
    """`"a.png [output]"` → `"a.png"` and the folder."""
    for kind in ("input", "output", "temp"):
        if name.endswith(f"[{kind}]"):
            return name.removesuffix(f"[{kind}]").rstrip(), get_directory_by_type(kind)
    return name, None


def get_annotated_filepath(name: str, default_dir: str | None = None) -> str:
    """The path of a picture that a workflow names; it may not be there. Names never lead out of their folder."""
    plain, folder = annotated_filepath(name)
    workspace = current().workspace
    if folder is None and default_dir is None and workspace is not None:
        found = workspace.inputs.get(plain)
        if found is not None:
            return str(found)
    base = Path(folder or default_dir or get_input_directory())
    path = base / plain
    if not path.resolve().is_relative_to(base.resolve()):
        raise ValueError(f"{name!r} leads out of {base}")
    return str(path)


def exists_annotated_filepath(name: str) -> bool:
    """Whether there is such a picture."""
    try:
        return Path(get_annotated_filepath(name)).is_file()
    except ValueError:
        return False


def get_save_image_path(
    filename_prefix: str, output_dir: str, image_width: int = 0, image_height: int = 0
) -> tuple[str, str, int, str, str]:
    """Where to save: folder, beginning of the name, next number, folder below `output_dir`, and the whole prefix.
    Raises ValueError for what leads out of `output_dir`."""
    prefix = filename_prefix.replace("%width%", str(image_width)).replace("%height%", str(image_height))
    below = Path(prefix.replace("\\", "/"))
    folder = Path(output_dir) / below.parent
    if not folder.resolve().is_relative_to(Path(output_dir).resolve()):
        raise ValueError(f"{filename_prefix!r} leads out of {output_dir}")
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [
        int(digits)
        for each in folder.glob(f"{below.name}_*")
        if (digits := each.stem.removeprefix(f"{below.name}_").partition("_")[0]).isdecimal()
    ]
    subfolder = "" if below.parent == Path() else str(below.parent)
    return str(folder), below.name, max(numbers, default=0) + 1, subfolder, prefix


def filter_files_extensions(files: Collection[str], extensions: Collection[str]) -> list[str]:
    """Those of the files that have one of the endings; all if none is named."""
    return sorted(each for each in files if not extensions or Path(each).suffix.lower() in extensions)


def filter_files_content_types(files: Iterable[str], content_types: Iterable[str]) -> list[str]:
    """Those of the files that are pictures ("image"), sounds ("audio") or films ("video")."""
    wanted = tuple(content_types)
    return [each for each in files if (mimetypes.guess_type(each)[0] or "").partition("/")[0] in wanted]


def recursive_search(
    directory: str, excluded_dir_names: Collection[str] | None = None
) -> tuple[list[str], dict[str, float]]:
    """All files below a folder, and the times of all folders."""
    root, skipped = Path(directory), set(excluded_dir_names or ())
    paths = [each for each in sorted(root.rglob("*")) if not skipped & set(each.relative_to(root).parts)]
    times = {str(each): each.stat().st_mtime for each in paths if each.is_dir()}
    return [str(each.relative_to(root)) for each in paths if each.is_file()], times
