"""Lists of names that sdkit knows by a name of their own, so that an input's choices follow what there is."""

from __future__ import annotations


class Named(list[str]):
    """A list of names, and what a session calls it: "samplers", "models.loras"."""

    def __init__(self, names: list[str], source: str) -> None:
        super().__init__(names)
        self.source = source
