"""The model folders: files by kind and name or hash, in the trees of several programs. Loads nothing, without torch."""

from sdkit.models.library.kinds import KINDS, Kind
from sdkit.models.library.library import Library
from sdkit.models.library.scanning import SUFFIXES, ModelFile

__all__ = ["KINDS", "SUFFIXES", "Kind", "Library", "ModelFile"]
