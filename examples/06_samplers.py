"""The same noise, other samplers and step counts: what each makes of it, and how fast they agree."""

import sdkit
from sdkit.images import contact_sheet

pipe = sdkit.Pipeline.load()
images, captions = [], []
for sampler, entry in pipe.samplers.items():
    for steps in (4, 8, 20):
        images.append(pipe("an orange cross on a black background", sampler=sampler, steps=steps, seed=12).images[0])
        captions.append(f"{sampler} {steps}")
    print(f"{sampler}: order {entry.order:g}, {entry.evaluations:g} model evaluations a step. {entry.summary}")
contact_sheet(images, columns=3, captions=captions).save("06_samplers.png", overwrite=True)
