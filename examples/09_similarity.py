"""CLIP's matrix: how well each sentence fits each picture, as numbers and as a picture."""

import torch

import sdkit
from sdkit.images import contact_sheet

pipe = sdkit.Pipeline.load()
texts = [
    "a red circle on a white background",
    "a blue square on a yellow background",
    "a green star on a black background",
    "a pink heart on a gray background",
]
images = [pipe(text, seed=1).images[0] for text in texts]
matrix = pipe.similarity(texts, images)  # [texts, pictures], cosines

for text, row in zip(texts, matrix.tolist(), strict=True):
    print(f"{text:38}", "  ".join(f"{value:+.2f}" for value in row))

lowest, highest = matrix.min(), matrix.max()
cells = [
    sdkit.Image(torch.full((3, 64, 64), float((highest - value) / (highest - lowest)))) for value in matrix.flatten()
]
captions = [f"{value:+.2f}" for value in matrix.flatten().tolist()]
contact_sheet([*images, *cells], columns=4, captions=["", "", "", "", *captions]).save(
    "09_similarity.png", overwrite=True
)
