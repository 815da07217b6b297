"""The `parameters` text that AUTOMATIC1111's web UI puts into pictures, and that many programs write and read.

::

    a cat, (masterpiece:1.2)                          the prompt, one line or several
    Negative prompt: dog                              if there is one; may go on over several lines
    Steps: 20, Sampler: Euler a, Seed: 7, …           one line; values with a comma, colon or newline are JSON strings

What the format cannot say: a prompt with a line that begins with "Negative prompt:", and, in a text that has no line of
values, whether its last line is one. sdkit's own record beside it holds everything exactly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from sdkit.images.a1111_values import SAMPLER_OPTIONS, request_of
from sdkit.names import a1111_sampler, a1111_schedule

_NEGATIVE = "Negative prompt:"
_RNGS = {"a1111": "CPU", "nv": "NV"}
_JSON = json.JSONDecoder(strict=False)


@dataclass(frozen=True)
class Parameters:
    """What a `parameters` text says: fields of a request as far as it names them, the beginning of the model's SHA-256
    (ten digits, or ""), and in words what the fields cannot say or sdkit does otherwise."""

    request: Mapping[str, JsonValue]
    model_hash: str = ""
    notes: tuple[str, ...] = ()


def write_parameters(request: Mapping[str, JsonValue], *, model: str, model_sha256: str, sdkit: str) -> str:
    """The text for a picture that was made from `request`, the JSON of a resolved Request for this one picture."""
    sampler, schedule = str(request.get("sampler") or ""), str(request.get("schedule") or "")
    options, noise = _part(request, "sampler_options"), _part(request, "noise_options")
    others = {"Eta" if sampler == "ddim" else "Eta DDIM", "" if sampler.startswith("uni_pc") else "UniPC order"}
    varied = bool(request.get("variation_strength"))
    values: list[tuple[str, JsonValue]] = [
        ("Steps", request.get("steps")),
        ("Sampler", a1111_sampler(sampler) or None),
        ("Schedule type", a1111_schedule(schedule) or None),
        ("CFG scale", request.get("guidance_scale")),
        ("Seed", request.get("seed")),
        ("Size", f"{request['width']}x{request['height']}" if request.get("width") and request.get("height") else None),
        ("Model hash", model_sha256[:10] or None),
        ("Model", model or None),
        ("Variation seed", request.get("variation_seed") if varied else None),
        ("Variation seed strength", request.get("variation_strength") if varied else None),
        ("Denoising strength", request.get("denoise") if request.get("init_image") else None),
        ("Clip skip", request.get("clip_skip")),
        ("ENSD", noise.get("eta_noise_seed_delta") or None),
        ("RNG", _RNGS.get(str(request.get("noise")))),
        *((key, options.get(name)) for key, name in SAMPLER_OPTIONS.items() if key not in others),
        ("Noise Schedule", "Zero Terminal SNR" if request.get("zero_terminal_snr") else None),
        ("Lora hashes", _lora_hashes(request) or None),
        ("Version", f"sdkit {sdkit}"),
    ]
    prompt, negative = str(request.get("prompt") or ""), str(request.get("negative_prompt") or "")
    lines = [prompt] if prompt else []
    if negative:
        lines.append(f"{_NEGATIVE} {negative}")
    lines.append(", ".join(f"{key}: {_written(value)}" for key, value in values if value is not None))
    return "\n".join(lines)


def parse_parameters(text: str) -> Parameters:
    """What the text says. A text without a line of values is a prompt alone.

    Labels that sdkit has no name for stay as they are, so that the error of whoever looks them up can name them. Raises
    MetadataError where a number is none.
    """
    head, _, last = text.rstrip().rpartition("\n")
    values = _pairs(last)
    if "Steps" not in values and len(values) < 3:
        head, values = text, {}
    prompt, negative = _prompts(head)
    fields, notes = request_of(values)
    model_hash = values.get("Model hash", "").lower()
    return Parameters(
        {"prompt": prompt, "negative_prompt": negative, **fields},
        model_hash if re.fullmatch("[0-9a-f]{10,64}", model_hash) else "",
        notes,
    )


def _prompts(head: str) -> tuple[str, str]:
    """Prompt and negative prompt, from the lines above the values. Only "\\n" ends a line."""
    lines = head.split("\n")
    for index, line in enumerate(lines):
        if line.startswith(_NEGATIVE):
            first = line.removeprefix(_NEGATIVE).removeprefix(" ")
            return "\n".join(lines[:index]), "\n".join([first, *lines[index + 1 :]])
    return head, ""


def _pairs(line: str) -> dict[str, str]:
    """The values of a line, by key; empty if it does not begin with `key: value`."""
    values: dict[str, str] = {}
    position = 0
    while position < len(line):
        end = _comma(line, position)
        key, colon, value = line[position:end].partition(":")
        if colon and _is_key(key.strip()):
            text, end = _quoted(line, end - len(value.lstrip())) or (value.strip(), end)
            values.setdefault(key.strip(), text)
        elif not values:
            break  # else it is a bare word between commas: values that older programs forgot to quote
        position = end + 1
    return values


def _comma(line: str, start: int) -> int:
    """Where the next comma is, or the line's end."""
    found = line.find(",", start)
    return len(line) if found < 0 else found


def _is_key(key: str) -> bool:
    return key[:1].isalnum() and all(letter.isalnum() or letter in "_ -/" for letter in key)


def _quoted(line: str, start: int) -> tuple[str, int] | None:
    """The JSON string that begins here, and where the comma after it is; None if it is none, or more than that."""
    if not line.startswith('"', start):
        return None
    try:
        text, stop = _JSON.raw_decode(line, start)
    except ValueError:
        return None
    end = _comma(line, stop)
    return (str(text), end) if not line[stop:end].strip() else None


def _written(value: JsonValue) -> str:
    text = str(value).removesuffix(".0") if isinstance(value, float) else str(value)
    plain = text == text.strip() and not any(mark in text for mark in ',:\n"\\')
    return text if plain else json.dumps(text, ensure_ascii=False)


def _lora_hashes(request: Mapping[str, JsonValue]) -> str:
    """`detail: 0123456789, style: …`, of the request's LoRAs and of those that the prompts name."""
    hashes: dict[str, JsonValue] = {}
    loras = request.get("loras")
    for lora in loras if isinstance(loras, list) else []:
        if isinstance(lora, dict) and lora.get("sha256"):
            name = str(lora.get("name")).replace("\\", "/").rpartition("/")[2]
            hashes[name.removesuffix(".safetensors")] = lora["sha256"]
    named = _part(_part(request, "options"), "loras").get("hashes")
    hashes |= named if isinstance(named, dict) else {}
    return ", ".join(f"{name}: {str(digits)[:10]}" for name, digits in hashes.items())


def _part(request: Mapping[str, JsonValue], name: str) -> dict[str, JsonValue]:
    found = request.get(name)
    return found if isinstance(found, dict) else {}
