# ruff: noqa: N802, N804
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
import math
import operator


class AnyType(str):
    """Fits everything, whichever side it is on."""

    def __ne__(self, other):
        return False


anything = AnyType("ANYTHING")
OPERATIONS = {"add": operator.add, "multiply": operator.mul, "power": operator.pow}


class Calculate:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "a": ("FLOAT", {"default": 1, "min": -1000.0, "max": 1000.0, "step": 0.5, "round": 0.01}),
                "operation": (list(OPERATIONS), {"default": "add", "tooltip": "What is done."}),
            },
            "optional": {"b": ("FLOAT", {"default": 2.0, "forceInput": True})},
        }

    RETURN_TYPES = ("FLOAT", "INT", "STRING")
    RETURN_NAMES = ("number", "whole", "text")
    OUTPUT_TOOLTIPS = ("The number itself.",)
    FUNCTION = "calculate"
    CATEGORY = "maths"
    DESCRIPTION = "One operation."

    def calculate(self, a, operation, b=10.0):
        result = OPERATIONS[operation](a, b)
        return (result, math.floor(result), f"{result:g}")


class Constant:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"value": ("INT", {"default": 3, "min": 0, "max": 0xFFFFFFFFFFFFFFFF})}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "get"

    def get(self, value):
        return (value,)


class Pass:
    """Hands on whatever it gets."""

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"value": (anything, {})}}

    RETURN_TYPES = (anything,)
    FUNCTION = "run"

    def run(self, value):
        return (value,)


class Between:
    """Checks its inputs itself."""

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"low": ("INT", {"default": 0, "max": 5}), "high": ("INT", {"default": 1})}}

    @classmethod
    def VALIDATE_INPUTS(s, low, high):
        return True if low < high else f"low is {low}, which is not below {high}"

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    def run(self, low, high):
        return (high - low,)


class Numeric:
    """Takes links of two types, and says so by its validation."""

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"value": ("NUMBER", {"forceInput": True})}}

    @classmethod
    def VALIDATE_INPUTS(s, input_types):
        return True if input_types["value"] in ("INT", "FLOAT", "NUMBER") else "only numbers"

    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    def run(self, value):
        return (str(value),)


class Forgot:
    """Its author forgot the commas that make tuples."""

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"text": ("STRING", {"default": "a", "multiline": True})}}

    RETURN_TYPES = "STRING"
    RETURN_NAMES = "doubled"
    FUNCTION = "run"

    def run(self, text):
        return text * 2


class Wrong:
    RETURN_TYPES = ()
    FUNCTION = "nothing"

    @classmethod
    def INPUT_TYPES(s):
        return {}


NODE_CLASS_MAPPINGS = {
    "Calculate": Calculate,
    "Constant": Constant,
    "Pass": Pass,
    "Between": Between,
    "Numeric": Numeric,
    "Forgot": Forgot,
    "Wrong": Wrong,
}
NODE_DISPLAY_NAME_MAPPINGS = {"Calculate": "Calculate something"}
