"""Textual inversions (Gal et al., arXiv:2208.01618): the files, and looking them up for the prompts that name them.

Files are those of A1111 (`string_to_param`), kohya's trainer (`emb_params`; for SDXL `clip_l` and `clip_g`) and
diffusers (`<name>`).
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch import Tensor

from sdkit.errors import CheckpointError, RequestError, nearest
from sdkit.types import Prompt, Segment, TextualInversion

if TYPE_CHECKING:
    from sdkit.models.library import Kind, ModelFile

ENCODERS = {"clip_l": "l", "clip_g": "g", "emb_params": ""}
"""Names in files → text encoders; "" is any whose width fits."""

MOST_BYTES = 64 << 20
"""A file larger than this is no textual inversion, and not read."""


class Shelf(Protocol):
    """Where the files are: a `Library`."""

    def list(self, kind: Kind) -> tuple[ModelFile, ...]:
        """The files of a kind."""
        ...


class TextualInversions:
    """The textual inversions of the model folders. Files are read at first use, and again when they change.

    `pickles`: whether files that are pickles (`.pt`, `.bin`) may be read, by torch's loader for weights alone; else
    they raise CheckpointError. Thread-safe.
    """

    def __init__(self, shelf: Shelf, *, pickles: bool = False) -> None:
        self._shelf = shelf
        self._pickles = pickles
        self._read: dict[Path, tuple[tuple[int, int], TextualInversion]] = {}
        self._spotter: tuple[frozenset[str], re.Pattern[str]] | None = None
        self._lock = threading.Lock()

    def get(self, name: str) -> TextualInversion | None:
        """The one of that name, with or without folder and ending, in any case; None if there is none, or if several
        folders have one and none of them is named.

        Raises CheckpointError for a file that is none, or is damaged.
        """
        return self._of(name, self._shelf.list("embeddings"))

    def resolve(self, prompt: Prompt) -> tuple[Prompt, tuple[str, ...]]:
        """The prompt with the textual inversions that it names, and a warning for each that is not there.

        In A1111's dialect a name is enough, or `<name>`; what no file is called is text.
        """
        named = any(segment.inversion is not None for part in (prompt, *prompt.parts) for segment in part.segments)
        if not named and prompt.dialect != "a1111":
            return prompt, ()
        missing: dict[str, None] = {}
        resolved = self._resolved(prompt, self._shelf.list("embeddings"), missing)
        return resolved, tuple(missing)

    def _resolved(self, prompt: Prompt, files: Sequence[ModelFile], missing: dict[str, None]) -> Prompt:
        if prompt.parts:
            return replace(prompt, parts=tuple(self._resolved(part, files, missing) for part in prompt.parts))
        segments = prompt.segments
        if prompt.dialect == "a1111" and files:
            names = self._pattern(frozenset(file.name.rpartition("/")[2].lower() for file in files))
            segments = tuple(piece for segment in segments for piece in _spotted(segment, names))
        found: list[Segment] = []
        for segment in segments:
            if isinstance(segment.inversion, str):
                inversion = self._of(segment.inversion, files)
                if inversion is not None:
                    found.append(replace(segment, inversion=inversion))
                    continue
                missing[_missing(segment.inversion, files)] = None
            found.append(segment)
        return replace(prompt, segments=tuple(found))

    def _of(self, name: str, files: Sequence[ModelFile]) -> TextualInversion | None:
        wanted = name.replace("\\", "/").lower()
        exact = [file for file in files if wanted in _names(file.name, file.path)]
        last = [file for file in files if wanted in _names(file.name.rpartition("/")[2], file.path)]
        for found in (exact[:1], last):
            if len(found) == 1:
                return self._open(found[0])
        return None

    def _pattern(self, names: frozenset[str]) -> re.Pattern[str]:
        """Any of the names as words of their own, the longest first, or in angle brackets."""
        known = self._spotter
        if known is None or known[0] != names:
            words = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
            letter = r"[^\W\d_]"
            text = f"<(?:{words})>|(?<!{letter})(?:{words})(?!{letter})"
            known = self._spotter = names, re.compile(text, re.IGNORECASE)
        return known[1]

    def _open(self, file: ModelFile) -> TextualInversion:
        try:
            stat = file.path.stat()
        except OSError as error:
            raise CheckpointError(f"cannot read {file.path}: {error}") from error
        stamp = stat.st_mtime_ns, stat.st_size
        with self._lock:
            known = self._read.get(file.path)
            if known is None or known[0] != stamp:
                known = self._read[file.path] = stamp, read_inversion(file.path, pickles=self._pickles)
        return known[1]


def read_inversion(path: Path, *, pickles: bool = False) -> TextualInversion:
    """Read a textual inversion's file. Raises CheckpointError for one that is none, is damaged, or is a pickle where
    those are not wanted."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise CheckpointError(f"{path} has {path.stat().st_size} bytes, too many for a textual inversion")
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    if path.suffix.lower() in (".safetensors", ".sft"):
        vectors = _vectors(_safetensors(data, path), path)
    elif pickles:
        vectors = _vectors(_pickled(data, path), path)
    else:
        raise CheckpointError(
            f"{path} is a pickle, which can run any program when it is read. Convert it to safetensors; or, if you "
            "trust it, allow pickles: the setting `pickles`, or SDKIT_PICKLES=1"
        )
    return TextualInversion(path.stem, hashlib.sha256(data).hexdigest(), vectors)


def check_inversions(prompt: Prompt, widths: Mapping[str, int]) -> tuple[str, ...]:
    """What to know of the prompt's textual inversions beside text encoders of these `widths`, "l" and "g": a warning
    for each that only some of them can read.

    Raises RequestError for one that none of them can read, naming both widths.
    """
    warnings: dict[str, None] = {}
    inversions = [segment.inversion for segment in prompt.segments]
    for inversion in [one for one in inversions if isinstance(one, TextualInversion)]:
        deaf = [name for name, width in widths.items() if inversion.of(name).shape[-1] != width]
        found = _listed(vectors.shape[-1] for vectors in inversion.vectors.values())
        told = (
            f"the textual inversion {inversion.name!r} has vectors of {found} numbers, and the model's text "
            f"{'encoders read' if len(widths) > 1 else 'encoder reads'} "
            f"{_listed(widths.values())}"
        )
        if len(deaf) == len(widths):
            raise RequestError(f"{told}: it was made for another family of models. Take it out of the prompt")
        if deaf:
            warnings[f"{told}: it is left out where it does not fit"] = None
    return tuple(warnings)


def _listed(numbers: Iterable[int]) -> str:
    return " and ".join(map(str, sorted(set(numbers))))


def _names(name: str, path: Path) -> tuple[str, str]:
    return name.lower(), f"{name}{path.suffix}".lower()


def _spotted(segment: Segment, names: re.Pattern[str]) -> Sequence[Segment]:
    """A segment of text, cut where it names an inversion."""
    if segment.inversion is not None:
        return (segment,)
    pieces: list[Segment] = []
    position = 0
    for found in names.finditer(segment.text):
        pieces.append(replace(segment, text=segment.text[position : found.start()]))
        pieces.append(replace(segment, text=found[0], inversion=found[0].strip("<>").lower()))
        position = found.end()
    pieces.append(replace(segment, text=segment.text[position:]))
    kept = [piece for piece in pieces if piece.text] or [segment]
    return [kept[0], *(replace(piece, starts_window=False) for piece in kept[1:])]


def _missing(name: str, files: Sequence[ModelFile]) -> str:
    near = nearest(name, [file.name for file in files])
    advice = f"did you mean {' or '.join(map(repr, near))}?" if near else "`sdkit models --kind embeddings` lists them"
    return f"the prompt names the textual inversion {name!r}, which is in no model folder, so it is left out; {advice}"


def _safetensors(data: bytes, path: Path) -> Mapping[str, object]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is no complete safetensors file ({error}); get it again") from error


def _pickled(data: bytes, path: Path) -> Mapping[str, object]:
    try:
        loaded: object = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a hostile or damaged pickle can raise
        reason = (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]  # torch's advice follows it
        raise CheckpointError(f"{path} cannot be read as weights alone ({reason}); get it as safetensors") from error
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} is no textual inversion: it holds a {type(loaded).__name__}, not names")
    named = cast("Mapping[str, object]", loaded)
    inner = named.get("string_to_param")
    if isinstance(inner, Mapping):
        values = list(cast("Mapping[str, object]", inner).values())
        return {"emb_params": values[0]} if values else {}
    return named


def _vectors(named: Mapping[str, object], path: Path) -> Mapping[str, Tensor]:
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    known = {ENCODERS[name]: tensor for name, tensor in tensors.items() if name in ENCODERS}
    if not known and len(tensors) == 1:  # diffusers: one tensor, called as the word that it stands for
        known = {"": next(iter(tensors.values()))}
    vectors = {encoder: (tensor if tensor.ndim > 1 else tensor[None]).float() for encoder, tensor in known.items()}
    shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in sorted(tensors.items())[:3])
    if not vectors or any(tensor.ndim != 2 or not math.prod(tensor.shape) for tensor in vectors.values()):
        raise CheckpointError(
            f"{path} is no textual inversion: expected emb_params, clip_l and clip_g, or string_to_param, of "
            f"[n, width] each; it has {len(tensors)} tensors ({shapes or 'none'})"
        )
    if len({len(tensor) for tensor in vectors.values()}) > 1:
        raise CheckpointError(f"{path} has another number of vectors for each text encoder ({shapes}); it is damaged")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in vectors.values()):
        raise CheckpointError(f"{path} holds NaN or infinity: it is damaged, or its training failed")
    return vectors
