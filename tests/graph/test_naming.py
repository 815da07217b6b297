"""Any text becomes a Python name, and different texts different ones."""

from __future__ import annotations

import keyword
import time
import unicodedata

import pytest

from sdkit.graph.naming import attribute_names, identifier, unique_names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("latents", "latents"), ("positive (2)", "positive_2"), ("3d", "n3d"), ("", "n"), ("__", "n"),
        ("class", "class_"),
        ("KSampler", "KSampler"), ("画像", "画像"), ("ﬁle", "file"), ("x²", "x2"), ("a🙂b", "a_b"), ("None", "None_"),
        ("a  -  b", "a_b"), ("·x", "n·x"),
    ],
)  # fmt: skip
def test_identifiers(text: str, name: str) -> None:
    assert identifier(text) == name


def test_every_letter_makes_a_name() -> None:
    for code in range(0x3000):
        name = identifier(f"{chr(code)}")
        assert name.isidentifier(), code
        assert not keyword.iskeyword(name), code
        assert unicodedata.normalize("NFKC", name) == name, code


def test_names_are_unique() -> None:
    assert unique_names(["a", "a", "a_2", "a"]) == ["a", "a_2", "a_2_2", "a_3"]
    assert unique_names(["x", "y"], taken=["x"]) == ["x_2", "y"]
    assert attribute_names(["out", "id", "latents"]) == ["out_2", "id_2", "latents"]
    began = time.perf_counter()
    assert len(set(unique_names(["sample"] * 10_000))) == 10_000
    assert time.perf_counter() - began < 2
