"""Change a part of a picture: white in the mask is drawn anew, black is kept."""

import torch

import sdkit
from sdkit.images import contact_sheet

pipe = sdkit.Pipeline.load()
start = pipe("a red square and a blue circle on a white background", seed=4).images[0]

pixels = torch.zeros(3, start.height, start.width)
pixels[:, :, start.width // 2 :] = 1  # the right half
mask = sdkit.Image(pixels)

changed = pipe("a green star on the right on a white background", init_image=start, mask=mask, seed=8).images[0]
sheet = contact_sheet([start, mask, changed], captions=["start", "mask", "the masked part drawn anew"])
sheet.save("05_mask.png", overwrite=True)
