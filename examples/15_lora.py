"""LoRAs: what two small files make of the same prompts and seeds, at strengths 0, 0.5 and 1."""

from pathlib import Path

import sdkit
from sdkit.images import contact_sheet

LORAS = Path(__file__).parent / "loras"
PROMPTS = (
    "a large yellow circle on a black background",
    "a large blue triangle on a yellow background",
    "a large green heart on a black background",
    "a large purple square on an orange background",
)

pipe = sdkit.Pipeline.load()
images, captions = [], []
for name in ("outline", "stripes"):
    for strength in (0.0, 0.5, 1.0):
        for prompt in PROMPTS:
            images += pipe(prompt, seed=4, loras=[(str(LORAS / f"{name}.safetensors"), strength)]).images
            captions.append(f"{name} {strength:g}")
contact_sheet(images, columns=len(PROMPTS), captions=captions).save("15_lora.png", overwrite=True)
