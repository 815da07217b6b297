"""`sdkit generate`: every field of a request as an option, pictures as files."""

from __future__ import annotations

from typing import Annotated

import typer

from sdkit.builtin.commands.fields import (
    make_request,
    parse_lora,
    parse_options,
    parse_plugin_options,
    parse_seeds,
    parse_sigmas,
    parse_size,
)
from sdkit.builtin.commands.job import Wishes
from sdkit.builtin.commands.models import find_model
from sdkit.builtin.commands.outputs import Target
from sdkit.builtin.commands.repeating import model_of
from sdkit.builtin.commands.running import Wanted, make_pictures, record_of
from sdkit.errors import RequestError
from sdkit.request import OutputOptions, Request

_PICTURE, _SAMPLING, _NOISE, _START = "Picture", "Sampling", "Noise", "Starting from a picture"
_MODEL, _OUTPUT = "Model and plugins", "Output"


def _about(field: str, more: str = "") -> str:
    """A request field's own description, so that there is one wording of it."""
    text = Request.model_fields[field].description or ""
    return f"{text} {more}".strip().replace("[", "\\[")


def generate(
    prompt: Annotated[
        str | None, typer.Argument(help=_about("prompt", "Left out only with --like."), show_default=False)
    ] = None,
    *,
    # ── picture ──
    negative: Annotated[
        str | None, typer.Option("--negative", "-n", help=_about("negative_prompt"), rich_help_panel=_PICTURE)
    ] = None,
    width: Annotated[int | None, typer.Option("--width", "-W", help=_about("width"), rich_help_panel=_PICTURE)] = None,
    height: Annotated[
        int | None, typer.Option("--height", "-H", help=_about("height"), rich_help_panel=_PICTURE)
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Width and height at once: 128x96.", metavar="WxH", rich_help_panel=_PICTURE)
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", "-s", help=_about("seed"), rich_help_panel=_PICTURE)] = None,
    seeds: Annotated[
        str | None, typer.Option(help=_about("seeds", "Such as 1,2,3."), metavar="N,N,…", rich_help_panel=_PICTURE)
    ] = None,
    count: Annotated[int | None, typer.Option("--count", "-c", help=_about("count"), rich_help_panel=_PICTURE)] = None,
    batch_size: Annotated[int | None, typer.Option(help=_about("batch_size"), rich_help_panel=_PICTURE)] = None,
    like: Annotated[
        str | None,
        typer.Option(
            help="Make the picture in this file again, from its record; other options override it.",
            metavar="PICTURE",
            rich_help_panel=_PICTURE,
        ),
    ] = None,
    # ── sampling ──
    steps: Annotated[int | None, typer.Option(help=_about("steps"), rich_help_panel=_SAMPLING)] = None,
    sampler: Annotated[str | None, typer.Option(help=_about("sampler"), rich_help_panel=_SAMPLING)] = None,
    sampler_option: Annotated[
        list[str] | None,
        typer.Option(help=_about("sampler_options"), metavar="NAME=VALUE", rich_help_panel=_SAMPLING),
    ] = None,
    schedule: Annotated[str | None, typer.Option(help=_about("schedule"), rich_help_panel=_SAMPLING)] = None,
    schedule_option: Annotated[
        list[str] | None,
        typer.Option(help=_about("schedule_options"), metavar="NAME=VALUE", rich_help_panel=_SAMPLING),
    ] = None,
    sigmas: Annotated[
        str | None,
        typer.Option(help=_about("sigmas", "Such as 14.6,7,3,0."), metavar="N,N,…", rich_help_panel=_SAMPLING),
    ] = None,
    start_step: Annotated[int | None, typer.Option(help=_about("start_step"), rich_help_panel=_SAMPLING)] = None,
    end_step: Annotated[int | None, typer.Option(help=_about("end_step"), rich_help_panel=_SAMPLING)] = None,
    leftover_noise: Annotated[
        bool | None,
        typer.Option("--leftover-noise/--no-leftover-noise", help=_about("leftover_noise"), rich_help_panel=_SAMPLING),
    ] = None,
    guidance: Annotated[str | None, typer.Option(help=_about("guidance"), rich_help_panel=_SAMPLING)] = None,
    guidance_scale: Annotated[
        float | None, typer.Option("--guidance-scale", "-g", help=_about("guidance_scale"), rich_help_panel=_SAMPLING)
    ] = None,
    clip_skip: Annotated[int | None, typer.Option(help=_about("clip_skip"), rich_help_panel=_SAMPLING)] = None,
    prompt_syntax: Annotated[str | None, typer.Option(help=_about("prompt_syntax"), rich_help_panel=_SAMPLING)] = None,
    transform_prompts: Annotated[
        bool | None,
        typer.Option(
            "--transform-prompts/--no-transform-prompts", help=_about("transform_prompts"), rich_help_panel=_SAMPLING
        ),
    ] = None,
    # ── noise ──
    noise: Annotated[str | None, typer.Option(help=_about("noise"), rich_help_panel=_NOISE)] = None,
    noise_option: Annotated[
        list[str] | None,
        typer.Option(help=_about("noise_options"), metavar="NAME=VALUE", rich_help_panel=_NOISE),
    ] = None,
    variation_seed: Annotated[int | None, typer.Option(help=_about("variation_seed"), rich_help_panel=_NOISE)] = None,
    variation_strength: Annotated[
        float | None, typer.Option(help=_about("variation_strength"), rich_help_panel=_NOISE)
    ] = None,
    noise_offset: Annotated[float | None, typer.Option(help=_about("noise_offset"), rich_help_panel=_NOISE)] = None,
    add_noise: Annotated[
        bool | None, typer.Option("--add-noise/--no-add-noise", help=_about("add_noise"), rich_help_panel=_NOISE)
    ] = None,
    # ── starting from a picture ──
    init_image: Annotated[
        str | None,
        typer.Option(help="Picture file to start from (img2img).", metavar="PICTURE", rich_help_panel=_START),
    ] = None,
    denoise: Annotated[float | None, typer.Option(help=_about("denoise"), rich_help_panel=_START)] = None,
    mask: Annotated[str | None, typer.Option(help=_about("mask"), metavar="PICTURE", rich_help_panel=_START)] = None,
    # ── model and plugins ──
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Checkpoint file, diffusers folder, or a name or hash that `sdkit models` lists; the model in the box "
            "if left out.",
            metavar="FILE|NAME",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    unet: Annotated[
        str | None,
        typer.Option(help="File of another U-Net for the model.", metavar="FILE|NAME", rich_help_panel=_MODEL),
    ] = None,
    vae: Annotated[
        str | None,
        typer.Option(help="File of another VAE for the model.", metavar="FILE|NAME", rich_help_panel=_MODEL),
    ] = None,
    text_encoder: Annotated[
        list[str] | None,
        typer.Option(
            help="File of another text encoder for the model; SDXL has two, in any order. Repeatable.",
            metavar="FILE|NAME",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(help="Which weights of a diffusers folder to load: fp16.", metavar="NAME", rich_help_panel=_MODEL),
    ] = None,
    model_sha256: Annotated[
        str | None, typer.Option(help=_about("model_sha256"), metavar="HEX", rich_help_panel=_MODEL)
    ] = None,
    lora: Annotated[
        list[str] | None,
        typer.Option(
            help="A LoRA, with its strength in the model and that in the text encoders: detail:0.8:0.6. Repeatable.",
            metavar="NAME:N:N",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    prediction: Annotated[str | None, typer.Option(help=_about("prediction"), rich_help_panel=_MODEL)] = None,
    zero_terminal_snr: Annotated[
        bool | None,
        typer.Option(
            "--zero-terminal-snr/--no-zero-terminal-snr", help=_about("zero_terminal_snr"), rich_help_panel=_MODEL
        ),
    ] = None,
    flow_shift: Annotated[float | None, typer.Option(help=_about("flow_shift"), rich_help_panel=_MODEL)] = None,
    distilled_timesteps: Annotated[
        int | None, typer.Option(help=_about("distilled_timesteps"), rich_help_panel=_MODEL)
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …", rich_help_panel=_MODEL)] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16.", rich_help_panel=_MODEL)] = "auto",
    plugin: Annotated[
        list[str] | None,
        typer.Option(help="Load this plugin, too: dotted.name or file.py. Repeatable.", rich_help_panel=_MODEL),
    ] = None,
    opt: Annotated[
        list[str] | None,
        typer.Option(
            help="A plugin's option, its value JSON or text. Repeatable.",
            metavar="PLUGIN.NAME=VALUE",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    # ── output ──
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="File or folder; several pictures are numbered, out_001.png …; by default sdkit_0001.png …",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    image_format: Annotated[
        str | None,
        typer.Option(
            "--format", help="png, jpeg or webp; by default what the file's name says.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    quality: Annotated[
        int | None, typer.Option(help=OutputOptions.model_fields["quality"].description, rich_help_panel=_OUTPUT)
    ] = None,
    no_metadata: Annotated[
        bool,
        typer.Option(
            "--no-metadata", help="Leave out the record of how the picture was made.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    grid: Annotated[
        bool, typer.Option("--grid", help="Write a contact sheet, too: out_grid.png.", rich_help_panel=_OUTPUT)
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Overwrite files that are there already.", rich_help_panel=_OUTPUT)
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Files, seeds, timings and warnings as JSON on standard output.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only warnings and errors; no progress bar.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Make pictures from a prompt, and print their files' names.

    Pictures are written as soon as their batch is finished; Ctrl-C keeps them. Nothing is overwritten unasked.
    """
    if size is not None:
        if width is not None or height is not None:
            raise RequestError("give either --size or --width and --height")
        width, height = parse_size(size)
    record = record_of(like, prompt)
    target = Target.of(output, image_format, overwrite=overwrite)
    file_options = {"format": target.format, "quality": quality, "metadata": not no_metadata}
    given: dict[str, object] = {
        "prompt": prompt,
        "negative_prompt": negative,
        "width": width,
        "height": height,
        "steps": steps,
        "sampler": sampler,
        "sampler_options": parse_options(sampler_option) if sampler_option else None,
        "schedule": schedule,
        "schedule_options": parse_options(schedule_option, "--schedule-option") if schedule_option else None,
        "sigmas": None if sigmas is None else parse_sigmas(sigmas),
        "start_step": start_step,
        "end_step": end_step,
        "add_noise": add_noise,
        "leftover_noise": leftover_noise,
        "guidance": guidance,
        "guidance_scale": guidance_scale,
        "seed": seed,
        "seeds": None if seeds is None else parse_seeds(seeds),
        "noise": noise,
        "noise_options": parse_options(noise_option, "--noise-option") if noise_option else None,
        "variation_seed": variation_seed,
        "variation_strength": variation_strength,
        "noise_offset": noise_offset,
        "count": count,
        "batch_size": batch_size,
        "clip_skip": clip_skip,
        "prompt_syntax": prompt_syntax,
        # a prompt given beside --like is not the record's, so plugins may change it
        "transform_prompts": True if transform_prompts is None and prompt is not None else transform_prompts,
        "loras": tuple(map(parse_lora, lora)) if lora else None,
        "init_image": init_image,
        "denoise": denoise,
        "mask": mask,
        "prediction": prediction,
        "zero_terminal_snr": zero_terminal_snr,
        "flow_shift": flow_shift,
        "distilled_timesteps": distilled_timesteps,
        "model_sha256": model_sha256,
        "options": parse_plugin_options(opt) if opt else None,
        "output": {name: value for name, value in file_options.items() if value is not None},
    }
    request = make_request({name: value for name, value in given.items() if value is not None}, record)
    make_pictures(
        request,
        target,
        Wishes(grid, as_json, quiet),
        wanted=Wanted(
            source=str(find_model(model) or model) if model else model_of(record),
            unet=unet,
            vae=vae,
            text_encoders=tuple(text_encoder or ()),
            variant=variant,
            device=device,
            dtype=dtype,
        ),
        plugins=plugin or (),
        record=record,
    )
