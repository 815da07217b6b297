"""The directives `{sampler-table}` and `{schedule-table}`: what is registered in the box, with sources."""

from __future__ import annotations

from docutils import nodes
from sampler_rows import sampler_table, schedule_table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata


class SamplerTable(SphinxDirective):
    """Writes the table as Markdown and lets the page's own parser read it."""

    def run(self) -> list[nodes.Node]:
        """The table."""
        return self.parse_text_to_nodes("\n".join(sampler_table()))


class ScheduleTable(SphinxDirective):
    """The same for schedules."""

    def run(self) -> list[nodes.Node]:
        """The table."""
        return self.parse_text_to_nodes("\n".join(schedule_table()))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Sphinx calls this."""
    app.add_directive("sampler-table", SamplerTable)
    app.add_directive("schedule-table", ScheduleTable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
