"""The plugin that brings the nodes of packs: those that are enabled by name, and no other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit import hookimpl
from sdkit.errors import nearest
from sdkit_comfy.nodes import NODES
from sdkit_comfy.packs.errors import PackError
from sdkit_comfy.packs.finding import find_packs

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterNode
    from sdkit_comfy.packs.loading import Pack


class Packs:
    """Packs of nodes for one workspace: `Workspace(plugins=[Packs(["ComfyUI/custom_nodes"], ["my_pack"])])`.

    `folders`: where packs are looked for. `enabled`: the names of those to load; "all" is no name, since packs are
    code. Nothing is run before the workspace is made, and nothing of packs that are not named.
    """

    name = "comfy-packs"

    def __init__(self, folders: Iterable[str | Path] = (), enabled: Iterable[str] = ()) -> None:
        self.folders = tuple(Path(each) for each in folders)
        self.enabled = tuple(dict.fromkeys(enabled))

    @classmethod
    def of_environment(cls) -> Packs:
        """As SDKIT_COMFY_PACK_FOLDERS (separated as in PATH) and SDKIT_COMFY_PACKS (by commas) have it."""
        folders = os.environ.get("SDKIT_COMFY_PACK_FOLDERS", "").split(os.pathsep)
        enabled = os.environ.get("SDKIT_COMFY_PACKS", "").split(",")
        return cls([each for each in folders if each], [each.strip() for each in enabled if each.strip()])

    def found(self) -> dict[str, Path]:
        """Name → place of all packs in the folders; none of them is run."""
        return find_packs(self.folders)

    def load(self) -> Sequence[Pack]:
        """The enabled packs, loaded. Raises PackError for one that is not there, or cannot be loaded."""
        from sdkit_comfy.packs.loading import load_pack

        if not self.enabled:
            return ()
        found = self.found()
        for name in self.enabled:
            if name not in found:
                near = nearest(name, found)
                advice = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(found)) or 'none'}"
                folders = os.pathsep.join(map(str, self.folders)) or "no folder"
                raise PackError(f"there is no pack {name!r} in {folders}; {advice}")
        return tuple(load_pack(found[name], name=name) for name in self.enabled)

    @hookimpl
    def register_nodes(self, register: RegisterNode) -> None:
        """The nodes of the enabled packs.

        As in ComfyUI, none takes the place of one of ComfyUI's own, and the later pack's of two with one name is taken.
        """
        nodes = {
            name: (node, pack.name) for pack in self.load() for name, node in pack.nodes.items() if name not in NODES
        }
        for name, (node, pack) in nodes.items():
            register(name, node, summary=node.summary or f"from the pack {pack}")

    @hookimpl
    def find_node(self, name: str) -> str | None:
        """Where a node is that a pack has, but not in working order."""
        for pack in self.load():
            if name in pack.faults:
                return f"the pack {pack.name!r} has it, but it cannot be used: {pack.faults[name]}"
        return None
