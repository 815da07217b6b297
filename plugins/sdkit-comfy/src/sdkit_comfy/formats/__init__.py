"""ComfyUI's formats: workflows from JSON and pictures to graphs, and back.

`read_workflow` reads API format, UI format, and both out of pictures; `to_api`, `to_ui` and `text_chunks` write them.
"""

from sdkit_comfy.formats.reading import Format, detect, read_workflow
from sdkit_comfy.formats.writing import text_chunks, to_api, to_ui

__all__ = ["Format", "detect", "read_workflow", "text_chunks", "to_api", "to_ui"]
