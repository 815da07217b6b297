"""The record of how a picture was made: GenerationRecord, and the way into a picture's text and back."""

from __future__ import annotations

import functools
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from sdkit.errors import MetadataError
from sdkit.images.a1111 import parse_parameters, write_parameters
from sdkit.images.comfyui import is_graph, read_graph
from sdkit.images.image import Image
from sdkit.images.reading import open_picture
from sdkit.images.texts import PARAMETERS, RECORD, read_text

SCHEMA = 1
LIBRARIES = ("torch", "tokenizers")
"""Whose versions can change a picture's last bits."""


class GenerationRecord(BaseModel):
    """Everything that made one picture. Records of other programs hold less: what they do not know is empty."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, use_attribute_docstrings=True)

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")
    """Version of this record's form."""
    request: dict[str, JsonValue] = Field(default_factory=dict)
    """The resolved request for this one picture, as JSON: its seed, its prompts after wildcards and the like."""
    index: int | None = None
    """Which of the request's pictures this one is, from 0, where they can only be made again together; else None."""
    sdkit: str = ""
    """Version of sdkit."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the libraries that do the arithmetic."""
    plugins: dict[str, str] = Field(default_factory=dict)
    """Versions of the plugins that were enabled, beside sdkit's own, by name."""
    device: str = ""
    """Where the model ran: `cpu`, `cuda:0`."""
    dtype: str = ""
    """In which precision it ran: `float32`."""
    model: str = ""
    """Name of the model."""
    model_sha256: str = ""
    """SHA-256 of the model's file, hex; only its first ten digits where the record is from A1111's text."""
    warnings: tuple[str, ...] = ()
    """What the run warned of, and what went wrong in it and was mended; for pictures of other programs, what sdkit does
    not do as they did."""

    def request_fields(self) -> dict[str, JsonValue]:
        """The fields for `Request(**fields)` that ask for this picture again, of the same model: by hash, where known.

        A1111's text says how much of an initial image was replaced, but does not hold the image; without one, `denoise`
        is left out.
        """
        fields = dict(self.request)
        if not fields.get("init_image"):
            fields.pop("denoise", None)
        return fields | ({"model_sha256": self.model_sha256} if self.model_sha256 else {})


@dataclass(frozen=True)
class PluginVersions:
    """The enabled plugins' versions by name, sdkit's own left out; the pipeline puts it into `Run.stash`."""

    versions: Mapping[str, str] = field(default_factory=dict[str, str])


def to_text_chunks(record: GenerationRecord) -> dict[str, str]:
    """A picture's text by keyword: `sdkit`, the record as JSON (in ASCII, which every tool leaves as it is), and
    `parameters`, the same in A1111's words as far as they go."""
    return {
        RECORD: json.dumps(record.model_dump(mode="json", by_alias=True)),
        PARAMETERS: write_parameters(
            record.request, model=record.model, model_sha256=record.model_sha256, sdkit=record.sdkit
        ),
    }


def read_record(source: Image | str | Path | bytes, name: str = "") -> GenerationRecord:
    """The record in a picture (PNG, JPEG, WebP): sdkit's own, or else A1111's `parameters`, or else ComfyUI's graph.

    Of the others, `warnings` say what sdkit does not do as they did.

    Raises MetadataError if there is none or it cannot be understood, ImageError if the file cannot be read.
    """
    if isinstance(source, Image):
        shown, text = name or "the image", dict(source.text)
    else:
        with open_picture(source, name) as (picture, shown):
            text = read_text(picture)
    if RECORD in text:
        return _parse_record(text[RECORD], shown)
    if PARAMETERS in text:
        found = parse_parameters(text[PARAMETERS])
        return GenerationRecord(
            request=dict(found.request),
            model=str(found.request.get("model", "")),
            model_sha256=found.model_hash,
            warnings=found.notes,
        )
    if "workflow" in text or is_graph(text.get("prompt", "")):
        fields, notes = read_graph(text.get("prompt", ""), shown)
        return GenerationRecord(request=fields, model=str(fields.get("model", "")), warnings=notes)
    holds = f"only {', '.join(sorted(text))}" if text else "no text at all"
    raise MetadataError(
        f"{shown} holds no record of how it was made ({holds}). "
        "Messengers and image editors strip it: use the file as it was written."
    )


def installed_versions() -> dict[str, str]:
    """The versions of sdkit and of the libraries that do the arithmetic, by name, without importing them."""
    versions = {"sdkit": _version("sdkit-core")} | {name: _version(name) for name in LIBRARIES}
    return {name: version for name, version in versions.items() if version}


def differences(
    record: GenerationRecord,
    *,
    model_sha256: str,
    device: str,
    dtype: str,
    plugins: Mapping[str, str],
    versions: Mapping[str, str],
) -> tuple[str, ...]:
    """What is not as it was when the picture was made, in words, the gravest first; empty if the picture should come
    out the same to the bit. What the record does not know is passed over. `versions` is `installed_versions()`."""
    found: list[str] = []
    for name, version in record.plugins.items():
        if name not in plugins:
            found.append(f"the plugin {name!r} ({version or 'no version'}) took part and is not enabled here")
    known, present = record.model_sha256, model_sha256[: len(record.model_sha256)]
    if known and known != present:
        found.append(f"the model was {record.model!r} (sha256 {known[:10]}), here it is {present[:10] or 'of no file'}")
    for name, version in record.plugins.items():
        if name in plugins and plugins[name] != version:
            found.append(f"the plugin {name!r} was {version or 'of no version'}, here it is {plugins[name]}")
    if record.sdkit:  # other programs' records do not say which plugins there were
        for name in plugins:
            if name not in record.plugins:
                found.append(f"the plugin {name!r} is enabled here and was not then")
    else:
        found += record.warnings
    for what, then, now in (("device", record.device, device), ("dtype", record.dtype, dtype)):
        if then and then != now:
            found.append(f"the {what} was {then}, here it is {now}")
    for name, version in ({"sdkit": record.sdkit} | record.versions).items():
        if version and versions.get(name) != version:
            found.append(f"{name} was {version}, here it is {versions.get(name, 'not installed')}")
    return tuple(found)


def _parse_record(text: str, shown: str) -> GenerationRecord:
    try:
        data: object = json.loads(text)
        if isinstance(data, dict) and isinstance(schema := data.get("schema"), int) and schema > SCHEMA:  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] -- JSON
            raise MetadataError(
                f"{shown} was made by a newer sdkit (record {schema}, this one reads {SCHEMA}); update sdkit"
            )
        return GenerationRecord.model_validate(data)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the whole"
        raise MetadataError(f"the record in {shown} is not as sdkit writes it: {where}: {fault['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"the record in {shown} is damaged: {error}") from error


@functools.cache  # finding it parses the distribution's whole metadata, and a process does not change what is installed
def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
