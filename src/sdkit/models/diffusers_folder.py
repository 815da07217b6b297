"""A model as a folder in diffusers' layout: which files there are, and their configurations.

The configurations hold what diffusers and transformers cannot see from the weights; both libraries fill in the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sdkit.models.hashes import Progress
from sdkit.models.layouts import by_network, diffusers_unet, diffusers_vae
from sdkit.models.tokenizer import BOS, EOS, WINDOW, merges_and_vocabulary
from sdkit.models.writing import Weight, write_safetensors

if TYPE_CHECKING:
    from sdkit.models.architecture import UNetArchitecture
    from sdkit.models.diffusion_family import Architecture, TextEncoder

Config = Mapping[str, object]

_TEXT_WEIGHTS = "model.safetensors"
_OTHER_WEIGHTS = "diffusion_pytorch_model.safetensors"
_START, _END = "<|startoftext|>", "<|endoftext|>"


def write_folder(
    folder: Path,
    weights: Sequence[Weight],
    architecture: Architecture,
    metadata: Mapping[str, str],
    progress: Progress | None = None,
) -> None:
    """Write all the files into an empty folder. CLIP's image tower, which pipelines of diffusers have no place for, is
    left out."""
    networks = by_network(weights)
    networks["unet"] = diffusers_unet(networks["unet"])
    networks["vae"] = diffusers_vae(networks["vae"])
    write_settings(folder, architecture)
    for network, own in networks.items():
        if network != "image_tower":
            name = _TEXT_WEIGHTS if network.startswith("text_encoder") else _OTHER_WEIGHTS
            write_safetensors(folder / network / name, own, metadata, progress=progress)


def write_settings(folder: Path, architecture: Architecture) -> None:
    """Write all but the weights: configurations, tokenizers, scheduler, and the index."""
    _write_json(folder / "model_index.json", model_index(architecture))
    for name, config in configs(architecture):
        _write_json(folder / name, config)
    for text in architecture.texts:
        write_tokenizer(folder / text.kind.part.replace("text_encoder", "tokenizer"), padding=text.kind.padding)


def model_index(architecture: Architecture) -> dict[str, object]:
    """`model_index.json`: the pipeline, and the class of each part."""
    unet = architecture.unet
    xl, latents = architecture.kind.name.startswith("sdxl"), architecture.vae.latent_channels
    stem = "StableDiffusionXL" if xl else "StableDiffusion"
    use = {
        latents: "Img2Img" if architecture.kind.name == "sdxl_refiner" else "",
        2 * latents: "InstructPix2Pix",
        2 * latents + 1: "Inpaint",
    }[unet.in_channels]
    index: dict[str, object] = {"_class_name": f"{stem}{use}Pipeline", "_diffusers_version": "0.36.0"}
    towers = {text.kind.part: text for text in architecture.texts}
    for part in ("text_encoder", "text_encoder_2") if xl else ("text_encoder",):
        # The refiner has the second tower only; SDXL's pipelines call it so.
        index[part] = ["transformers", _text_class(towers[part])] if part in towers else [None, None]
        tokenizer = ["transformers", "CLIPTokenizer"] if part in towers else [None, None]
        index[part.replace("text_encoder", "tokenizer")] = tokenizer
    index |= {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    index["scheduler"] = ["diffusers", "EulerDiscreteScheduler"]
    if xl:
        index["force_zeros_for_empty_prompt"] = architecture.kind.name == "sdxl"
        if architecture.kind.name == "sdxl_refiner":
            index["requires_aesthetics_score"] = True
    else:
        index |= {"safety_checker": [None, None], "feature_extractor": [None, None], "requires_safety_checker": False}
    return index


def configs(architecture: Architecture) -> Iterator[tuple[str, Config]]:
    """Path in the folder and content of each network's configuration, and the scheduler's."""
    kind, vae = architecture.kind, architecture.vae
    side = architecture.spec.defaults.width
    yield "unet/config.json", unet_config(architecture.unet, side // vae.factor)
    down, up = ["DownEncoderBlock2D"] * len(vae.widths), ["UpDecoderBlock2D"] * len(vae.widths)
    yield (
        "vae/config.json",
        {
            "_class_name": "AutoencoderKL",
            "block_out_channels": vae.widths,
            "down_block_types": down,
            "up_block_types": up,
            "layers_per_block": vae.layers,
            "latent_channels": vae.latent_channels,
            "norm_num_groups": 32,
            "sample_size": side,
            "scaling_factor": kind.latent_scale,
            "force_upcast": kind.name.startswith("sdxl"),
        },
    )
    for text in architecture.texts:
        yield f"{text.kind.part}/config.json", text_config(text)
    yield (
        "scheduler/scheduler_config.json",
        {
            "_class_name": "EulerDiscreteScheduler",
            "num_train_timesteps": 1000,
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "beta_schedule": "scaled_linear",
            "prediction_type": {"eps": "epsilon", "v": "v_prediction"}[architecture.trained.prediction],
            "rescale_betas_zero_snr": architecture.trained.zero_snr,
            "timestep_spacing": "trailing" if architecture.trained.zero_snr else "leading",
            "steps_offset": 1,
        },
    )


def unet_config(unet: UNetArchitecture, sample_size: int) -> dict[str, object]:
    """The configuration of a `UNet2DConditionModel`."""
    down = [any(depths) for depths in unet.depths]
    up = [any(depths) for depths in reversed(unet.depths_up)]
    config: dict[str, object] = {
        "_class_name": "UNet2DConditionModel",
        "in_channels": unet.in_channels,
        "out_channels": unet.out_channels,
        "sample_size": sample_size,
        "block_out_channels": unet.widths,
        "layers_per_block": unet.layers,
        "down_block_types": ["CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in down],
        "up_block_types": ["CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in up],
        "cross_attention_dim": unet.context,
        "attention_head_dim": unet.heads,  # the number of heads, for historical reasons
        "use_linear_projection": unet.linear_projections,
    }
    config |= _depths(unet)
    if unet.summary:
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": unet.summary,
        }
    if unet.guidance:
        config["time_cond_proj_dim"] = unet.guidance
    return config


def _depths(unet: UNetArchitecture) -> dict[str, object]:
    """How many transformer blocks there are where. One number per level if these say all; levels without attention
    count one, which nobody looks at."""
    middle = {None: None, 0: "UNetMidBlock2D"}.get(unet.middle, "UNetMidBlock2DCrossAttn")
    config: dict[str, object] = {"mid_block_type": middle}
    levels = [set(level) for level in (*unet.depths, *unet.depths_up)]
    plain = [max(level) or 1 for level in unet.depths]
    same = all(set(below) == set(above) for below, above in zip(unet.depths, unet.depths_up, strict=True)) and all(
        len(level) == 1 for level in levels
    )
    if same and unet.middle in (None, 0, plain[-1]):
        return config | ({"transformer_layers_per_block": plain} if set(plain) != {1} else {})
    config["transformer_layers_per_block"] = [list(level) for level in unet.depths]
    config["reverse_transformer_layers_per_block"] = [list(level) for level in reversed(unet.depths_up)]
    return config


def text_config(text: TextEncoder) -> dict[str, object]:
    """The configuration of a CLIP text tower in transformers."""
    tower, architecture = text.architecture.transformer, text.architecture
    return {
        "architectures": [_text_class(text)],
        "model_type": "clip_text_model",
        "hidden_size": tower.width,
        "intermediate_size": tower.hidden,
        "num_attention_heads": tower.heads,
        "num_hidden_layers": tower.layers,
        "hidden_act": tower.activation,
        "max_position_embeddings": architecture.positions,
        "vocab_size": architecture.vocabulary,
        "projection_dim": architecture.projection or tower.width,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": text.kind.padding,
    }


def _text_class(text: TextEncoder) -> str:
    return "CLIPTextModelWithProjection" if text.kind.projects else "CLIPTextModel"


def write_tokenizer(folder: Path, *, padding: int) -> None:
    """Write CLIP's tokenizer as transformers reads it; `padding`: the token that fills a window up."""
    folder.mkdir(parents=True, exist_ok=True)
    merges, vocabulary = merges_and_vocabulary()
    pad = next(symbol for symbol, number in vocabulary.items() if number == padding)
    special = {"bos_token": _START, "eos_token": _END, "unk_token": _END, "pad_token": pad}
    (folder / "vocab.json").write_text(
        json.dumps(vocabulary, ensure_ascii=False), "utf-8"
    )  # no indent: ten times as fast
    (folder / "merges.txt").write_text(
        "\n".join(["#version: 0.2", *(" ".join(merge) for merge in merges), ""]), "utf-8", newline="\n"
    )
    _write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "CLIPTokenizer", "model_max_length": WINDOW, "do_lower_case": True, **special},
    )
    _write_json(folder / "special_tokens_map.json", special)


def _write_json(path: Path, value: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8", newline="\n")
