"""Packs on the disk, found without running anything of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_MARKS = re.compile(rb"NODE_CLASS_MAPPINGS|comfy_entrypoint")
_MOST_BYTES = 4 * 2**20


def find_packs(folders: Iterable[str | Path]) -> dict[str, Path]:
    """Name → folder or file of every pack in these folders, such as ComfyUI's `custom_nodes`.

    A pack is a folder whose `__init__.py` names `NODE_CLASS_MAPPINGS` or `comfy_entrypoint`, or a `.py` that does; one
    that imports all from elsewhere (`from .nodes import *`) counts, too. Of several with one name, the first folder's.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        path = Path(folder).expanduser()
        for each in sorted(path.iterdir()) if path.is_dir() else ():
            if each.name.startswith((".", "_")) or each.name.endswith(".disabled"):
                continue
            file = each / "__init__.py" if each.is_dir() else each
            if file.suffix == ".py" and file.is_file() and _is_pack(file):
                found.setdefault(each.name if each.is_dir() else each.stem, each)
    return found


def _is_pack(file: Path) -> bool:
    if file.stat().st_size > _MOST_BYTES:
        return False
    text = file.read_bytes()
    return bool(_MARKS.search(text) or re.search(rb"^\s*from\s+\.\S*\s+import\s+\*", text, re.MULTILINE))
