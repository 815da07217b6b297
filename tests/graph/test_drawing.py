"""Graphs draw themselves: Mermaid text and SVG, well-formed whatever names are in them, no box over another."""

from __future__ import annotations

import itertools
import re
import time
from typing import Any
from xml.etree import ElementTree

import pytest

from sdkit.graph import Graph, Ref, to_mermaid, to_svg
from tests.graph._kinds import TYPES

SVG = "{http://www.w3.org/2000/svg}"


def small() -> Graph:
    graph = Graph(TYPES)
    loaded = graph.add("load", name="a very long name of a model file.safetensors")
    first = graph.add("sample", model=loaded.model, latents=graph.add("empty", width=512), seed=7, title='A <b> & "c"')
    second = graph.add("sample", model=loaded.model, latents=first, seed=8)
    graph.add("save", latents=second)
    graph.add("unknown", x=first.out, y=Ref("4", 3), z=Ref("nowhere"), text="画像を\x00保存\nする" * 9)
    return graph


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    found: list[tuple[float, float, float, float]] = []
    for each in ElementTree.fromstring(svg).iter(f"{SVG}rect"):
        if each.get("class") == "box":
            x, y, width, height = (float(each.attrib[name]) for name in ("x", "y", "width", "height"))
            found.append((x, y, width, height))
    return found


def overlapping(found: list[tuple[float, float, float, float]]) -> int:
    return sum(
        a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]
        for a, b in itertools.combinations(found, 2)
    )


def test_mermaid() -> None:
    graph = Graph(TYPES)
    loaded = graph.add("load", title='A "quoted" <b>#`')
    graph.add("sample", id="x]", model=loaded.model, latents=Ref("gone"))
    assert graph.to_mermaid() == (
        "flowchart LR\n"
        '    n0["1: A #34;quoted#34; #60;b#62;#35;#96;"]\n'
        '    n1["x#93;: Sample"]\n'
        '    n0 -->|"model"| n1\n'
    )
    assert to_mermaid(Graph()) == "flowchart LR\n"


def test_the_picture_shows_nodes_values_and_links() -> None:
    svg = small().to_svg()
    texts = [each.text for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert '3 · A <b> & "c"' in texts
    assert {"4 · Sample", "6 · unknown", "7", "8"} <= set(texts)
    assert texts.count("seed") == 2
    assert "a very long name of a …" in texts, "long values are cut, to what the input's name leaves"
    links = [each for each in ElementTree.fromstring(svg).iter(f"{SVG}path") if each.get("class") == "link"]
    assert len(links) == 7, "those to nodes that do not exist are left out"
    colours = {each.get("stroke") for each in links}
    assert len(colours) == 3, "Model, Latents, and what nobody knows"


def test_links_end_where_the_inputs_are() -> None:
    graph = Graph(TYPES)
    graph.add("save", latents=graph.add("empty"))
    svg = graph.to_svg()
    ((x1, y1, width, _), (x2, y2, _, _)) = boxes(svg)
    path = re.search(r'class="link" d="M([\d.]+) ([\d.]+) C[\d. -]+ ([\d.]+) ([\d.]+)"', svg)
    assert path is not None
    start_x, start_y, end_x, end_y = map(float, path.groups())
    assert (start_x, end_x) == (x1 + width, x2)
    assert y1 < start_y
    assert y2 < end_y


def test_no_box_lies_over_another() -> None:
    graph = small()
    for number in range(40):
        sources: dict[str, Any] = {
            f"x{each}": Ref(str(max(1, (number * each * 7) % (number + 5)))) for each in range(number % 5)
        }
        graph.add("join", **sources)
    found = boxes(graph.to_svg())
    assert len(found) == 46
    assert overlapping(found) == 0


def test_everything_stands_right_of_what_it_reads() -> None:
    graph = Graph(TYPES)
    first, late = graph.add("empty"), graph.add("empty")
    handle = first
    for _ in range(4):
        handle = graph.add("join", x=handle)
    graph.add("join", a=handle, b=late)
    places = dict(zip(graph.nodes, boxes(graph.to_svg()), strict=True))
    for node_id, node in graph.nodes.items():
        for _, ref in node.links():
            assert places[ref.node][0] + places[ref.node][2] < places[node_id][0]
    assert places["2"][0] == places["6"][0], "what is read late stands late"


def test_cycles_and_empty_graphs_are_drawn() -> None:
    graph = Graph()
    graph.add("a", id="a", x=Ref("b"))
    graph.add("b", id="b", x=Ref("a"), y=Ref("b"))
    assert overlapping(boxes(graph.to_svg())) == 0
    assert boxes(Graph().to_svg()) == []


def test_it_reads_well_on_light_and_dark_pages() -> None:
    svg = small().to_svg()
    assert "prefers-color-scheme: dark" in svg
    assert not re.search(r"href|url\(|@import|<script", svg), "nothing is fetched"


def test_large_graphs_are_drawn_with_titles_only() -> None:
    graph = Graph(TYPES)
    handle = graph.add("empty", width=512)
    for number in range(10_000):
        handle = graph.add("sample", latents=handle if number % 100 else Ref("1"), seed=number)
    began = time.perf_counter()
    svg = to_svg(graph)
    assert time.perf_counter() - began < 10  # some 1.3 s; quadratic growth would take minutes
    texts = [each.text for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert len(texts) == 10_001
    assert overlapping(boxes(svg)[:1000]) == 0


@pytest.mark.parametrize("name", ["\x00\x1b", "\ud800", "]]>", "<!--", "'\"&", "﷽" * 50])
def test_hostile_names_stay_text(name: str) -> None:
    graph = Graph()
    graph.add(name, id=name or "x", title=name, **{name: name})
    assert len(boxes(graph.to_svg().encode("utf-8").decode())) == 1
    assert len(graph.to_mermaid().encode("utf-8").splitlines()) == 2


def test_links_pass_between_the_boxes() -> None:
    """A source is read in every column of a chain beside which other nodes stand."""
    graph = Graph(TYPES)
    loaded = graph.add("load")
    latents = graph.add("empty")[0]
    for _ in range(4):
        latents = graph.add("sample", model=loaded[0], latents=latents)[0]
        graph.add("save", latents=latents)
        graph.add("empty", width=64)
    root = ElementTree.fromstring(graph.to_svg())
    boxes = [
        tuple(float(each.get(name, "")) for name in ("x", "y", "width", "height"))
        for each in root.iter(f"{SVG}rect")
        if each.get("class") == "box"
    ]
    links = [each.get("d", "") for each in root.iter(f"{SVG}path") if each.get("class") == "link"]
    lanes = 0
    for link in links:
        for start, height, end in re.findall(r"([\d.-]+) ([\d.-]+) H([\d.]+)", link):
            lanes += 1
            for x, y, width, tall in boxes:
                between = float(height) <= y or float(height) >= y + tall
                assert between or float(end) <= x or float(start) >= x + width, "no lane leads through a box"
    assert lanes == 0 + 1 + 2 + 3, "one in each column that a link of the model skips"


def test_names_and_values_share_the_width_of_a_box() -> None:
    graph = Graph()
    graph.add("a", a_name_of_twenty_one_l="x", seed=156680208700286, both_of_them_are_far_too_long="y" * 40)
    texts = {each.text for each in ElementTree.fromstring(graph.to_svg()).iter(f"{SVG}text")}
    assert {"a_name_of_twenty_one_l", "156680208700286"} <= texts
    assert any((text or "").startswith("both_of_") and (text or "").endswith("…") for text in texts)
    assert any((text or "").startswith("yyyy") and (text or "").endswith("…") for text in texts)
