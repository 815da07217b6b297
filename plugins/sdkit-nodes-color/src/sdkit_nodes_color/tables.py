"""Colour tables: .cube files (Adobe's "Cube LUT Specification", version 1.0), three-dimensional ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from sdkit.errors import ImageError

MOST_BYTES = 64 * 2**20
LARGEST = 256
_IGNORED = ("TITLE", "LUT_3D_INPUT_RANGE")


@dataclass(frozen=True, eq=False)
class Table:
    """A colour for each point of a cube: `colours` `[3, blue, green, red]`, between `lowest` and `highest` inputs."""

    colours: torch.Tensor
    lowest: torch.Tensor
    highest: torch.Tensor

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """`[3, H, W]` → the same, looked up, linearly in between."""
        place = (pixels - self.lowest[:, None, None]) / (self.highest - self.lowest)[:, None, None]
        grid = (place * 2 - 1).permute(1, 2, 0)[None, None]
        looked_up = F.grid_sample(self.colours[None], grid, mode="bilinear", padding_mode="border", align_corners=True)
        return looked_up[0, :, 0]


def read_cube(path: Path) -> Table:
    """A table from a file. Raises ImageError, which names the line, for what is none."""
    size, bounds, rows = 0, {"DOMAIN_MIN": (0.0,) * 3, "DOMAIN_MAX": (1.0,) * 3}, list[tuple[float, ...]]()
    if path.stat().st_size > MOST_BYTES:
        raise ImageError(f"{path.name} has more than {MOST_BYTES // 2**20} MB, which no colour table needs")
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words or words[0] in _IGNORED:
            continue
        where = f"{path.name}, line {number}"
        if words[0] == "LUT_3D_SIZE":
            size = int(words[1]) if len(words) == 2 and words[1].isdigit() else 0
            if not 2 <= size <= LARGEST:
                raise ImageError(f"{where}: the size of a table is 2 to {LARGEST}")
        elif words[0] in bounds:
            bounds[words[0]] = _numbers(words[1:], where)
        elif words[0][0].isalpha():
            raise ImageError(f"{where}: {words[0]} is not known; tables of three dimensions are (LUT_3D_SIZE)")
        else:
            rows.append(_numbers(words, where))
    if not size or len(rows) != size**3:
        raise ImageError(f"{path.name}: a table of size {size} has {size**3} colours, this file has {len(rows)}")
    lowest, highest = torch.tensor(bounds["DOMAIN_MIN"]), torch.tensor(bounds["DOMAIN_MAX"])
    if not bool((lowest < highest).all()):
        raise ImageError(f"{path.name}: DOMAIN_MIN must be below DOMAIN_MAX")
    colours = torch.tensor(rows).reshape(size, size, size, 3)  # red changes fastest, blue slowest
    return Table(colours.permute(3, 0, 1, 2).contiguous(), lowest, highest)


def _numbers(words: list[str], where: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in words)
    except ValueError:
        numbers = ()
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise ImageError(f"{where}: there must be three numbers, not {' '.join(words)!r}")
    return numbers
