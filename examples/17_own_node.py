"""A node of your own: a typed function, registered by a plugin, and used in a graph next to all others."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

import sdkit
from sdkit.graph import Nodes
from sdkit.images import contact_sheet


@sdkit.node
def posterise(
    image: sdkit.Image, levels: Annotated[int, Field(ge=2, le=256, description="per colour")] = 4
) -> sdkit.Image:
    """Fewer shades of each colour."""
    return replace(image, pixels=(image.pixels * (levels - 1)).round() / (levels - 1))


class MyNodes:
    """The plugin."""

    @sdkit.hookimpl
    def register_nodes(self, register):
        register("posterise", posterise)


workspace = sdkit.Workspace(plugins=[MyNodes()])
graph = workspace.default().changed({"prompt.prompt": "a blue heart on an orange background"})
del graph.nodes["save"]
nodes = Nodes(graph, workspace.types)
for levels in (2, 3, 5, 256):
    made = nodes.posterise(f"posterise-{levels}", image=graph.handle("decode"), levels=levels)
    nodes.preview_image(f"{levels} levels", image=made)
print(*workspace.check(graph.changed({"posterise-2.levels": 1})), sep="\n")  # wrong on purpose: bounds are checked

result = workspace.run(graph)
sheet = contact_sheet(result.reported(sdkit.Image), columns=4, captions=list(result.ui))
sheet.save("17_own_node.png", overwrite=True)
