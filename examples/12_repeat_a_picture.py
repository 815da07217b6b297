"""A PNG remembers how it was made: read the request back, repeat it bit for bit, then change one thing."""

import torch

import sdkit
from sdkit.images import contact_sheet, read_image

pipe = sdkit.Pipeline.load()
pipe("a brown ring on a pink background", seed=20).images[0].save("12_first.png", overwrite=True)

request = sdkit.Request.from_image("12_first.png")
print(request.prompt, "| seed", request.seeds or request.seed, "|", request.sampler, request.steps, "steps")
again = pipe(request).images[0]
assert torch.equal(again.to_uint8(), read_image("12_first.png").to_uint8())

other = pipe(request.replace(prompt="a blue ring on a pink background")).images[0]
contact_sheet([again, other], captions=["repeated", "blue instead"]).save("12_repeat_a_picture.png", overwrite=True)
