# ruff: noqa: F401, N802, N804, PLR0402, PTH118, PTH120
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))

import comfy.model_management
import comfy.utils
import folder_paths
import nodes
import server
import torch
from aiohttp import web
from comfy.ldm.modules.attention import optimized_attention
from helpers import brighten
from server import PromptServer

try:
    from comfy.cuda_graphs import capture
except ImportError:
    capture = None


@PromptServer.instance.routes.get("/images/settings")
async def settings(request):
    return web.json_response({})


class Brighten:
    @classmethod
    def INPUT_TYPES(s):
        return {
            "required": {
                "image": ("IMAGE",),
                "by": ("FLOAT", {"default": 0.25, "min": 0.0, "max": 1.0}),
                "size": ("INT", {"default": 8, "min": 1, "max": nodes.MAX_RESOLUTION}),
            },
            "optional": {"mask": ("MASK",)},
        }

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "image"

    def run(self, image, by, size, mask=None):
        import comfy.utils as utils

        device = comfy.model_management.get_torch_device()
        bar = utils.ProgressBar(len(image))
        made = []
        for each in image.to(device):
            made.append(brighten(each, by))
            bar.update(1)
        out = torch.stack(made)
        if mask is not None:
            out = torch.where(mask[..., None] > 0.5, out, image)
        out = comfy.utils.common_upscale(out.movedim(-1, 1), size, size, "nearest-exact", "disabled").movedim(1, -1)
        return (out.to(comfy.model_management.intermediate_device()),)


class Attend:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"image": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"

    def run(self, image):
        return (optimized_attention(image, image, image, 1),)


class Scribble:
    """Writes into its input, which belongs to others, too."""

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"image": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"

    def run(self, image):
        image[0, 0, 0] = 1.0
        return (image,)


class Grey:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"size": ("INT", {"default": 4})}}

    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "run"

    def run(self, size):
        mask = torch.zeros(1, size, size)
        mask[:, : size // 2] = 1.0
        return (torch.full((1, size, size, 3), 0.5), mask)


class Invert(nodes.ImageInvert):
    """Inherits one of ComfyUI's."""

    CATEGORY = "image"

    def invert(self, image):
        (inverted,) = super().invert(image)
        (scaled,) = nodes.ImageScale().upscale(inverted, "nearest-exact", 2, 2, "disabled")
        return (scaled,)


class Look:
    OUTPUT_NODE = True
    RETURN_TYPES = ()
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"image": ("IMAGE",)}}

    def run(self, image):
        return {"ui": {"text": [f"{tuple(image.shape)}"], "mean": (round(float(image.mean()), 4),)}}


NODE_CLASS_MAPPINGS = {
    "Brighten": Brighten,
    "Attend": Attend,
    "Invert2": Invert,
    "Scribble": Scribble,
    "Grey": Grey,
    "Look": Look,
}
