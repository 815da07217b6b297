# ruff: noqa: UP042

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
from enum import Enum

from comfy_api.latest import ComfyExtension, io, ui


class Method(str, Enum):
    ADD = "add"
    SUBTRACT = "subtract"


Pair = io.Custom("PAIR")


class MakePair(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MakePair",
            display_name="Make a pair",
            category="v3",
            description="Two numbers.",
            inputs=[
                io.Int.Input("a", default=1, min=0, max=10, tooltip="The first."),
                io.MultiType.Input("b", [io.Int, io.Float]),
            ],
            outputs=[Pair.Output("pair", display_name="The pair"), io.Float.Output()],
        )

    @classmethod
    def execute(cls, a, b):
        return io.NodeOutput((a, b), float(a + b))


class Apply(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Apply",
            category="v3",
            inputs=[
                Pair.Input("pair"),
                io.Combo.Input("method", options=Method, default=Method.ADD),
                io.String.Input("label", default="is", optional=True, multiline=True),
                io.AnyType.Input("unused", lazy=True, optional=True),
            ],
            outputs=[io.String.Output(display_name="text"), io.Float.Output()],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
            is_output_node=True,
        )

    @classmethod
    def check_lazy_status(cls, **kwargs):
        return []

    @classmethod
    def validate_inputs(cls, label="is"):
        return "the label is rude" if label == "rude" else True

    @classmethod
    def execute(cls, pair, method, label="is", unused=None):
        a, b = pair
        value = a + b if method == Method.ADD else a - b
        kind = cls.hidden.prompt[cls.hidden.unique_id]["class_type"]
        text = f"{kind} {cls.hidden.unique_id} {label} {value:g}"
        return io.NodeOutput(text, float(value), ui=ui.PreviewText(text))


class Later(io.ComfyNode):
    runs = 0

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Later",
            category="v3",
            inputs=[io.Int.Input("value", default=2), io.Boolean.Input("stop", default=False)],
            outputs=[io.Int.Output()],
        )

    @classmethod
    def fingerprint_inputs(cls, value, stop):
        return float("NaN")

    @classmethod
    async def execute(cls, value, stop):
        if stop:
            return io.NodeOutput(block_execution="stopped")
        return io.NodeOutput(value * 2)


class Unfolds(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Unfolds",
            category="v3",
            inputs=[io.Int.Input("value", default=2)],
            outputs=[io.Int.Output()],
            enable_expand=True,
        )

    @classmethod
    def execute(cls, value):
        from comfy_execution.graph_utils import GraphBuilder

        graph = GraphBuilder()
        inner = graph.node("Later", value=value, stop=False)
        return io.NodeOutput(inner.out(0), expand=graph.finalize())


class Grows(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        template = io.Autogrow.TemplatePrefix(io.Image.Input("image"), prefix="image")
        return io.Schema(node_id="Grows", inputs=[io.Autogrow.Input("images", template=template)], outputs=[])


class Extension(ComfyExtension):
    async def get_node_list(self):
        return [MakePair, Apply, Later, Unfolds, Grows]


async def comfy_entrypoint():
    return Extension()
