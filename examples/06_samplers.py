"""The same noise, other samplers and step counts: what each makes of it, and how fast they agree."""

import sdkit
from sdkit.images import contact_sheet

pipe = sdkit.Pipeline.load()
images, captions = [], []
for sampler in ("euler", "euler_ancestral", "dpmpp_2m", "DPM++ 2M SDE Karras", "uni_pc", "seeds_2"):
    for steps in (4, 8, 20):
        result = pipe("an orange cross on a black background", sampler=sampler, steps=steps, seed=12)
        images.append(result.images[0])
        captions.append(f"{sampler} {steps}")
    entry = pipe.samplers[str(result.request.sampler)]
    print(f"{entry.name}: order {entry.order:g}, {entry.evaluations:g} model evaluations a step. {entry.summary}")
contact_sheet(images, columns=3, captions=captions).save("06_samplers.png", overwrite=True)
