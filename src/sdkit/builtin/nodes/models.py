"""Models: loaded from the model folders, and changed by LoRAs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from sdkit import Workspace
from sdkit.builtin.nodes.sockets import Strength
from sdkit.graph import CheckContext, Choices, NodeContext, node
from sdkit.hookspecs import hookimpl
from sdkit.types import LoraSpec

if TYPE_CHECKING:
    from sdkit import Pipeline
    from sdkit.types import RunPlan


class WithLora:
    """A plugin: a LoRA beside those that a request asks for."""

    in_record = False  # the request names the LoRA

    def __init__(self, lora: LoraSpec) -> None:
        self.lora = lora

    @hookimpl
    def prepare_run(self, plan: RunPlan) -> None:
        """Ask for the LoRA, too; it is in the pictures' record then."""
        plan.request = plan.request.replace(loras=(*plan.request.loras, self.lora))


def _model_files(
    context: CheckContext,
    name: str | None,
    unet: str | None,
    vae: str | None,
    text_encoder: str | None,
    second_text_encoder: str | None,
) -> list[str]:
    """What changes when one of the files does."""
    workspace = context.service(Workspace)
    named = [workspace.stamp("checkpoints", name)] if name else []
    named += [workspace.stamp("diffusion_models", unet)] if unet else []
    named += [workspace.stamp("vae", vae)] if vae else []
    return named + [workspace.stamp("text_encoders", each) for each in (text_encoder, second_text_encoder) if each]


@node(category="models", changes=_model_files)
def load_model(
    context: NodeContext,
    name: Annotated[str, Choices("models.checkpoints")] = "tiny",
    unet: Annotated[str | None, Choices("models.diffusion_models", open=True)] = None,
    vae: Annotated[str | None, Choices("models.vae", open=True)] = None,
    text_encoder: Annotated[str | None, Choices("models.text_encoders", open=True)] = None,
    second_text_encoder: Annotated[str | None, Choices("models.text_encoders", open=True)] = None,
) -> Pipeline:
    """Load a model from the model folders, perhaps with parts of other files; "tiny" is the one in the box."""
    encoders = tuple(each for each in (text_encoder, second_text_encoder) if each)
    return context.service(Workspace).pipeline(name, unet=unet, vae=vae, text_encoders=encoders)


def _lora_file(context: CheckContext, name: str | None, **_: object) -> str:
    return context.service(Workspace).stamp("loras", name) if name else ""


@node(category="models", changes=_lora_file)
def apply_lora(
    context: NodeContext,
    pipeline: Pipeline,
    name: Annotated[str, Choices("models.loras")],
    strength: Strength = 1.0,
    text_strength: Strength | None = None,
) -> Pipeline:
    """The model with a LoRA: `strength` in the noise predictor, `text_strength`, or the same, in the text encoders."""
    source = context.service(Workspace).source("loras", name)
    return pipeline.using(WithLora(LoraSpec(name=source, strength=strength, text_strength=text_strength)))
