"""img2img: start from a picture instead of noise, and replace more and more of it."""

import sdkit
from sdkit.images import contact_sheet

pipe = sdkit.Pipeline.load()
start = pipe("a large red circle on a white background", seed=1).images[0]
strengths = (0.0, 0.4, 0.6, 0.8, 1.0)
images = [
    pipe("a large blue circle on a white background", init_image=start, denoise=strength, seed=2).images[0]
    for strength in strengths
]
captions = [f"denoise {strength}" for strength in strengths]
contact_sheet([start, *images], columns=3, captions=["start", *captions]).save("04_image_to_image.png", overwrite=True)
