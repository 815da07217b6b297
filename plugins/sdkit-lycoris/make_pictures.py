"""Makes the picture of the README: two prompts with the same seed, and a (IA)³ file at growing strengths."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

import sdkit
from sdkit.images import contact_sheet

PROMPTS = ("a red circle and a yellow star on a blue background", "a large green heart on a white background")
SEED = 3
STRENGTHS = (0.0, 0.8, 0.95, 1.0)


def write_ia3(path: Path, model: sdkit.Pipeline) -> None:
    """A file that makes the U-Net's attention to the text say nothing, by a factor for each output of its values."""
    weights = model.model.weights
    names = [name for name in weights if name.endswith("attn2.to_v.weight")]
    tensors: dict[str, torch.Tensor] = {}
    for name in names:
        module = "lora_unet_" + name.removeprefix("unet.").removesuffix(".weight").replace(".", "_")
        tensors[f"{module}.weight"] = torch.full(weights[name][:1], -1.0)
        tensors[f"{module}.on_input"] = torch.tensor(0)
    save_file(tensors, path)


def main() -> None:
    """Write pictures/ia3.png."""
    pipe = sdkit.Pipeline.load(plugins=["sdkit_lycoris"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deaf.safetensors"
        write_ia3(path, pipe)
        cells = [(prompt, strength) for prompt in PROMPTS for strength in STRENGTHS]
        images = [pipe(prompt, seed=SEED, loras=[(str(path), strength)]).images[0] for prompt, strength in cells]
    captions = [f"strength {strength:g}" for _, strength in cells]
    target = Path(__file__).parent / "pictures" / "ia3.png"
    contact_sheet(images, columns=len(STRENGTHS), captions=captions).save(target, overwrite=True)


if __name__ == "__main__":
    main()
