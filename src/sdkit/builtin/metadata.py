"""The record in every picture: what it takes to make it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl
from sdkit.images import GenerationRecord, PluginVersions, installed_versions, to_text_chunks
from sdkit.request import MAX_SEED
from sdkit.types import PromptLoras

if TYPE_CHECKING:
    from sdkit.images import Image
    from sdkit.types import Run


@hookimpl
def finish_image(run: Run) -> Callable[[Image], Image] | None:
    """Put the record of each picture into its text, unless the request's `output.metadata` is off.

    The recorded request asks for this one picture: with its own seed, and with its prompts as they were encoded, after
    wildcards and styles, which are not to be applied again when it is repeated. Where its noise depends on the pictures
    that were made with it, the request asks for all of them, and the record says which one this is. Hashes of LoRAs
    that prompts name are in the recorded options.
    """
    if not run.request.output.metadata:
        return None
    versions = installed_versions()
    sdkit = versions.pop("sdkit", "")
    plugins = dict(run.stash.get(PluginVersions).versions)
    fingerprint = run.model.fingerprint()

    def finish(image: Image) -> Image:
        asked = run.request.prompt, run.request.negative_prompt
        hashes = run.stash.get(PromptLoras).hashes
        request = run.request.replace(
            **({} if run.shared_noise else _alone(run, image)),
            **({"options": {**run.request.options, "loras": {"hashes": dict(hashes)}}} if hashes else {}),
            prompt=image.prompt,
            negative_prompt=image.negative_prompt,
            transform_prompts=run.request.transform_prompts and (image.prompt, image.negative_prompt) == asked,
        )
        record = GenerationRecord(
            request=request.model_dump(mode="json", exclude_none=True),
            index=image.index if run.shared_noise else None,
            sdkit=sdkit,
            versions=versions,
            plugins=plugins,
            device=str(run.model.device),
            dtype=str(run.model.dtype).removeprefix("torch."),
            model=run.model.name,
            model_sha256=fingerprint,
            warnings=(*run.warnings, *run.recovered),
        )
        return image.with_text(**to_text_chunks(record))

    return finish


def _alone(run: Run, image: Image) -> dict[str, object]:
    """The fields that ask for one picture of the run's generation without the others."""
    variation = run.request.variation_seed
    if variation is not None:
        variation = (variation + image.index) % (MAX_SEED + 1)
    return {"seed": image.seed, "seeds": None, "count": 1, "variation_seed": variation}
