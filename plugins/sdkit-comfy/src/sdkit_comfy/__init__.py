"""ComfyUI's workflows for sdkit: their formats, their values, and their nodes by their names."""

from __future__ import annotations

__version__ = "0.1.0"
