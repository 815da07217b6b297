"""The pages that people read, and the code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sybil.document import Document
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

from tests._sources import ROOT

SKIP = re.compile(r"<!-- test: skip because (?P<reason>.+?) -->\s*\Z", re.DOTALL)
SKIP_LIKE = re.compile(r"<!--.*?\bskip\b.*?-->", re.DOTALL)
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
FILE_NAME = re.compile(r"^(?:#|//|<!--) *([\w./-]+\.\w+)(?: *-->)?$")
"""A first line that is nothing but a comment with a file's name: the block is that file."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language ("" without one), its code, the line that it starts on, why it is not run ("" if it
    is)."""

    language: str
    code: str
    line: int
    skipped: str

    @property
    def file_name(self) -> str:
        """The file that this block shows, "" if it shows none."""
        match = FILE_NAME.match(self.code.partition("\n")[0].strip())
        return match.group(1) if match else ""


class Page:
    """A Markdown page."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text("utf-8")

    def blocks(self) -> list[Block]:
        """Its fenced code blocks, in order; MyST directives (```{note}) are text and not among them."""
        return [block for _, block in self._placed_blocks()]

    def sections(self) -> Iterator[tuple[str, list[Block]]]:
        """Each heading with the blocks up to the next one."""
        placed = self._placed_blocks()
        fenced = [(start, start + len(block.code)) for start, block in placed]
        headings = [m for m in HEADING.finditer(self.text) if not any(a < m.start() < b for a, b in fenced)]
        for index, heading in enumerate(headings):
            end = headings[index + 1].start() if index + 1 < len(headings) else len(self.text)
            yield heading.group(1), [block for start, block in placed if heading.start() < start < end]

    def _placed_blocks(self) -> list[tuple[int, Block]]:
        lexer = FencedCodeBlockLexer(language=r"[^\n`]*", mapping={"language": "language", "source": "source"})
        placed: list[tuple[int, Block]] = []
        for region in sorted(lexer(Document(self.text, str(self.path))), key=lambda region: region.start):
            language = str(region.lexemes["language"]).strip()
            if language.startswith("{"):
                continue
            skip = SKIP.search(self.text[: region.start])
            line = self.text.count("\n", 0, region.start) + 1
            code = str(region.lexemes["source"])
            placed.append((region.start, Block(language.partition(" ")[0], code, line, skip["reason"] if skip else "")))
        return placed


def pages() -> list[Path]:
    """Every page whose code has to run."""
    found = [*ROOT.glob("README*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
    return sorted(path for path in found if not path.is_relative_to(ROOT / "docs" / "_build"))
