"""One pipeline, many threads: each has its own prompt, sampler and seed, and gets the picture of one thread alone."""

from concurrent.futures import ThreadPoolExecutor

import torch

import sdkit
from sdkit.images import contact_sheet

pipe = sdkit.Pipeline.load()
jobs = [
    ("a red circle on a white background", "euler"),
    ("a blue square on a yellow background", "heun"),
    ("a green star on a black background", "dpmpp_2m"),
    ("a pink heart on a gray background", "euler_ancestral"),
]


def draw(job: tuple[str, str]) -> sdkit.Image:
    prompt, sampler = job
    return pipe(prompt, sampler=sampler, seed=5).images[0]


with ThreadPoolExecutor(max_workers=4) as pool:
    together = list(pool.map(draw, jobs))
assert torch.equal(together[0].pixels, draw(jobs[0]).pixels)
contact_sheet(together, captions=[sampler for _, sampler in jobs]).save("14_threads.png", overwrite=True)
