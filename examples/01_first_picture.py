"""A picture from a sentence, with the model in the box: no download, no network, no GPU."""

import sdkit

pipe = sdkit.Pipeline.load()
result = pipe("a red circle on a blue background", seed=7)
path = result.images[0].save("01_first_picture.png", overwrite=True)
print(f"{path}: seed {result.seeds[0]}, {result.timings['total']:.1f} s")
