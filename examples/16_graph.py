"""A graph: nodes and links as data. Run again with other inputs, it computes only what changed."""

import sdkit
from sdkit.graph import Graph, Nodes
from sdkit.images import contact_sheet

workspace = sdkit.Workspace()
graph = Graph(workspace.types)
nodes = Nodes(graph, workspace.types)  # a method for every kind of node

model = nodes.load_model("model", name="tiny")
prompts = nodes.encode_text("prompt", pipeline=model, prompt="a yellow star on a purple background")
empty = nodes.empty_latents("empty", pipeline=model, count=2)
first = nodes.sample(
    "first", pipeline=model, positive=prompts.positive, negative=prompts.negative, latents=empty, seed=4, steps=12
)
larger = nodes.scale_latents("larger", latents=first, scale=1.5)
second = nodes.sample(
    "second",
    pipeline=model,
    positive=prompts.positive,
    negative=prompts.negative,
    latents=larger,
    seed=4,
    steps=12,
    denoise=0.6,
)
nodes.preview_image("small", image=nodes.decode(pipeline=model, latents=first))
nodes.preview_image("large", image=nodes.decode(pipeline=model, latents=second))

images, captions = [], []
for changes in ({}, {"second.denoise": 0.4}, {"prompt.prompt": "a green ring on a pink background"}):
    result = workspace.run(graph, changes)
    print(f"{changes or 'the first run'}: {', '.join(result.executed)} ran")
    shown = result.reported(sdkit.Image)
    images += [image.fit(192, 192) for image in shown]
    captions += [f"{image.width} pixels, seed {image.seed}" for image in shown]
contact_sheet(images, columns=4, captions=captions).save("16_graph.png", overwrite=True)
