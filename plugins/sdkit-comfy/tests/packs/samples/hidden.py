# ruff: noqa: N802, N804, PTH119, PTH123, PTH202, PTH208
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
import os

import folder_paths


class FlexibleOptional(dict):
    """Whatever is asked for is there."""

    def __contains__(self, key):
        return True

    def __getitem__(self, key):
        return ("*",)


class Tell:
    OUTPUT_NODE = True
    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(s):
        return {
            "required": {"text": ("STRING", {"default": "hello"})},
            "optional": FlexibleOptional(),
            "hidden": {
                "prompt": "PROMPT",
                "extra_pnginfo": "EXTRA_PNGINFO",
                "my_id": "UNIQUE_ID",
                "dynprompt": "DYNPROMPT",
            },
        }

    def run(self, text, prompt, extra_pnginfo, my_id, dynprompt, **more):
        kind = dynprompt.get_node(my_id)["class_type"]
        named = prompt[my_id]["inputs"]["text"]
        return (f"{my_id} {kind} {named} {extra_pnginfo} {sorted(more.items())}",)


class Clock:
    """Runs every time."""

    runs = 0

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {}}

    @classmethod
    def IS_CHANGED(s):
        return float("NaN")

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    def run(self):
        Clock.runs += 1
        return (Clock.runs,)


class ReadFile:
    """Runs when its file has changed."""

    @classmethod
    def INPUT_TYPES(s):
        folder = folder_paths.get_input_directory()
        return {"required": {"file": (sorted(os.listdir(folder))[:3], {"image_upload": True})}}

    @classmethod
    def IS_CHANGED(s, file):
        return os.path.getsize(folder_paths.get_annotated_filepath(file))

    @classmethod
    def VALIDATE_INPUTS(s, file):
        if not folder_paths.exists_annotated_filepath(file):
            return f"no such file: {file}"
        return True

    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    def run(self, file):
        with open(folder_paths.get_annotated_filepath(file)) as opened:
            return (opened.read(),)


class Counter:
    """Remembers how often it ran."""

    def __init__(self):
        self.count = 0

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"seed": ("INT", {"default": 0, "control_after_generate": True})}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    def run(self, seed):
        self.count += 1
        return (self.count,)


class PickLora:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"lora": (folder_paths.get_filename_list("loras"),), "sampler": (samplers(),)}}

    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    def run(self, lora, sampler):
        return (os.path.basename(folder_paths.get_full_path("loras", lora)) + " " + sampler,)


def samplers():
    import comfy.samplers

    return comfy.samplers.KSampler.SAMPLERS


NODE_CLASS_MAPPINGS = {cls.__name__: cls for cls in (Tell, Clock, ReadFile, Counter, PickLora)}
