"""What sdkit.sampling shows, and that looking at it costs no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sdkit import sampling

NAMES = [
    "Alpha",
    "Ancestral",
    "AncestralOptions",
    "BrownianNoise",
    "Churn",
    "ChurnOptions",
    "Parameterisation",
    "SeededNoise",
    "alpha_of",
    "ancestral_step",
    "cfg",
    "check_sigmas",
    "churn",
    "ddim_step",
    "make_evaluate",
    "noise_for",
    "parameterisation",
    "sigmas_for",
    "slerp",
    "stack_embeddings",
    "starting_noise",
    "to_d",
    "with_alpha",
    "with_noise_offset",
]


def test_names() -> None:
    assert sampling.__all__ == NAMES
    for name in NAMES:
        assert getattr(sampling, name).__name__ == name or name == "Alpha", "a name that is a module's too"


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'karras'; it has Alpha"):
        _ = sampling.karras


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from sdkit.builtin import guidance, masks, noise, samplers, schedules\n"
        "samplers.register_samplers(lambda *a, **k: None); schedules.register_schedules(lambda *a, **k: None)\n"
        "guidance.register_guidance(lambda *a, **k: None)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
