"""The way in: a file, its bytes, its text or its JSON, in either format or inside a picture, becomes a graph."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

from sdkit.errors import Fault, GraphError, SdkitError
from sdkit.graph import Graph, NodeType
from sdkit_comfy.formats.api import is_api, read_api
from sdkit_comfy.formats.pictures import HEAD, is_picture, is_safetensors, picture_texts, safetensors_texts
from sdkit_comfy.formats.strict_json import MAX_BYTES, is_object, items, mapping, parse, too_large
from sdkit_comfy.formats.ui import is_ui, read_ui

Format = Literal["api", "ui"]

NO_TYPES: Mapping[str, NodeType] = MappingProxyType({})
_DEPTH = 4
"""So deep workflows are looked for inside of what services wrap them in: `{"input": {"workflow": {…}}}`."""
_WRAPPERS = ("prompt", "output", "workflow", "api", "input", "data")
"""Keys under which they are looked for first."""


def read_workflow(source: str | Path | bytes | Mapping[str, object], types: Mapping[str, NodeType] = NO_TYPES) -> Graph:
    """The graph of a workflow in ComfyUI's API or UI format.

    `source`: a file's path, its bytes, JSON as text, or what that JSON says. Files are JSON, pictures (PNG, WebP,
    JPEG) or latents that ComfyUI saved; of a picture that holds both formats, the API format is read: it is what ran.
    The workflow may be wrapped, as in what is sent to a server: `{"prompt": …}`.

    `types`: the node types that are known. The UI format has values by position, which only a node's type can tell
    apart; of types that are not known, what the file names itself is kept. That a node's type is unknown, an input
    missing or a link dangling is not this function's to say, but `sdkit.graph.check`'s.

    Raises GraphError for a file that holds no workflow, saying what it is, and, with all faults at once, for one that
    is not as ComfyUI writes it: an id given twice, a node without a type, a subgraph inside of itself. ImageError for a
    picture that cannot be read.
    """
    shown = _shown(source)
    data = _load(source, shown)
    found = _find(data)
    if found is None:
        raise GraphError(_not_a_workflow(data, shown))
    kind, workflow = found
    faults: list[Fault] = []
    graph = read_api(workflow, types, faults) if kind == "api" else read_ui(workflow, types, faults)
    if faults:
        raise GraphError.of(dict.fromkeys(faults))
    return graph


def detect(source: str | Path | bytes | Mapping[str, object]) -> Format | None:
    """The format of the workflow in there, "api" or "ui"; None if there is none, or nothing that can be read."""
    try:
        found = _find(_load(source, _shown(source)))
    except (SdkitError, OSError):
        return None
    return None if found is None else found[0]


def _load(source: str | Path | bytes | Mapping[str, object], shown: str) -> object:
    """The JSON in the source; of pictures and latents, their texts by keyword."""
    if isinstance(source, Mapping):
        return source
    if isinstance(source, str) and _is_json(source):
        return parse(source, shown)
    data = Path(source) if isinstance(source, str) else source
    head = _head(data, shown)
    if is_picture(head):
        return _Texts(picture_texts(data))
    if is_safetensors(head):
        return _Texts(safetensors_texts(data, shown))
    if isinstance(data, Path):
        if (size := data.stat().st_size) > MAX_BYTES:
            raise too_large(shown, size)
        data = data.read_bytes()
    return parse(data, shown)


class _Texts(dict[str, str]):
    """The texts of a picture or latent: JSON, if they are ComfyUI's."""


def _find(data: object) -> tuple[Format, Mapping[str, object]] | None:
    """The workflow in the data, the outermost first, and of several the one that is in API format."""
    level = [data]
    for _ in range(_DEPTH):
        opened = [parsed for each in level if (parsed := _opened(each)) is not None]
        for kind, matches in (("api", is_api), ("ui", is_ui)):
            for each in opened:
                if matches(each):
                    return cast("Format", kind), mapping(each)
        level = [inner for each in opened for inner in _inside(each)]
    return None


def _opened(data: object) -> object:
    """The data, or what it says if it is JSON as text; None for other text."""
    if not isinstance(data, str):
        return data
    if not _is_json(data):
        return None
    try:
        return parse(data, "")
    except GraphError:
        return None


def _inside(data: object) -> Iterator[object]:
    """What a workflow may be in, the usual wrappers first."""
    if is_object(data):
        for key in sorted(data, key=lambda key: _WRAPPERS.index(key) if key in _WRAPPERS else len(_WRAPPERS)):
            if isinstance(data[key], Mapping | list | str):
                yield data[key]
    else:
        yield from (each for each in items(data)[:8] if isinstance(each, Mapping | str))


def _not_a_workflow(data: object, shown: str) -> str:
    """What the data is instead, as far as it can be told."""
    keys = list(mapping(data))
    if isinstance(data, _Texts):
        if "parameters" in data:
            return f"{shown} holds no workflow, but A1111's text, which is no graph: read_record reads it"
        holds = f"it holds only {', '.join(sorted(data))}" if data else "it holds no text at all"
        return (
            f"{shown} holds no workflow: {holds}. Messengers and image editors strip it: use the file as it was saved"
        )
    if "sdkit_graph" in keys:
        return f"{shown} is a graph in sdkit's own format: Graph.from_json reads it"
    if {"name", "version"} <= set(keys) and {"dependencies", "devDependencies", "scripts"} & set(keys):
        return f"{shown} is a package.json of Node.js, not a workflow"
    if "nodes" in keys:
        return (
            f"{shown} has nodes, but not as ComfyUI's workflows: a list of objects with a type, and links beside them"
        )
    if any("inputs" in mapping(each) for each in mapping(data).values()):
        return f"{shown} looks like ComfyUI's API format, but no node in it has a class_type"
    if isinstance(data, Mapping):
        named = ", ".join(repr(key) for key in keys[:6]) + (", …" if len(keys) > 6 else "")
        kind = f"an object with {named}" if keys else "an empty object"
    else:
        kind = {"list": "a list", "str": "a text", "NoneType": "null"}.get(type(data).__name__, "a single value")
    return (
        f"{shown} is no workflow of ComfyUI, but {kind}. Workflows are saved with 'Save' (nodes and links) or "
        "'Export (API)' (class_type and inputs)"
    )


def _head(source: Path | bytes, shown: str) -> bytes:
    if isinstance(source, bytes):
        return source[:HEAD]
    try:
        with source.open("rb") as file:
            return file.read(HEAD)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise GraphError(f"cannot read the workflow {shown}: {reason}") from error


def _is_json(source: str) -> bool:
    """Whether a text is JSON rather than a path."""
    return source.lstrip("\ufeff \t\r\n").startswith(("{", "["))


def _shown(source: str | Path | bytes | Mapping[str, object]) -> str:
    if isinstance(source, str | os.PathLike) and not (isinstance(source, str) and _is_json(source)):
        return repr(str(source))
    return "the workflow"
