"""The three stages by hand: encode, sample, decode. Bit for bit what `pipe(prompt)` does."""

import torch

import sdkit

pipe = sdkit.Pipeline.load()

for chunk in pipe.tokenize("a green star on a white background"):
    end = chunk.texts.index("<|endoftext|>")
    print("tokens  ", *chunk.texts[: end + 1], f"and {len(chunk.texts) - end - 1} of padding")
cond = pipe.encode("a green star on a white background")
print("context ", list(cond.positive[0].context.shape), "= [1, tokens, features]")
latents = pipe.sample(cond, steps=20, seed=3)
print("latents ", list(latents.tensor.shape), "= [pictures, channels, height / 8, width / 8]")
(image,) = pipe.decode(latents)
image.save("02_stages_by_hand.png", overwrite=True)

whole = pipe("a green star on a white background", steps=20, seed=3)
assert torch.equal(image.pixels, whole.images[0].pixels)
print("the same as pipe(prompt), to the last bit")
