"""`comfy.model_patcher`: the class of MODEL values."""

from __future__ import annotations

from sdkit_comfy.values.networks import Model as ModelPatcher

__all__ = ["ModelPatcher"]
