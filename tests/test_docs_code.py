"""Every code block of every page runs.

The Python blocks of a page share one namespace and one temporary folder, and run in order; the shell blocks run in the
same folder. A block whose first line is a comment with a file's name is saved under that name there. A block that
cannot run here says so in the page's source, `<!-- test: skip because … -->` just above it; there are few of these.
"""

from __future__ import annotations
import __future__

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests._pages import SKIP, SKIP_LIKE, Block, Page, pages
from tests._shell import check_command, commands
from tests._sources import ROOT

PYTHON = ("python",)
SHELL = ("bash", "console", "sh", "shell")
TEXT = ("text", "toml", "ini", "json", "yaml", "markdown", "diff", "mermaid", "html", "bat", "powershell")
"""Languages that are shown and not run. A fence without a language is a mistake: the reader gets no colours."""
FEW = 8

TRANSLATED = [path for path in pages() if re.fullmatch(r"README\.[\w-]+\.md", path.name)]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in pages() if path not in TRANSLATED], ids=_name)
def test_page_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", [path.name])
    before = set(sys.modules)
    module = ModuleType("page")  # a namespace like a script's, which pydantic can resolve annotations in
    monkeypatch.setitem(sys.modules, "page", module)
    try:
        for block in Page(path).blocks():
            if not block.skipped:
                _run_block(block, path, tmp_path, module)
    finally:
        for name in set(sys.modules) - before:  # modules of this page's files must not be those of the next page's
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]


def _run_block(block: Block, path: Path, folder: Path, module: ModuleType) -> None:
    if block.file_name:
        target = folder / block.file_name
        assert target.is_relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.code, "utf-8")
    elif block.language in PYTHON:
        # Line breaks in front make tracebacks show the page's own line numbers.
        source = "\n" * block.line + block.code
        flags = __future__.annotations.compiler_flag  # signatures are shown with types that pages do not import
        exec(compile(source, str(path), "exec", flags=flags, dont_inherit=True), vars(module))
    elif block.language in SHELL:
        for command in commands(block.code, block.language):
            check_command(command, folder)
    else:
        assert block.language in TEXT, (
            f"{_name(path)}:{block.line}: does ```{block.language} run? See {Path(__file__).name}"
        )


@pytest.mark.parametrize("path", TRANSLATED, ids=_name)
def test_translation_has_the_same_code(path: Path) -> None:
    original = [(block.language, _without_comments(block.code)) for block in Page(ROOT / "README.md").blocks()]
    assert [(block.language, _without_comments(block.code)) for block in Page(path).blocks()] == original


def _without_comments(code: str) -> list[str]:
    return [line for line in (re.sub(r"(^|\s+)#.*$", "", line).rstrip() for line in code.splitlines()) if line]


def test_skipped_blocks_are_few_and_say_why() -> None:
    reasons = {f"{_name(path)}:{block.line}": block.skipped for path in pages() for block in Page(path).blocks()}
    skipped = {place: reason for place, reason in reasons.items() if reason}
    assert len(skipped) <= FEW, skipped
    assert all(len(reason) >= 10 for reason in skipped.values()), skipped


def test_skips_are_spelt_right() -> None:
    wrong = [
        f"{_name(path)}: {comment}"
        for path in pages()
        for comment in SKIP_LIKE.findall(Page(path).text)
        if not SKIP.fullmatch(comment)
    ]
    assert wrong == []
