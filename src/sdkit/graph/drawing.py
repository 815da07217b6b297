"""Graphs as pictures: Mermaid text for Markdown pages, and SVG."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Mapping
from xml.sax.saxutils import escape

from sdkit.graph.graph import Graph, GraphNode
from sdkit.graph.layout import GAP_X, Box, Layout, layout
from sdkit.graph.schema import NodeType, Ref

MOST_DETAILED = 500
"""Graphs of more nodes are drawn with titles only."""
WIDTH = 220
HEADER = 26
ROW = 18
MARGIN = 24
COMPACT_WIDTH = 130
LETTER = 6.6
"""The width of a letter of 12 px, on average."""

_STYLE = """
  svg { background: var(--page); --page: #f6f7f9; --box: #ffffff; --edge: #c3c8d0; --text: #1d2129; --soft: #667080; }
  @media (prefers-color-scheme: dark) {
    svg { --page: #17191d; --box: #24272d; --edge: #434954; --text: #e6e9ee; --soft: #98a1b0; }
  }
  text { font: 12px system-ui, sans-serif; fill: var(--text); }
  .title { font-weight: 600; fill: #ffffff; }
  .value, .output { fill: var(--soft); }
  .value, .output { text-anchor: end; }
  .box { fill: var(--box); stroke: var(--edge); }
  .link { fill: none; stroke-width: 2; opacity: 0.85; }
"""


def to_mermaid(graph: Graph, types: Mapping[str, NodeType] | None = None) -> str:
    """The graph as a Mermaid flow chart; links are labelled with the inputs that they go into."""
    numbers = {node_id: number for number, node_id in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node_id, node in graph.nodes.items():
        title = _mermaid_text(_title(graph, node_id, node, types))
        lines.append(f'    n{numbers[node_id]}["{_mermaid_text(node_id)}: {title}"]')
    for node_id, node in graph.nodes.items():
        for name, ref in node.links():
            if ref.node in numbers:
                label = _mermaid_text(_shortened(name, 30))
                lines.append(f'    n{numbers[ref.node]} -->|"{label}"| n{numbers[node_id]}')
    return "\n".join(lines) + "\n"


def to_svg(graph: Graph, types: Mapping[str, NodeType] | None = None) -> str:
    """The graph as a picture that reads well on light and on dark pages.

    Each box shows the node's title, its inputs with the values that are written, and its outputs; links have a colour
    for each socket type, and pass between the boxes; headers have one for each category. Graphs of more than 500 nodes
    are drawn with titles only, and with straight links.
    """
    rows = {node_id: _Rows(graph, node_id, types) for node_id in graph.nodes}
    detailed = len(graph) <= MOST_DETAILED
    if detailed:
        _name_outputs_that_are_read(graph, rows)
    heights = {node_id: float(HEADER + (each.count * ROW + 8 if detailed else 0)) for node_id, each in rows.items()}
    placed = layout(graph, heights, WIDTH if detailed else COMPACT_WIDTH, lanes=detailed)
    boxes = placed.boxes
    right = max((box.x + box.width for box in boxes.values()), default=0) + 2 * MARGIN
    bottom = max((box.y + box.height for box in boxes.values()), default=0) + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right:g}" height="{bottom:g}" '
        f'viewBox="{-MARGIN} {-MARGIN} {right:g} {bottom:g}">',
        f"<style>{_STYLE}</style>",
        f'<rect x="{-MARGIN}" y="{-MARGIN}" width="{right:g}" height="{bottom:g}" style="fill: var(--page)"/>',
    ]
    ends: list[str] = []
    for node_id, node in graph.nodes.items():
        for name, ref in node.links():
            if ref.node in rows:
                line, end = _link(placed, rows, name, ref, node_id, detailed=detailed)
                parts.append(line)
                ends.append(end)
    for node_id, each in rows.items():
        parts.extend(_box(boxes[node_id], each, detailed=detailed))
    return "\n".join([*parts, *filter(None, ends), "</svg>"]) + "\n"


class _Rows:
    """What a box shows, row by row."""

    def __init__(self, graph: Graph, node_id: str, types: Mapping[str, NodeType] | None) -> None:
        node = graph.nodes[node_id]
        node_type = graph.type_of(node_id, types or graph.catalogue)
        self.title = f"{node_id} · {_title(graph, node_id, node, types)}"
        self.category = (node_type.category if node_type is not None else "") or node.type
        # linked inputs first, next to the outputs on the other side; then the written values
        self.linked = [name for name, _ in node.links()]
        self.written = [(name, value) for name, value in node.inputs.items() if not isinstance(value, Ref)]
        self.outputs = [] if node_type is None else [(each.name, each.type) for each in node_type.outputs]

    @property
    def count(self) -> int:
        return max(len(self.linked), len(self.outputs)) + len(self.written)

    def kind(self, output: int) -> str:
        return self.outputs[output][1] if output < len(self.outputs) else ""


def _name_outputs_that_are_read(graph: Graph, rows: Mapping[str, _Rows]) -> None:
    """Give nodes of unknown type the outputs that somebody reads, so that links begin somewhere."""
    for node in graph.nodes.values():
        for _, ref in node.links():
            if ref.node in rows and ref.output < 100:
                outputs = rows[ref.node].outputs
                outputs.extend((str(number), "") for number in range(len(outputs), ref.output + 1))


def _box(box: Box, rows: _Rows, *, detailed: bool) -> list[str]:
    x, y = box.x, box.y
    hue = _hue(rows.category)
    letters = int((box.width - 16) / LETTER)
    parts = [
        f'<g class="node"><rect class="box" x="{x:g}" y="{y:g}" width="{box.width:g}" height="{box.height:g}" rx="6"/>',
        f'<path d="M{x:g} {y + HEADER:g} v{6 - HEADER} a6 6 0 0 1 6 -6 h{box.width - 12:g} a6 6 0 0 1 6 6 '
        f'v{HEADER - 6} z" fill="hsl({hue} 45% 40%)"/>',
        _text(x + 8, y + 17, rows.title, letters, "title"),
    ]
    if detailed:
        for number, name in enumerate(rows.linked):
            parts.append(_text(x + 10, _row(y, number), name, letters // 2, "input"))
        for number, (name, kind) in enumerate(rows.outputs):
            parts.append(_text(x + box.width - 10, _row(y, number), name, letters // 2, "output"))
            parts.append(f'<circle cx="{x + box.width:g}" cy="{_row(y, number) - 4:g}" r="4" fill="{_colour(kind)}"/>')
        first = max(len(rows.linked), len(rows.outputs))
        for number, (name, value) in enumerate(rows.written, first):
            written = _shortened(_value(value), letters)
            named = _shortened(name, max(letters // 2 - 1, letters - 3 - _letters(written)))
            written = _shortened(written, letters - 3 - _letters(named))
            parts.append(_text(x + 10, _row(y, number), named, letters, "input"))
            parts.append(_text(x + box.width - 10, _row(y, number), written, letters, "value"))
    return [*parts, "</g>"]


def _link(
    placed: Layout, rows: Mapping[str, _Rows], name: str, ref: Ref, reader: str, *, detailed: bool
) -> tuple[str, str]:
    """The curve of a link, through the lanes between the boxes on its way, and the dot where it ends, which lies over
    the box."""
    source, target = placed.boxes[ref.node], placed.boxes[reader]
    colour = _colour(rows[ref.node].kind(ref.output))
    x1, x2 = source.x + source.width, target.x
    y1, y2 = source.y + HEADER / 2, target.y + HEADER / 2
    end = ""
    if detailed:
        y1 = _row(source.y, min(ref.output, len(rows[ref.node].outputs) - 1)) - 4
        y2 = _row(target.y, rows[reader].linked.index(name)) - 4
        end = f'<circle cx="{x2:g}" cy="{y2:g}" r="4" fill="{colour}"/>'
    path = f"M{x1:g} {y1:g}"
    for depth in range(placed.columns[ref.node] + 1, placed.columns[reader]):
        lane = placed.lanes.get((ref, depth))
        if lane is not None:
            left = depth * (source.width + GAP_X)
            path += f" {_curve(x1, y1, left, lane)} H{left + source.width:g}"
            x1, y1 = left + source.width, lane
    return f'<path class="link" d="{path} {_curve(x1, y1, x2, y2)}" stroke="{colour}"/>', end


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    bend = max(40.0, abs(x2 - x1) / 2)
    return f"C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"


def _row(y: float, number: int) -> float:
    """The base line of a row's text."""
    return y + HEADER + 17 + number * ROW


def _text(x: float, y: float, text: str, letters: int, kind: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(_shortened(text, letters))}</text>'


def _title(graph: Graph, node_id: str, node: GraphNode, types: Mapping[str, NodeType] | None) -> str:
    node_type = graph.type_of(node_id, types or graph.catalogue)
    return node.title or (node_type.title if node_type is not None else "") or node.type


def _value(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def _shortened(text: str, letters: int) -> str:
    """The text in one line, without what XML forbids, cut to so many letters; wide ones count as two."""
    text = "".join(each if each.isprintable() else " " for each in text[:1000])
    room = letters
    for place, each in enumerate(text):
        room -= _letters(each)
        if room < 0:
            return text[: max(place - 1, 0)] + "…"
    return text


def _letters(text: str) -> int:
    """How many letters wide the text is."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _mermaid_text(text: str) -> str:
    """As Mermaid takes it within quotes: whatever could mean something is written as a number."""
    return re.sub(r"[^\w .,:+\-/()=…·]", lambda found: f"#{ord(found[0])};", _shortened(text, 60))


def _hue(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "replace")) % 360


def _colour(kind: str) -> str:
    """A colour for each socket type, of which none vanishes on a light or on a dark page."""
    return f"hsl({_hue(kind.lower())} 65% 52%)" if kind else "#8a93a3"
