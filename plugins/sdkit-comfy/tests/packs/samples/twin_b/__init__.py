# ruff: noqa: F401, N801, N802, N804, PTH120
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
import os
import sys

sys.path.append(os.path.dirname(__file__))

import shared_name

from .inner import suffix


class Twin_b:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {}}

    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    def run(self):
        import shared_name as again

        return (again.WHO + suffix(),)


NODE_CLASS_MAPPINGS = {"Twin_b": Twin_b}
