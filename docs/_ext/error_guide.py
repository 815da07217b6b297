"""The directive `{error-guide}`: a section for every error class, from the docstrings in `sdkit.errors`."""

from __future__ import annotations

import inspect

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from sdkit import errors


class ErrorGuide(SphinxDirective):
    """Writes the guide as Markdown, parents before children, and lets the page's own parser read it."""

    def run(self) -> list[nodes.Node]:
        """The guide's sections."""
        self.env.note_dependency(inspect.getsourcefile(errors) or "")
        lines = StringList(guide().splitlines(), source="sdkit.errors")
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def guide() -> str:
    """The whole guide as Markdown: the tree, then a section per class."""
    tree = inspect.cleandoc(errors.__doc__ or "").split("::\n", 1)[1].split("\nEach class")[0]
    sections = "\n\n".join(_section(kind) for kind in _family(errors.SdkitError))
    return f"```text\n{inspect.cleandoc(tree)}\n```\n\n{sections}\n"


def _family(kind: type[BaseException]) -> list[type[BaseException]]:
    return [kind, *(descendant for child in kind.__subclasses__() for descendant in _family(child))]


def _section(kind: type[BaseException]) -> str:
    text = inspect.cleandoc(kind.__doc__ or "")
    for label in ("Caught by:", "What to do:"):
        assert label in text, f"{kind.__name__} does not say {label!r}"
        text = text.replace(label, f"**{label[:-1]}** –", 1)
    builtin = [base.__name__ for base in kind.__bases__ if base.__module__ == "builtins" and base is not Exception]
    also = f"Also a `{builtin[0]}`." if builtin else ""
    return f"## `{kind.__name__}`\n\n{text}\n\n{also}\n"


def setup(app: Sphinx) -> ExtensionMetadata:
    """Sphinx calls this."""
    app.add_directive("error-guide", ErrorGuide)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
