# ruff: noqa: A002, N802, N804
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
import asyncio

from comfy_execution.graph import ExecutionBlocker
from comfy_execution.graph_utils import GraphBuilder, is_link


class Add:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"a": ("INT", {"default": 0}), "b": ("INT", {"default": 1})}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    def run(self, a, b):
        return (a + b,)


class Repeat:
    """Adds one, so many times: by a graph of as many nodes."""

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"start": ("INT", {"forceInput": True}), "times": ("INT", {"default": 3})}}

    RETURN_TYPES = ("INT", "STRING")
    FUNCTION = "run"

    def run(self, start, times):
        graph = GraphBuilder()
        value = start
        for number in range(times):
            value = graph.node("Add", id=f"add{number}", a=value, b=1).out(0)
        return {"result": (value, f"{times} times"), "expand": graph.finalize()}


class LoopOpen:
    @classmethod
    def INPUT_TYPES(s):
        return {
            "required": {"left": ("INT", {"default": 3, "min": 0})},
            "optional": {"value": ("*",)},
        }

    RETURN_TYPES = ("FLOW", "INT", "*")
    RETURN_NAMES = ("flow", "left", "value")
    FUNCTION = "run"

    def run(self, left, value=None):
        return ("flow", left, value)


class LoopClose:
    """Runs what lies between it and its beginning again, with new values, until nothing is left: as packs do, by a copy
    of the nodes between."""

    @classmethod
    def INPUT_TYPES(s):
        return {
            "required": {"flow": ("FLOW", {"rawLink": True}), "left": ("INT", {"forceInput": True})},
            "optional": {"value": ("*",)},
            "hidden": {"dynprompt": "DYNPROMPT", "unique_id": "UNIQUE_ID"},
        }

    RETURN_TYPES = ("*",)
    FUNCTION = "run"

    def between(self, node_id, dynprompt, readers):
        for value in dynprompt.get_node(node_id)["inputs"].values():
            if is_link(value):
                source = value[0]
                if source not in readers:
                    readers[source] = []
                    self.between(source, dynprompt, readers)
                readers[source].append(node_id)

    def contained(self, node_id, readers, found):
        for reader in readers.get(node_id, []):
            if reader not in found:
                found[reader] = True
                self.contained(reader, readers, found)

    def run(self, flow, left, value=None, dynprompt=None, unique_id=None):
        if left <= 0:
            return (value,)
        beginning = flow[0]
        readers = {}
        self.between(unique_id, dynprompt, readers)
        found = {beginning: True, unique_id: True}
        self.contained(beginning, readers, found)
        graph = GraphBuilder()
        for node_id in found:
            old = dynprompt.get_node(node_id)
            node = graph.node(old["class_type"], "again" if node_id == unique_id else node_id)
            node.set_override_display_id(node_id)
        for node_id in found:
            old = dynprompt.get_node(node_id)
            node = graph.lookup_node("again" if node_id == unique_id else node_id)
            for key, each in old["inputs"].items():
                if is_link(each) and each[0] in found:
                    node.set_input(key, graph.lookup_node(each[0]).out(each[1]))
                else:
                    node.set_input(key, each)
        opened = graph.lookup_node(beginning)
        opened.set_input("left", left)
        opened.set_input("value", value)
        return {"result": (graph.lookup_node("again").out(0),), "expand": graph.finalize()}


class Choose:
    """Computes only what is chosen."""

    @classmethod
    def INPUT_TYPES(s):
        return {
            "required": {"second": ("BOOLEAN", {"default": False})},
            "optional": {"a": ("*", {"lazy": True}), "b": ("*", {"lazy": True})},
        }

    RETURN_TYPES = ("*",)
    FUNCTION = "run"

    def check_lazy_status(self, second, a=None, b=None):
        wanted = "b" if second else "a"
        return [wanted] if (b if second else a) is None else []

    def run(self, second, a=None, b=None):
        return (b if second else a,)


class Fail:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    def run(self):
        raise RuntimeError("this branch is not wanted")


class Gate:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"value": ("*",), "open": ("BOOLEAN", {"default": True})}}

    RETURN_TYPES = ("*",)
    FUNCTION = "run"

    def run(self, value, open):
        return (value if open else ExecutionBlocker("the gate is shut"),)


class Slow:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"value": ("INT", {"default": 1}), "party": ("STRING", {"default": "x"})}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    waiting = 0
    most = 0

    async def run(self, value, party):
        Slow.waiting += 1
        Slow.most = max(Slow.most, Slow.waiting)
        await asyncio.sleep(0.02)
        Slow.waiting -= 1
        return (value * 10,)


class Split:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"text": ("STRING", {"default": "1,2,3"})}}

    RETURN_TYPES = ("INT", "INT")
    RETURN_NAMES = ("each", "count")
    OUTPUT_IS_LIST = (True, False)
    FUNCTION = "run"

    def run(self, text):
        numbers = [int(part) for part in text.split(",")]
        return (numbers, len(numbers))


class Join:
    INPUT_IS_LIST = True
    OUTPUT_NODE = True
    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(s):
        return {
            "required": {"numbers": ("INT", {"forceInput": True}), "by": ("STRING", {"default": "+"})},
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    def run(self, numbers, by, unique_id):
        text = f"{unique_id[0]}: " + by[0].join(map(str, numbers))
        return {"ui": {"text": [text]}, "result": (text,)}


NODE_CLASS_MAPPINGS = {
    cls.__name__: cls for cls in (Add, Repeat, LoopOpen, LoopClose, Choose, Fail, Gate, Slow, Split, Join)
}
