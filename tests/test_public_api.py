"""What is public, written down a second time: a name that comes or goes is a decision, and shows up in a review."""

from __future__ import annotations

import importlib
import inspect

import pytest

PUBLIC = {
    "sdkit": [
        "CancelToken",
        "Image",
        "Pipeline",
        "Request",
        "Result",
        "SdkitError",
        "Step",
        "__version__",
        "hookimpl",
    ],
    "sdkit.images": [
        "Format",
        "GenerationRecord",
        "Image",
        "PluginVersions",
        "SUFFIXES",
        "contact_sheet",
        "differences",
        "installed_versions",
        "mask_to_latents",
        "picture_bytes",
        "read_image",
        "read_mask",
        "read_record",
        "resize_mask_to_latents",
        "to_text_chunks",
    ],
    "sdkit.models": [
        "CheckpointFile",
        "ClipTokenizer",
        "Declined",
        "Detection",
        "Inspection",
        "LatentDiffusion",
        "ModelFamily",
        "ModelFile",
        "SafetensorsFile",
        "TensorInfo",
        "detect_family",
        "embedded_checkpoint",
        "find_checkpoint",
        "inspect_file",
        "load_model",
        "model_files",
        "open_checkpoint",
        "sd1",
    ],
    "sdkit.names": [
        "Choice",
        "NamedSampler",
        "NamedSchedule",
        "a1111_label",
        "a1111_sampler",
        "a1111_schedule",
        "choose",
        "diffusers_scheduler",
        "find_sampler",
        "find_schedule",
        "from_diffusers",
        "labels_of",
        "suggestion",
    ],
    "sdkit.plugins": [
        "Entry",
        "InstalledPlugin",
        "Manager",
        "NoiseSourceEntry",
        "PluginInfo",
        "Registry",
        "SamplerEntry",
        "ScheduleEntry",
        "installed_plugins",
        "load_manager",
    ],
    "sdkit.prompts": [
        "PromptSyntax",
        "comfy",
        "plain",
    ],
    "sdkit.sampling": [
        "AlignYourStepsOptions",
        "Alpha",
        "Ancestral",
        "AncestralOptions",
        "BetaOptions",
        "BrownianNoise",
        "Churn",
        "ChurnOptions",
        "KarrasOptions",
        "LaplaceOptions",
        "LinearQuadraticOptions",
        "Parameterisation",
        "PolyexponentialOptions",
        "SdeOptions",
        "SeededNoise",
        "VpOptions",
        "alpha_of",
        "ancestral_step",
        "cfg",
        "check_sigmas",
        "churn",
        "ddim_step",
        "flip_sigmas",
        "flow_sigmas",
        "join_sigmas",
        "make_evaluate",
        "noise_for",
        "parameterisation",
        "sampling_spec",
        "scaled_linear_sigmas",
        "sigmas_for",
        "slerp",
        "split_sigmas",
        "split_sigmas_at",
        "stack_embeddings",
        "starting_noise",
        "step_range",
        "to_d",
        "with_alpha",
        "with_noise_offset",
        "zero_terminal_snr",
    ],
    "sdkit.testing": [
        "ConstantDenoiser",
        "GaussianDenoiser",
        "GuidedDenoiser",
        "MixtureDenoiser",
        "RecordingDenoiser",
        "SamplerFunction",
        "ToyModel",
        "assert_sampler_ok",
        "log_sigmas",
        "make_pipeline",
        "random_checkpoint",
        "shared_checkpoint",
    ],
}


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_pinned(module: str) -> None:
    assert sorted(importlib.import_module(module).__all__) == PUBLIC[module]


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PUBLIC.items() for name in names])
def test_public_name_resolves_and_is_documented(module: str, name: str) -> None:
    value = getattr(importlib.import_module(module), name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__doc__, f"{module}.{name} has no docstring"


@pytest.mark.parametrize("module", PUBLIC)
def test_names_are_listed_and_wrong_ones_refused(module: str) -> None:
    package = importlib.import_module(module)
    assert set(PUBLIC[module]) <= set(dir(package))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = package.no_such_name
