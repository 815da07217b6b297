"""Nodes for numbers, texts, truth values and switches."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import sdkit_comfy.plugin
from sdkit.errors import GraphError, NodeError, RequestError
from sdkit.pipeline import Workspace
from sdkit_comfy.expressions import evaluate
from sdkit_comfy.nodes import primitives, strings

Api = dict[str, dict[str, object]]


def node(kind: str, **inputs: object) -> dict[str, object]:
    return {"class_type": kind, "inputs": inputs}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder: Path = tmp_path_factory.mktemp("plain")
    return Workspace(plugins=[sdkit_comfy.plugin], inputs=folder, outputs=folder)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a + b", 7),
        ("max(a, b) * 2 - 1", 7),
        ("-a ** 2", -9),
        ("a // 2 % 5", 1),
        ("a / b", 0.75),
        ("sum(values) + sum(a, b) + values[1]", 18),
        ("a if a > b else b", 4),
        ("1 < a <= 3 and not b == 3", True),
        ("a and 0 or b", 4),
        ("round(sqrt(2), 2) + min([a, b])", 4.41),
        ("pow(2, 10)", 1024),
        ("int(3.9) + float(1)", 4.0),
    ],
)
def test_expressions_are_computed(expression: str, value: float) -> None:
    assert evaluate(expression, {"a": 3, "b": 4, "values": [3, 4]}) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("__import__('os')", "not allowed"),
        ("a.__class__", "not allowed"),
        ("(lambda: 1)()", "not allowed"),
        ("[x for x in values]", "not allowed"),
        ("'a' * 10**9", "not allowed"),
        ("values * 1000000", "list is no number"),
        ("9**9**9", "too large"),
        ("pow(10, 9999)", "too large"),
        ("c + 1", "there is no 'c'; it may use a, values"),
        ("1 / 0", "division by zero"),
        ("a +", "cannot be read"),
        ("(" * 3000 + "1" + ")" * 900, "cannot be read|nested too deeply"),
        ("1" * 5000, "too long"),
        ("int('9')", "not allowed"),
        ("a @ a", "not allowed"),
    ],
)
def test_what_is_no_arithmetic_is_refused_in_words(expression: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        evaluate(expression, {"a": 3, "values": [3]})


def test_numbers_flow_through_a_graph(workspace: Workspace) -> None:
    graph: Api = {
        "1": node("PrimitiveInt", value=6),
        "2": node("PrimitiveFloat", value=2),
        "3": node("ComfyMathExpression", expression="a * b + 0.5", **{"values.a": ["1", 0], "values.b": ["2", 0]}),
        "4": node("PrimitiveString", value=" 0042.9 "),
        "5": node("ComfyNumberConvert", value=["4", 0]),
        "6": node("PreviewAny", source=["3", 2]),
    }
    result = workspace.run(graph, outputs=["3", "5", "6"])
    assert result.values["3"] == (12.5, 12, True)
    assert result.values["5"] == (42.9, 42)
    assert result.ui["6"] == {"text": ["True"]}
    graph["3"] = node("ComfyMathExpression", expression="10 ** 400 * a", **{"values.a": ["1", 0]})
    with pytest.raises(NodeError, match="too large"):
        workspace.run(graph, outputs=["3"])


def test_the_branch_that_a_switch_does_not_take_never_runs(workspace: Workspace) -> None:
    graph: Api = {
        "1": node("PrimitiveInt", value=1),
        "2": node("PrimitiveInt", value=2),
        "3": node("ComfyNotNode", value=["1", 0]),
        "4": node("ComfySwitchNode", switch=["3", 0], on_false=["1", 0], on_true=["2", 0]),
        "5": node("ComfySoftSwitchNode", switch=True, on_false=["1", 0]),
        "6": node("ComfySwitchNode", switch=True, on_false=["1", 0]),
        "7": node("ComfyAndNode", **{"values.value0": ["1", 0], "values.value1": ["3", 0]}),
        "8": node("ComfyOrNode", **{"values.value0": ["1", 0], "values.value1": ["3", 0]}),
        "9": node("ComfyPassOrNoneNode", anything=["6", 0], default=["1", 0]),
    }
    result = workspace.run(graph, outputs=["4", "5", "6", "7", "8", "9"])
    assert {key: value[0] for key, value in result.values.items()} == {
        "4": 1, "5": 1, "6": None, "7": False, "8": True, "9": 1
    }  # fmt: skip
    assert "2" not in result.executed
    with pytest.raises(GraphError, match="link at least one"):
        workspace.run({"5": node("ComfySoftSwitchNode", switch=True)}, outputs=["5"])


def test_texts_are_joined_cut_and_searched(workspace: Workspace) -> None:
    graph: Api = {
        "1": node("PrimitiveStringMultiline", value="one\ntwo"),
        "2": node("StringConcatenate", string_a=["1", 0], string_b="three", delimiter="|"),
        "3": node("StringReplace", string=["2", 0], find="\n", replace="-"),
        "4": node("StringSubstring", string=["3", 0], start=-5, end=100),
        "5": node("CaseConverter", string=["4", 0], mode="Title Case"),
        "6": node("StringLength", string=["3", 0]),
        "7": node("StringContains", string=["3", 0], substring="TWO", case_sensitive=False),
        "8": node("StringCompare", string_a=["3", 0], string_b="Three", mode="Ends With", case_sensitive=False),
        "9": node("StringTrim", string="  x ", mode="Left"),
    }
    result = workspace.run(graph, outputs=[str(number) for number in range(2, 10)])
    assert [values[0] for values in result.values.values()] == [
        "one\ntwo|three", "one-two|three", "three", "Three", 13, True, True, "x "
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "pattern", "group", "found"),
    [
        ("First Match", r"(\w)=(\d)", 1, "a=1"),
        ("All Matches", r"\w=\d", 1, "a=1\nb=2"),
        ("All Matches", r"\w=(\d)", 1, "1\n2"),
        ("All Matches", r"(\w)=(\d)", 2, "a\nb"),
        ("First Group", r"(\w)=(\d)", 2, "1"),
        ("First Group", r"(\w)=(\d)", 3, ""),
        ("All Groups", r"(\w)=(\d)", 2, "1\n2"),
        ("All Groups", r"\w=\d", 0, ""),
        ("First Match", r"(", 1, ""),
    ],
)
def test_regular_expressions_extract(mode: strings.Mode, pattern: str, group: int, found: str) -> None:
    assert strings.regex_extract(string="a=1, b=2", regex_pattern=pattern, mode=mode, group_index=group) == found


def test_regular_expressions_match_and_replace() -> None:
    assert strings.regex_match(string="Cat", regex_pattern="^c.t$")
    assert not strings.regex_match(string="Cat", regex_pattern="^c", case_insensitive=False)
    assert not strings.regex_match(string="Cat", regex_pattern="(")
    assert strings.regex_match(string="a\nb", regex_pattern="a.b", dotall=True)
    assert strings.regex_replace(string="aaa", regex_pattern="A", replace="b", count=2) == "bba"
    with pytest.raises(RequestError, match="cannot be replaced"):
        strings.regex_replace(string="a", regex_pattern="a", replace=r"\2")


@pytest.mark.parametrize("value", ["", "four", "nan", math.inf])
def test_what_is_no_number_is_not_converted_to_one(value: float | str) -> None:
    with pytest.raises(RequestError, match=r"no (finite )?number"):
        primitives.number_convert(value=value)
