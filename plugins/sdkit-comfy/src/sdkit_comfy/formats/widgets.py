"""`widgets_values` of the UI format: values by position, or by name, or both, or none → values by name.

Positions are those of the editor's fields, in the order of the node type's inputs. Between the inputs' own values stand
those of fields that belong to the editor alone: what becomes of a seed after a run (`"fixed"`, `"randomize"`, …; in the
oldest files true and false), and the button that uploads a picture. Fields that were turned into inputs keep their
position. Files of newer editors name fields in the node's `inputs`, some of them or all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sdkit.graph import Choices, Input, NodeType
from sdkit_comfy.formats.brought import with_brought
from sdkit_comfy.formats.layers import FlatNode, Role
from sdkit_comfy.formats.node_types import is_widget
from sdkit_comfy.formats.strict_json import items, mapping, text

CONTROLS: Final = frozenset({"fixed", "increment", "decrement", "randomize", "increment-wrap"})
"""What the field behind a seed says."""
SEEDS: Final = frozenset({"seed", "noise_seed"})
"""Inputs that have such a field in every editor; others have it where their type says so."""

_UNKNOWN: Final = "*"
_BUTTONS: Final = CONTROLS | {"image", "audio", "video"}
"""What fields that belong to the editor alone say."""


def node_values(entry: Mapping[str, object], node: FlatNode, types: Mapping[str, NodeType]) -> dict[str, object]:
    """The values of the node's fields by name; `entry` is how the file has the node.

    What has no value in the file, or null, is left out: fields that the type got later have their default. Positions of
    an unknown type can be named only if the file lists all of its fields. The editor's own nodes have one field.
    """
    values = entry.get("widgets_values")
    named = {**mapping(values), **mapping(entry.get("widgets_values_named"))}
    listed = [slot.widget for slot in node.slots if slot.widget]
    is_real = node.role is Role.REAL
    fields = _fields(items(values), listed, types.get(node.type)) if is_real else [field("value")]
    found = {**by_position(items(values), fields), **named}
    return {name: _unpacked(value) for name, value in found.items() if value is not None}


def by_position(values: Sequence[object], fields: Sequence[Input]) -> dict[str, object]:
    """The values of these fields, the editor's own left out."""
    return {field.name: value for field, value in zip(fields, values_of_fields(values, fields), strict=False)}


def values_of_fields(values: Sequence[object], fields: Sequence[Input]) -> list[object]:
    """One value for each field, in order, until there are no more."""
    found: list[object] = []
    place = 0
    for number, wanted in enumerate(fields):
        following = fields[number + 1] if number + 1 < len(fields) else None
        while place < len(values) and _is_button(values, place, wanted, len(fields) - number):
            place += 1
        if place >= len(values):
            break
        found.append(values[place])
        place += 1
        if place < len(values):
            spare = len(values) - place > len(fields) - number - 1
            place += _is_control(values[place], wanted, following, spare)
    return found


def field(name: str) -> Input:
    """A field of which nothing is known but its name."""
    return Input(name, _UNKNOWN, required=False)


def fields_of(node_type: NodeType) -> list[Input]:
    """The type's inputs that are fields in the editor."""
    return [each for each in node_type.inputs if is_widget(each)]


def _fields(values: Sequence[object], listed: Sequence[str], node_type: NodeType | None) -> list[Input]:
    """The node's fields in the order of its values: those of its type, unless the file lists all of its own."""
    named = [field(name) for name in listed]
    if node_type is None:
        return named if _is_complete(values, named) else []
    known = with_brought(node_type.name, fields_of(node_type), values)
    names = [each.name for each in known]
    if set(listed) <= set(names) and not _is_older(values, listed, known):
        return known  # in the type's order: the file's may be that in which fields were turned into inputs
    ours = {each.name: each for each in known}
    shared = [name for name in listed if name in ours]
    named = [ours.get(each.name, each) for each in named]
    if shared == [name for name in names if name in listed] and _is_complete(values, named):
        return named
    for name in listed:  # fields that a choice brings along stand behind it: `resize_type`, `resize_type.width`
        owner = name.rpartition(".")[0]
        if name not in names and owner in names:
            place = 1 + max(
                number for number, each in enumerate(names) if each == owner or each.startswith(f"{owner}.")
            )
            names.insert(place, name)
    return [ours.get(name) or field(name) for name in names]


def _is_older(values: Sequence[object], listed: Sequence[str], known: Sequence[Input]) -> bool:
    """Whether the file lists all fields of a type that has more of them today, some not at the end."""
    order = [each.name for each in known if each.name in listed]
    return list(listed) == order and not _is_complete(values, known) and _is_complete(values, [*map(field, listed)])


def _is_complete(values: Sequence[object], fields: Sequence[Input]) -> bool:
    """Whether there are as many values as fields, the editor's own aside."""
    controls = sum(isinstance(value, str) and value in CONTROLS for value in values)
    return bool(fields) and len(values) - controls <= len(fields) <= len(values)


def _is_control(value: object, owner: Input, following: Input | None, spare: bool) -> bool:
    """Whether the value says what becomes of the field before it, and is not the next field's own."""
    if isinstance(value, bool):
        return owner.name in SEEDS and (following is None or spare or "bool" not in following.types)
    if not isinstance(value, str) or value not in CONTROLS:
        return False
    if following is None or owner.name in SEEDS:
        return True
    return spare or not fits(value, following)


def _is_button(values: Sequence[object], place: int, wanted: Input, fields: int) -> bool:
    """Whether the value is a button's: there are more values than fields, and only the next one fits this field."""
    spare = len(values) - place > fields
    return spare and not fits(values[place], wanted) and place + 1 < len(values) and fits(values[place + 1], wanted)


def fits(value: object, wanted: Input) -> bool:
    """Whether the value may be one of this field; where little is known of the field, most may."""
    if isinstance(wanted.choices, tuple) and value in wanted.choices:
        return True
    if wanted.choices is not None:
        return isinstance(value, str) and (isinstance(wanted.choices, Choices) or value not in _BUTTONS)
    for each in wanted.types:
        match each, value:
            case (("int" | "float"), bool()):
                continue
            case (("int" | "float"), int() | float()):
                return True
            case ("int", str()) | ("float", str()):
                if _is_number(value):
                    return True
            case "bool", bool() | 0 | 1:
                return True
            case "str", str():
                return True
            case (("int" | "float" | "bool" | "str"), _):
                continue
            case _:
                return True
    return False


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _unpacked(value: object) -> object:
    """The choice in `{"content": "a.safetensors", "image": …}`, which editors with previews write."""
    choice = mapping(value)
    return text(choice["content"]) if "content" in choice and set(choice) <= {"content", "image", "title"} else value
