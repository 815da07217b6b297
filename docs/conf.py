"""How the site is built: Sphinx, MyST for Markdown, the Furo theme. `make docs`: warnings are errors, no network."""

from __future__ import annotations

import sys
from pathlib import Path

import sdkit

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "sdkit"
author = "the sdkit authors"
copyright = author
release = version = sdkit.__version__

extensions = ["myst_parser", "error_guide", "sampler_tables"]
exclude_patterns = ["_build", "_ext"]
nitpicky = True  # a reference that leads nowhere is a warning, and a warning is an error

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3  # links to page.md#a-heading are checked
suppress_warnings: list[str] = []

html_theme = "furo"
html_title = "sdkit"
html_static_path: list[str] = []
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"font-stack": "system-ui, sans-serif", "font-stack--monospace": "ui-monospace, monospace"},
}
