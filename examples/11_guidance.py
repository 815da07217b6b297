"""How strongly to follow the prompt, and what not to draw: guidance scale and negative prompt."""

import sdkit
from sdkit.images import contact_sheet

pipe = sdkit.Pipeline.load()
images, captions = [], []
for negative in ("", "green"):
    for scale in (1.0, 2.0, 4.0, 8.0):
        result = pipe("a circle on a white background", negative_prompt=negative, guidance_scale=scale, seed=9)
        images += result.images
        captions.append(f"scale {scale:g}" + (f", not {negative}" if negative else ""))
contact_sheet(images, columns=4, captions=captions).save("11_guidance.png", overwrite=True)
