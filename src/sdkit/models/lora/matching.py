"""Which weights of a model a LoRA changes, and what of it finds no place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sdkit.errors import LoraKeyError
from sdkit.models.lora.changes import Change
from sdkit.models.lora.names import WeightNames, network_of
from sdkit.models.lora.reading import LoraFile

FAMILIES: Mapping[str, str] = {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL", "sdxl_refiner": "the SDXL refiner"}
"""Families' names for people."""

_CONTEXTS = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl_refiner"}
"""What a network's texts are wide, which tells the family."""
_READS_TEXT = re.compile(r"attn2[._](?:processor[._])?to_k.*(?:lora_down|lora_A|\.down\.|hada_w1_b)")
_OTHERS = (
    ("double_blocks", "FLUX"),
    ("single_transformer_blocks", "FLUX"),
    ("joint_blocks", "SD3"),
    ("lora_transformer_", "a transformer model, such as SD3 or FLUX"),
    ("lora_prior_", "Stable Cascade"),
)
_BY_PLUGIN = re.compile(r"\.(?:hada_|lokr_|oft_|on_input$|[ab][12]\.weight$)")
"""Formats that the package sdkit-lycoris brings."""


@dataclass(frozen=True)
class LoadReport:
    """What became of a LoRA file's keys.

    `matched`: those that change the model. `unused`: those that nobody knows, or that match nothing in this model.
    `missing`: keys that the file should have beside others, and has not.
    """

    matched: tuple[str, ...]
    unused: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class MatchedLora:
    """A LoRA with the weights of one model that it changes, by name, each with its changes in turn."""

    lora: LoraFile
    targets: Mapping[str, tuple[Change, ...]]
    report: LoadReport
    misshapen: str = ""


def match_lora(lora: LoraFile, names: WeightNames) -> MatchedLora:
    """Find the weights that each layer of a LoRA changes. Raises nothing; see `check_match`."""
    targets: dict[str, list[Change]] = {}
    matched: list[str] = []
    unused = list(lora.unknown)
    missing: list[str] = []
    misshapen = ""
    for layer in lora.layers:
        found = names.find(layer.module, layer.parameter)
        missing += layer.missing
        change = layer.change
        target = next((each for each in found if change is not None and change.fits(each.shape)), None)
        if target is not None and change is not None:
            targets.setdefault(target.name, []).append(change)
            matched += layer.keys
            continue
        unused += layer.keys
        if found and change is not None and not misshapen:
            shapes = " and ".join(f"{key} {list(lora.shapes[key])}" for key in sorted(layer.keys)[-2:])
            misshapen = f"{shapes} do not fit {found[0].name}, {list(found[0].shape)}"
    report = LoadReport(tuple(matched), tuple(unused), tuple(missing))
    return MatchedLora(lora, {name: tuple(changes) for name, changes in targets.items()}, report, misshapen)


def check_match(match: MatchedLora, family: str, *, strict: bool) -> tuple[str, ...]:
    """Warnings for what finds no place in a model of this family. Raises LoraKeyError instead if `strict`, and always
    if nothing does."""
    report, path = match.report, match.lora.path
    count = len(match.lora.shapes)
    if not report.unused and not report.missing and match.targets:
        return ()
    here = FAMILIES.get(family, family)
    advice = _advice(match, here)
    detail = f" {match.misshapen}." if match.misshapen else ""
    if not match.targets:
        message = f"none of the {count} keys in {str(path)!r} matches anything in {here}"
    else:
        message = f"{len(report.unused)} of {count} keys in {str(path)!r} match nothing in {here}"
    message = f"{message} (first: {', '.join(report.unused[:2]) or 'none there'}).{detail} {advice}"
    if not match.targets or strict:
        hint = "; LoraSpec(…, strict=False) uses what does match" if match.targets else ""
        raise LoraKeyError(f"{message}{hint}", report.unused)
    return (message,)


def _advice(match: MatchedLora, here: str) -> str:
    """What to do about keys that find no place."""
    lora, missing = match.lora, match.report.missing
    made_for = _made_for(lora)
    if made_for and made_for != here:
        return f"It was made for {made_for}: use a model of that kind, or a LoRA for {here}"
    if any(_BY_PLUGIN.search(key) for key in lora.unknown):
        return "Some are in a format of LyCORIS's: `pip install sdkit-lycoris` brings it"
    if missing:
        return f"It lacks {len(missing)} that should be beside them (first: {missing[0]}): get it again"
    if not lora.layers:
        looks = f"The file looks like {lora.looks_like}" if lora.looks_like else "Is it a LoRA at all?"
        return f"No format that is registered knows any of them. {looks}"
    return "It was made for another model, or is damaged" if match.misshapen else "Was it trained for another family?"


def _made_for(lora: LoraFile) -> str:
    """The family that a LoRA was trained for, in words, as far as its keys and shapes tell; "" if they do not."""
    for key, shape in lora.shapes.items():
        if _READS_TEXT.search(key) and len(shape) > 1 and shape[1] in _CONTEXTS:
            return FAMILIES[_CONTEXTS[shape[1]]]
    for fragment, family in _OTHERS:
        if any(fragment in key for key in lora.shapes):
            return family
    if any(network_of(layer.module) == "text_encoder_2" for layer in lora.layers):
        return FAMILIES["sdxl"]
    return ""
