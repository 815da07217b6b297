"""LoRAs: the formats in the box, and what a request's and its prompts' LoRAs do to the model."""

from __future__ import annotations

import threading
import weakref
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sdkit.errors import CheckpointError, RequestError
from sdkit.hookspecs import hookimpl
from sdkit.models import Library
from sdkit.models.lora import Recent
from sdkit.plugins import Manager
from sdkit.settings import Settings
from sdkit.types import LoraOptions, LoraReference, LoraSpec, Patch, Prompt, PromptLoras

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterLoraFormat, RegisterOptions
    from sdkit.models import CheckpointFile
    from sdkit.models.lora import LoraFile, MatchedLora, StackedLora
    from sdkit.types import DiffusionModel, Run, RunPlan

MOST_FILES = 16
"""How many LoRAs are kept, so that using them again reads nothing. They are views of their files."""


class Loras:
    """The built-in plugin for LoRAs. Thread-safe."""

    def __init__(self) -> None:
        self.files: Recent[LoraFile] = Recent(MOST_FILES)
        self._matches: weakref.WeakKeyDictionary[DiffusionModel, Recent[MatchedLora]] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    @hookimpl
    def register_lora_formats(self, register: RegisterLoraFormat) -> None:
        """kohya's, PEFT's, diffusers' older one, and whole differences."""
        formats = "sdkit.models.lora.formats"
        register("kohya", f"{formats}.kohya:kohya", summary="kohya-ss and OneTrainer: lora_up, lora_down, alpha; DoRA")
        register("peft", f"{formats}.peft:peft", summary="PEFT, and diffusers today: lora_A, lora_B; DoRA")
        register(
            "diffusers_old",
            f"{formats}.diffusers_old:diffusers_old",
            summary="diffusers before PEFT: to_q_lora.up, lora_linear_layer.up",
        )
        register("full", f"{formats}.full:full", summary="whole differences: diff, diff_b, w_norm, b_norm")

    @hookimpl
    def register_options(self, register: RegisterOptions) -> None:
        """`loras`: the hashes of LoRAs that prompts name."""
        register("loras", LoraOptions)

    @hookimpl
    def prepare_run(self, plan: RunPlan) -> None:
        """Find the request's LoRAs and match them with the model, so that faults show before anything is computed; note
        their hashes in the request."""
        if not plan.request.loras:
            return
        manager = plan.stash.get(Manager)
        specs: list[LoraSpec] = []
        for spec in plan.request.loras:
            lora = self._matched(spec, plan.model, manager, plan.warnings).lora
            specs.append(spec.model_copy(update={"sha256": lora.sha256}))
        if tuple(specs) != plan.request.loras:
            plan.request = plan.request.replace(loras=tuple(specs))

    @hookimpl
    def patch_model(self, run: Run, model: DiffusionModel) -> tuple[Patch, ...] | None:
        """The LoRAs of the request and of the run's prompts, stacked in their order; note the hashes of the latter."""
        manager = run.stash.get(Manager)
        named = _referenced(run, manager)
        if not run.request.loras and not named:
            return None
        from sdkit.models.lora import lora_patches

        stack = [self._stacked(spec, run, model, manager) for spec in (*run.request.loras, *named)]
        prompted = zip(named, stack[len(run.request.loras) :], strict=True)
        run.stash.put(PromptLoras({spec.name: each.match.lora.sha256 for spec, each in prompted}))
        return lora_patches(stack)

    def _stacked(self, spec: LoraSpec, run: Run, model: DiffusionModel, manager: Manager) -> StackedLora:
        from sdkit.models.lora import StackedLora, block_factors

        match = self._matched(spec, model, manager, run.warnings)
        blocks = () if spec.blocks is None else tuple(block_factors(spec.blocks, model.weights).items())
        return StackedLora(match, *spec.strengths, blocks=blocks, merged=spec.merged, sigmas=_span(spec, run))

    def _matched(self, spec: LoraSpec, model: DiffusionModel, manager: Manager, warnings: list[str]) -> MatchedLora:
        """The LoRA matched with the model; adds to the warnings. Raises ModelNotFoundError, CheckpointError,
        LoraKeyError."""
        from sdkit.models.lora import WeightNames, check_match, match_lora

        lora = self._file(spec, manager)
        with self._lock:
            matches = self._matches.setdefault(model, Recent(MOST_FILES))
        match = matches.get(lora.key, lambda: match_lora(lora, WeightNames(model.weights)))
        found = check_match(match, model.spec.family, strict=spec.strict)
        for warning in (*found, *self._changed(spec, lora)):
            if warning not in warnings:
                warnings.append(warning)
        return match

    def _changed(self, spec: LoraSpec, lora: LoraFile) -> tuple[str, ...]:
        """A warning where the file is not the one whose hash is given."""
        known = spec.sha256.lower()
        if lora.sha256.startswith(known):
            return ()
        hashes = self._library.hashes.hashes(lora.path)
        if known in (hashes.auto_v1, hashes.auto_v3):
            return ()
        return (
            f"the LoRA {spec.name!r} was another file when the request was made: its hash was {known[:10]}, here it is "
            f"{lora.sha256[:10]}",
        )

    def _file(self, spec: LoraSpec, manager: Manager) -> LoraFile:
        """The LoRA's file, read now if it is not known already, or has changed since."""
        path = self._library.get("loras", spec.name)
        if path is None and spec.sha256:
            path = self._library.find_by_hash("loras", spec.sha256)
        if path is None:
            raise self._library.missing("loras", spec.name)
        stat = path.stat()
        return self.files.get((path, stat.st_size, stat.st_mtime_ns), lambda: self._read(path, manager))

    def _read(self, path: Path, manager: Manager) -> LoraFile:
        from sdkit.models.lora import read_lora

        file = cast("CheckpointFile | None", manager.first("load_checkpoint", source=str(path)))
        if file is None:
            raise CheckpointError(f"{path} is no LoRA that sdkit can open; LoRAs are safetensors files")
        formats = {name: entry.load() for name, entry in reversed(list(manager.lora_formats.items()))}
        return read_lora(file, self._library.hashes.hashes(path).sha256, formats)

    @cached_property
    def _library(self) -> Library:
        return Library.of(Settings.load())


def _span(spec: LoraSpec, run: Run) -> tuple[float, float] | None:
    """The sigmas at which a LoRA counts, as in `Patch`; None if that is everywhere. Steps are counted in the whole
    schedule, of which the run may be a part."""
    if spec.start_step == 0 and spec.end_step is None:
        return None
    sigmas, infinity = run.sigmas, float("inf")

    def at(step: int) -> float:
        place = step - run.request.start_step
        return infinity if place <= 0 else -infinity if place >= len(sigmas) - 1 else sigmas[place]

    return at(spec.start_step), -infinity if spec.end_step is None else at(spec.end_step)


def _referenced(run: Run, manager: Manager) -> tuple[LoraSpec, ...]:
    """The LoRAs that the run's prompts ask for; what a negative prompt repeats counts once. Raises RequestError where
    its pictures ask for different ones."""
    asked: dict[tuple[LoraReference, ...], str] = {}
    for positive, negative in zip(run.prompts, run.negative_prompts, strict=True):
        first = _references(positive, run, manager)
        more = (each for each in _references(negative, run, manager) if each not in first)
        asked.setdefault((*first, *more), positive)
    if len(asked) > 1:
        first, second, *_ = asked.values()
        raise RequestError(
            f"the prompts {first!r} and {second!r} of one batch ask for different LoRAs; use batch_size=1, so that "
            "each picture has a model of its own"
        )
    hashes = run.option(LoraOptions).hashes
    return tuple(
        LoraSpec(
            name=each.name, strength=each.strength, text_strength=each.text_strength, sha256=hashes.get(each.name, "")
        )
        for references in asked
        for each in references
    )


def _references(text: str, run: Run, manager: Manager) -> tuple[LoraReference, ...]:
    if "<" not in text:
        return ()
    syntax = manager.syntaxes[run.request.prompt_syntax].load()
    return (manager.ask("parse_prompt", Prompt, text=text, run=run) or syntax(text)).loras
