"""Image: one picture, as pixels, with the text that its file carries."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sdkit.errors import ImageError

if TYPE_CHECKING:
    import torch
    from PIL import Image as PILImage

Format = Literal["png", "jpeg", "webp"]


@dataclass(frozen=True, eq=False, repr=False)
class Image:
    """One picture.

    `pixels`: `[3, H, W]`, float32 in 0…1, sRGB, on the CPU; values outside are clipped when written. `text`: what the
    file says beside the pixels, PNG text chunks by keyword; `parameters` and `sdkit` hold the record of how the picture
    was made. `seed`, `prompt`, `negative_prompt`: what this very picture was made from;
    `index`: which of its generation's pictures it is, from 0.

    Raises ImageError if the pixels have another shape, dtype or device.
    """

    pixels: torch.Tensor
    text: Mapping[str, str] = field(default_factory=dict[str, str])
    seed: int | None = None
    prompt: str = ""
    negative_prompt: str = ""
    index: int = 0

    def __post_init__(self) -> None:
        shape, dtype, device = tuple(self.pixels.shape), str(self.pixels.dtype), str(self.pixels.device)
        if len(shape) != 3 or shape[0] != 3 or 0 in shape:
            raise ImageError(
                f"an Image takes pixels of shape [3, H, W], one picture at a time; these are {list(shape)}"
            )
        if dtype != "torch.float32" or device != "cpu":
            raise ImageError(
                f"an Image takes float32 pixels on the CPU; these are {dtype} on {device}: use `pixels.float().cpu()`"
            )

    def __repr__(self) -> str:
        seed = "" if self.seed is None else f", seed={self.seed}"
        return f"<Image {self.width}x{self.height}{seed}>"

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[2])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])

    def to_uint8(self) -> torch.Tensor:
        """`[H, W, 3]`, 0…255: clipped to 0…1, times 255, rounded to the nearest integer (halves to the even one).

        Raises ImageError if there is NaN in the pixels: as a number it would be a black dot that nobody notices.
        """
        import torch

        if bool(torch.isnan(self.pixels).any()):
            raise ImageError(
                f"the picture of {self.width}x{self.height} pixels has NaN in it; "
                'load the model with dtype="float32", or look at what last changed the pixels'
            )
        return (self.pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()

    def to_pil(self) -> PILImage.Image:
        """A Pillow image, mode RGB, 8 bits, rounded as `to_uint8` does."""
        from PIL import Image as PILImage

        return PILImage.fromarray(self.to_uint8().numpy())

    @classmethod
    def from_pil(cls, picture: PILImage.Image) -> Image:
        """A Pillow image's pixels, whatever its mode; turned upright and flattened onto black as `read_image` does."""
        from sdkit.images.reading import pixels_of

        return cls(pixels_of(picture, "the Pillow image"))

    def to_png(self, *, metadata: bool = True) -> bytes:
        """The bytes of a PNG file; `metadata=False` leaves `text` out."""
        from sdkit.images.writing import encode

        return encode(self, "png", metadata=metadata)

    def save(
        self,
        path: str | Path,
        *,
        overwrite: bool = False,
        metadata: bool = True,
        format: Format | None = None,  # noqa: A002 -- the word that everybody tries
        quality: int = 95,
    ) -> Path:
        """Write the picture to a file and return its path. Missing folders are made.

        The format is the suffix's (png, jpg, jpeg, webp) unless `format` says otherwise; `quality`, 1…100, is for jpeg
        and webp. `metadata=False` leaves `text` out. The file appears whole or not at all: it is written under another
        name beside its place and moved there.

        Raises ImageExistsError if the file is there already and `overwrite` is False, also if somebody else makes it in
        the meantime; ImageError if it cannot be written.
        """
        from sdkit.images.writing import save

        return save(self, Path(path), format, overwrite=overwrite, metadata=metadata, quality=quality)

    def fit(self, width: int, height: int) -> Image:
        """The picture at another size: scaled until it covers it, then cropped around its middle.

        A picture that covers the size with less than 8 pixels to spare is only cropped, so that making its sides
        multiples of 8 resamples nothing.
        """
        from torch.nn import functional

        if width < 1 or height < 1:
            raise ImageError(f"a picture is at least 1x1 pixels, not {width}x{height}")
        pixels = self.pixels
        if not (0 <= self.width - width < 8 and 0 <= self.height - height < 8):
            scale = max(width / self.width, height / self.height)
            size = [max(height, round(self.height * scale)), max(width, round(self.width * scale))]
            pixels = functional.interpolate(pixels[None], size=size, mode="bicubic", antialias=True)[0].clamp(0, 1)
        top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
        return dataclasses.replace(self, pixels=pixels[:, top : top + height, left : left + width].contiguous())

    def with_text(self, /, **text: str) -> Image:
        """The same picture with more text, or other text under the same keywords."""
        return dataclasses.replace(self, text={**self.text, **text})

    def _repr_png_(self) -> bytes:
        """Notebooks show the picture."""
        return self.to_png(metadata=False)
