"""`comfy_api.latest.ui`: what V3 nodes show. Pictures are told as they are; no file is written for an editor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sdkit_comfy.shims.comfy_api_io import FolderType

__all__ = ["FolderType", "PreviewAudio", "PreviewImage", "PreviewMask", "PreviewText", "SavedImages", "SavedResult"]


class PreviewText:
    """A text."""

    def __init__(self, value: str, **_: Any) -> None:
        self.value = value

    def as_dict(self) -> dict[str, Any]:
        """As V1 has it."""
        return {"text": (self.value,)}


class PreviewImage:
    """Pictures `[B, H, W, C]`."""

    def __init__(self, image: Any, animated: bool = False, **_: Any) -> None:
        self.image = image

    def as_dict(self) -> dict[str, Any]:
        """The pictures under `images`."""
        return {"images": [*self.image]}


class PreviewMask(PreviewImage):
    """Masks `[B, H, W]`."""

    def __init__(self, mask: Any, animated: bool = False, **_: Any) -> None:
        super().__init__(mask.reshape((-1, *mask.shape[-2:], 1)).expand((-1, -1, -1, 3)))


class PreviewAudio:
    """A sound."""

    def __init__(self, audio: Any, **_: Any) -> None:
        self.audio = audio

    def as_dict(self) -> dict[str, Any]:
        """The sound under `audio`."""
        return {"audio": [self.audio]}


class SavedResult(dict[str, Any]):
    """A file that was written."""

    def __init__(self, filename: str, subfolder: str, type: Any) -> None:  # noqa: A002
        super().__init__(filename=filename, subfolder=subfolder, type=getattr(type, "value", type))

    @property
    def filename(self) -> str:
        """Its name."""
        return self["filename"]


class SavedImages:
    """Pictures that were written."""

    def __init__(self, results: Sequence[Mapping[str, Any]], is_animated: bool = False) -> None:
        self.results = results

    def as_dict(self) -> dict[str, Any]:
        """As V1 has it."""
        return {"images": [*self.results]}
