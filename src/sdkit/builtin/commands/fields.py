"""From the words on the command line to a Request, alone or on top of a picture's record."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from sdkit.errors import RequestError
from sdkit.names import choose
from sdkit.request import Request

if TYPE_CHECKING:
    from pydantic import JsonValue

    from sdkit.images import GenerationRecord
    from sdkit.plugins import Manager


def make_request(given: Mapping[str, object], record: GenerationRecord | None) -> Request:
    """A request with the fields that were given, which override those of the record.

    The record's model and output are no part of it: where pictures go is the command line's business, and which model
    runs is known when it is loaded. Options of sampler, schedule, noise and plugins are overridden one by one. A record
    of another program says how much of an initial picture was replaced, but does not hold it: `denoise` counts where
    the picture is given.
    """
    if record is None:
        return Request(**given)
    fields: dict[str, object] = dict(record.request_fields())
    if "init_image" in given and "denoise" in record.request:
        fields["denoise"] = record.request["denoise"]
    for name in ("model", "model_sha256", "output"):
        fields.pop(name, None)
    if "seed" in given or "count" in given:
        fields.pop("seeds", None)
    if "seeds" in given:
        fields.pop("seed", None)
        fields.pop("count", None)
    for name in ("sampler", "schedule", "noise"):
        if name in given and given[name] != fields.get(name):
            fields.pop(f"{name}_options", None)  # they were another one's
    if given.keys() & {"steps", "sampler", "schedule", "sigmas"}:
        for name in ("start_step", "end_step", "leftover_noise"):
            fields.pop(name, None)  # they counted other steps
    if given.keys() & {"steps", "schedule", "denoise"}:
        fields.pop("sigmas", None)
    if "sigmas" in given:
        for name in ("steps", "schedule", "schedule_options", "denoise"):
            fields.pop(name, None)
    merged = {**fields, **given}
    for name in ("sampler_options", "schedule_options", "noise_options", "options"):
        if name in fields and name in given:
            merged[name] = _over(fields[name], given[name])
    return Request(**merged)


def _over(old: object, new: object) -> object:
    """JSON objects merged, all the way down; anything else replaced."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    before, after = cast("dict[str, object]", old), cast("dict[str, object]", new)
    return before | {name: _over(before[name], value) if name in before else value for name, value in after.items()}


def check_names(request: Request, manager: Manager) -> None:
    """Raise UnknownNameError or RequestError for names and options that no plugin knows, before a model is loaded.

    The pipeline checks all of this again; here it saves the seconds until it can.
    """
    choice = choose(request.sampler, request.schedule, samplers=manager.samplers, schedules=manager.schedules)
    if choice.sampler is not None:
        manager.samplers[choice.sampler].check_options({**choice.options, **request.sampler_options})
    if choice.schedule is not None:
        manager.schedules[choice.schedule].check_options(request.schedule_options)
    manager.noise_sources[request.noise].check_options(request.noise_options)
    _ = manager.guidance[request.guidance], manager.syntaxes[request.prompt_syntax]
    manager.validate_options(request.options)


def parse_size(text: str) -> tuple[int, int]:
    """`128x96` → width and height. Raises RequestError."""
    match = re.fullmatch(r"(\d{1,6})[x×](\d{1,6})", text.strip().lower())
    if match is None:
        raise RequestError(f"--size takes width and height, such as 128x96, not {text!r}")
    return int(match[1]), int(match[2])


def parse_seeds(text: str) -> tuple[int, ...]:
    """`1,2,3` → numbers. Raises RequestError."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"--seeds takes whole numbers with commas between, such as 1,2,3, not {text!r}") from None


def parse_sigmas(text: str) -> tuple[float, ...]:
    """`14.6,7,0` → numbers. Raises RequestError."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"--sigmas takes numbers with commas between, such as 14.6,7,3,0, not {text!r}") from None


def parse_lora(text: str) -> tuple[str, *tuple[float, ...]]:
    """`detail:0.8:0.6` → name or path, which may have colons of its own, and at most two strengths."""
    parts, strengths = text.split(":"), list[float]()
    while len(parts) > 1 and len(strengths) < 2:
        try:
            strengths.insert(0, float(parts[-1]))
        except ValueError:
            break
        parts.pop()
    return ":".join(parts), *strengths


def parse_options(texts: Sequence[str], flag: str = "--sampler-option") -> dict[str, JsonValue]:
    """`["eta=0.5"]` → values by name: JSON where it is JSON, text otherwise. Raises RequestError."""
    parsed: dict[str, JsonValue] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name.strip() or not equals:
            wanted = "plugin.name=value" if flag == "--opt" else "name=value"
            raise RequestError(f"{flag} takes {wanted}, not {text!r}")
        parsed[name.strip()] = _value(value)
    return parsed


def parse_plugin_options(texts: Sequence[str]) -> dict[str, dict[str, JsonValue]]:
    """`["wildcards.folder=lists"]` → values by namespace and name. Raises RequestError."""
    parsed: dict[str, dict[str, JsonValue]] = {}
    for path, value in parse_options(texts, "--opt").items():
        namespace, dot, name = path.partition(".")
        if not namespace or not dot or not name:
            raise RequestError(
                f"--opt takes plugin.name=value, such as wildcards.folder=lists, not {path!r} before the ="
            )
        parsed.setdefault(namespace, {})[name] = value
    return parsed


def _value(text: str) -> JsonValue:
    try:
        return cast("JsonValue", json.loads(text, parse_constant=_no_constant))
    except (ValueError, RecursionError):
        return text


def _no_constant(name: str) -> object:
    """NaN and Infinity, which Python's JSON has beside JSON's own: read as text."""
    raise ValueError(name)
