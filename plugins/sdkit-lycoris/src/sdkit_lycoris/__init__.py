"""LyCORIS's formats for sdkit: LoHa, LoKr, (IA)³, GLoRA, OFT and BOFT; and PEFT's OFT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit import hookimpl

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterLoraFormat

__version__ = "0.1.0"


@hookimpl
def register_lora_formats(register: RegisterLoraFormat) -> None:
    """The formats; torch is imported when one is first used."""
    register("loha", "sdkit_lycoris.loha:loha", summary="LoHa: a product, element by element, of two low ranks")
    register("lokr", "sdkit_lycoris.lokr:lokr", summary="LoKr: a Kronecker product")
    register("ia3", "sdkit_lycoris.ia3:ia3", summary="(IA)³: a factor for each input or output")
    register("glora", "sdkit_lycoris.glora:glora", summary="GLoRA: the weight itself through a low rank, and another")
    register("oft", "sdkit_lycoris.oft:oft", summary="OFT and BOFT: rotations of the outputs")
    register(
        "peft_oft", "sdkit_lycoris.peft_oft:peft_oft", summary="OFT of PEFT and OneTrainer: rotations of the inputs"
    )
