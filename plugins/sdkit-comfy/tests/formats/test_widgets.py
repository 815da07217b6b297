"""`widgets_values`: which value belongs to which input."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sdkit.graph import NodeType
from sdkit_comfy.formats import read_workflow

Types = dict[str, NodeType]
NodeMaker = Callable[..., dict[str, object]]

FULL = {"seed": 7, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "denoise": 0.5}


def read(made: dict[str, object], types: Types) -> dict[str, object]:
    return read_workflow({"nodes": [made], "links": []}, types).nodes["1"].inputs


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7, "randomize", 20, 8.0, "euler", 0.5], FULL),  # one value more than there are fields
        ([7, True, 20, 8.0, "euler", 0.5], FULL),  # as the oldest files have it
        ([7, 20, 8.0, "euler", 0.5], FULL),  # without
        ([7, "fixed", 20, 8.0, "euler"], {k: v for k, v in FULL.items() if k != "denoise"}),
        ([7], {"seed": 7}),
        ([7, True, 20], {"seed": 7, "steps": 20}),
        ([], {}),
        (None, {}),
        ([7, "fixed", 20, 8.0, "euler", 0.5, "what", "else"], FULL),
        ([7, "fixed", None, 8.0, "euler", 0.5], {k: v for k, v in FULL.items() if k != "steps"}),
        ({"seed": 7, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "denoise": 0.5, "preview": {"x": 1}}, FULL),
        ([7, "fixed", 20, 8.0, {"content": "euler", "image": None}, 0.5], FULL),
    ],
)
def test_values_by_position(types: Types, node: NodeMaker, values: object, expected: dict[str, object]) -> None:
    assert read(node(1, "Sampler", "model:MODEL positive:CONDITIONING", "", values), types) == expected


def test_null_in_place_of_the_values(types: Types, node: NodeMaker) -> None:
    assert read(node(1, "Sampler") | {"widgets_values": None}, types) == {}


def test_the_upload_button_has_no_name(types: Types, node: NodeMaker) -> None:
    expected = {"image": "a.png", "channel": "red"}
    assert read(node(1, "Upload", values=["a.png", "red", "image"]), types) == expected
    assert read(node(1, "Upload", values=["a.png", "image", "red"]), types) == expected


def test_a_control_word_that_is_the_next_fields_own_stays_there(types: Types, node: NodeMaker) -> None:
    assert read(node(1, "Number", values=[3, "fixed"]), types) == {"value": 3, "mode": "fixed"}
    assert read(node(1, "Number", values=[3, "randomize", "free"]), types) == {"value": 3, "mode": "free"}
    assert read(node(1, "Number", values=[3, "fixed", "fixed"]), types) == {"value": 3, "mode": "fixed"}


def test_behind_a_seed_a_control_word_is_never_the_next_fields(types: Types, node: NodeMaker) -> None:
    assert read(node(1, "Seeded", values=[3, "fixed"]), types) == {"noise_seed": 3}
    assert read(node(1, "Seeded", values=[3, "fixed", "fixed"]), types) == {"noise_seed": 3, "text": "fixed"}


def test_inputs_without_a_field_have_no_value(types: Types, node: NodeMaker) -> None:
    assert read(node(1, "Forced", "strength:FLOAT", values=[True]), types) == {"flag": True}


def test_fields_that_became_inputs_keep_their_place(types: Types, node: NodeMaker) -> None:
    made = node(1, "Sampler", "model:MODEL cfg:FLOAT~ seed:INT~", "", [7, "fixed", 20, 8.0, "euler", 0.5])
    assert read(made, types) == FULL


def test_the_types_order_counts_where_fields_became_inputs_in_another(types: Types, node: NodeMaker) -> None:
    made = node(1, "Latent", "height:INT~ batch_size:INT~ width:INT~", "", [512, 768, 4])
    assert read(made, types) == {"width": 512, "height": 768, "batch_size": 4}


def test_names_in_the_file_go_before_the_type_that_is_known(types: Types, node: NodeMaker) -> None:
    """A version of the node with another field in the middle."""
    made = node(1, "Latent", "width:INT~ depth:INT~ height:INT~ batch_size:INT~", "", [512, 9, 768, 4])
    assert read(made, types) == {"width": 512, "height": 768, "batch_size": 4}  # `depth` is not known here
    older = node(1, "Latent", "width:INT~ batch_size:INT~", "", [512, 4])
    assert read(older, types) == {"width": 512, "batch_size": 4}


def test_fields_of_a_choice_stand_behind_it(node: NodeMaker, types: Types) -> None:
    open_type = NodeType(
        "Resize", lambda **_: None, (*types["Upload"].inputs[:1], *types["Latent"].inputs[2:]), open_inputs=True
    )
    made = node(1, "Resize", "image.width:INT~ image.height:INT~", "", ["by size", 64, 32, 4])
    expected = {"image": "by size", "image.width": 64, "image.height": 32, "batch_size": 4}
    assert read(made, {"Resize": open_type}) == expected


def test_unknown_types_keep_what_the_file_names(node: NodeMaker) -> None:
    assert read(node(1, "Strange", "seed:INT~ text:STRING~", "", [7, "fixed", "hi"]), {}) == {"seed": 7, "text": "hi"}
    assert read(node(1, "Strange", "text:STRING~", "", [7, "fixed", "hi"]), {}) == {}
    assert read(node(1, "Strange", "", "", {"a": 1}), {}) == {"a": 1}
    named = node(1, "Strange", "", "", [7, "fixed"], widgets_values_named={"seed": 7})
    assert read(named, {}) == {"seed": 7}
