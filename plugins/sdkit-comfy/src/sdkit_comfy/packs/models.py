"""MODEL values as packs know them: with the methods that patch a model, as far as plugins of sdkit can do it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from sdkit_comfy.values.networks import Model


def pack_value(value: object, pack: str) -> object:
    """The value as the pack is given it."""
    networks = sys.modules.get("sdkit_comfy.values.networks")  # where it is not loaded, nobody has made a model
    if networks is None or not isinstance(value, networks.Model):
        return value
    return _pack_model(cast("Model", value), pack)


def _pack_model(model: Model, pack: str) -> Any:
    from sdkit_comfy.packs.model_patches import PackModel

    return PackModel.of(model, pack)
