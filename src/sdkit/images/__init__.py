"""Pictures: pixels in, pixels out, and the record of how they were made.

`Image` is one picture. `read_image` and `Image.save` go between it and files; `read_record` and `to_text_chunks`
between a picture's text and a `GenerationRecord`; masks and contact sheets are made here too. This package knows
nothing of models and samplers, and imports torch and Pillow only when pixels are touched.
"""

from sdkit.images.image import Format, Image
from sdkit.images.masks import mask_to_latents, read_mask, resize_mask_to_latents
from sdkit.images.metadata import (
    GenerationRecord,
    PluginVersions,
    differences,
    installed_versions,
    read_record,
    to_text_chunks,
)
from sdkit.images.reading import open_picture, picture_bytes, read_image, read_texts
from sdkit.images.sheet import contact_sheet
from sdkit.images.texts import GRAPH, png_text, read_text
from sdkit.images.writing import SUFFIXES

__all__ = [
    "GRAPH",
    "SUFFIXES",
    "Format",
    "GenerationRecord",
    "Image",
    "PluginVersions",
    "contact_sheet",
    "differences",
    "installed_versions",
    "mask_to_latents",
    "open_picture",
    "picture_bytes",
    "png_text",
    "read_image",
    "read_mask",
    "read_record",
    "read_text",
    "read_texts",
    "resize_mask_to_latents",
    "to_text_chunks",
]
