"""Reverse diffusion, step by step: a stream of events, with a preview after every step."""

import sdkit
from sdkit.images import contact_sheet
from sdkit.types import Finished, StepDone

pipe = sdkit.Pipeline.load()
previews, captions = [], []
for event in pipe.stream("a yellow heart on a purple background", steps=11, seed=5):
    if isinstance(event, StepDone):
        previews.append(event.preview()[0])
        captions.append(f"sigma {event.step.sigma_next:.2f}")
        print(f"step {event.index + 1} of {event.steps}: noise {event.step.sigma:.2f} -> {event.step.sigma_next:.2f}")
    elif isinstance(event, Finished):
        previews.append(event.result.images[0])
        captions.append("decoded")
contact_sheet(previews, columns=4, captions=captions).save("03_watch_it.png", overwrite=True)
