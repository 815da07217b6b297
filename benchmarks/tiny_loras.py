"""What the examples' LoRAs do to the embedded model: how full its shapes are, and how striped, by strength.

``python benchmarks/tiny_loras.py`` prints a table. The prompts are made of (colour, shape, background) triples that
training never saw, in shapes that have an inside.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import sdkit
from benchmarks._tiny_analyse import Analyser
from benchmarks._tiny_prompts import Wanted, unseen_prompts
from benchmarks._tiny_styles import Paint, paint

LORAS = Path(__file__).parents[1] / "examples/loras"
WITH_INSIDE = ("circle", "square", "triangle", "star", "heart", "cross", "diamond")


def prompts(count: int) -> list[Wanted]:
    """Of one object, none called small."""
    found = [w for w in unseen_prompts() if len(w.things) == 1 and w.things[0][1] in WITH_INSIDE and w.size != "small"]
    return found[:count]


def measure(
    pipe: sdkit.Pipeline, wanted: Sequence[Wanted], seeds: Sequence[int], lora: str, strength: float
) -> tuple[list[Paint], float]:
    """The paint of every picture that shows its object, and the share of backgrounds that are right."""
    found, right, read = [], 0, Analyser()
    for one in wanted:
        result = pipe(one.prompt, seeds=list(seeds), loras=[(str(LORAS / f"{lora}.safetensors"), strength)])
        for image in result.images:
            right += read(image.pixels).background == one.background
            try:
                found.append(paint(image.pixels, one.things[0][0], one.background))
            except ValueError:
                continue
    return found, right / (len(wanted) * len(seeds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loras", nargs="+", default=["outline", "stripes"])
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    options = parser.parse_args()
    pipe, wanted, seeds = sdkit.Pipeline.load(), prompts(options.prompts), range(options.seeds)
    print("| LoRA | strength | inside filled | stripes down a column | background right | pictures with an inside |")
    print("| --- | --- | --- | --- | --- | --- |")
    for lora in options.loras:
        for strength in options.strengths:
            found, right = measure(pipe, wanted, seeds, lora, strength)
            fills = [one.fill for one in found if one.fill is not None]
            fill, stripes = statistics.mean(fills), statistics.mean(one.stripes for one in found)
            print(
                f"| {lora} | {strength:g} | {fill:.1%} | {stripes:.2f} | {right:.1%} "
                f"| {len(fills)} of {len(wanted) * len(seeds)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
