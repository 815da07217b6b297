"""`sdkit samplers`: the names that a request may use, what their owners say of them, and what others call them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sdkit.builtin.commands import comparison
from sdkit.builtin.commands.comparing import compare_samplers
from sdkit.builtin.commands.fields import parse_size
from sdkit.builtin.commands.loading import find_plugins
from sdkit.builtin.commands.tables import show_json, show_table
from sdkit.errors import UnknownNameError
from sdkit.names import a1111_sampler, a1111_schedule, choose, diffusers_scheduler, find_sampler, labels_of
from sdkit.plugins import Entry, Manager, Registry, SamplerEntry, load_manager

if TYPE_CHECKING:
    from pydantic import BaseModel


def samplers(
    name: Annotated[
        str | None,
        typer.Argument(help="Show all of this one: a name from the lists, or what another program calls it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on standard output.")] = False,
    plugin: Annotated[
        list[str] | None, typer.Option("--plugin", help="Load this plugin, too: dotted.name or file.py.")
    ] = None,
    *,
    compare: comparison.Compare = False,
    sampler: comparison.Samplers = None,
    steps: comparison.StepCounts = "4,8,16,32",
    schedule: comparison.Schedule = "karras",
    prompt: comparison.PromptText = "a red circle on a blue background",
    seed: comparison.Seed = 0,
    count: comparison.Count = 1,
    guidance_scale: comparison.GuidanceScale = None,
    size: comparison.Size = None,
    noiseless: comparison.Noiseless = False,
    reference_steps: comparison.ReferenceSteps = 1000,
    model: comparison.ModelName = None,
    device: comparison.Device = "auto",
    output: comparison.Plot = None,
    overwrite: comparison.Overwrite = False,
    quiet: comparison.Quiet = False,
) -> None:
    """List samplers, schedules and noise sources, kinds of guidance and prompt syntaxes; or show one of them; or
    compare samplers."""
    loaded = find_plugins(plugin or ())
    manager = load_manager(loaded)
    if compare:
        wish = comparison.Comparison(
            samplers=(*([name] if name else ()), *(sampler or ())),
            steps=comparison.parse_counts(steps),
            schedule=schedule,
            prompt=prompt,
            seed=seed,
            count=count,
            guidance_scale=guidance_scale,
            size=None if size is None else parse_size(size),
            noiseless=noiseless,
            reference_steps=reference_steps,
            plot=output,
            overwrite=overwrite,
            as_json=as_json,
            quiet=quiet,
        )
        compare_samplers(wish, manager, model=model, device=device, plugins=loaded)
    elif name is not None:
        _show_one(name, manager, as_json=as_json)
    elif as_json:
        show_json(
            {
                title.replace(" ", "_"): [described(entry, registry) for entry in registry.values()]
                for title, registry in _registries(manager).items()
            }
        )
    else:
        for title, registry in _registries(manager).items():
            _show_list(title, registry)


def _registries(manager: Manager) -> dict[str, Registry[Any]]:
    return {
        "samplers": manager.samplers,
        "schedules": manager.schedules,
        "noise sources": manager.noise_sources,
        "guidance": manager.guidance,
        "prompt syntaxes": manager.syntaxes,
    }


def _show_list(title: str, registry: Registry[Any]) -> None:
    entries: list[Entry[Any]] = list(registry.values())
    named = registry.kind in ("sampler", "schedule")
    columns = ["name", *(["A1111"] if named else []), "also", "options", "owner", "summary"]
    if registry.kind == "sampler":
        columns[3:3] = ["order", "evaluations", "noise"]
    rows: list[list[str]] = []
    for entry in entries:
        facts = described(entry, registry)
        row = [entry.name, *([_text(facts["a1111"])] if named else []), ", ".join(_aliases(entry, registry))]
        if isinstance(entry, SamplerEntry):
            row += [f"{entry.order:g}", f"{entry.evaluations:g}", entry.noise]
        rows.append([*row, _options(_options_of(entry)), entry.owner, entry.summary])
    used = [
        index for index, column in enumerate(columns) if column in ("name", "summary") or any(r[index] for r in rows)
    ]
    show_table(title, [columns[index] for index in used], [[row[index] for index in used] for row in rows])


def _show_one(name: str, manager: Manager, *, as_json: bool) -> None:
    found = _find(name, manager)
    if as_json:
        show_json([described(entry, registry) for entry, registry in found])
        return
    for entry, registry in found:
        facts = {key: value for key, value in described(entry, registry).items() if key != "options"}
        said = ((key, value) for key, value in facts.items() if value not in ("", False, [], {}))
        rows = [(key.replace("_", " "), _text(value)) for key, value in said]
        show_table(registry.kind, ("what", "value"), rows)
        if (model := _options_of(entry)) is not None:
            values = defaults(model)
            options = [
                (key, _text(values[key]), " ".join((model.model_fields[key].description or "").split()))
                for key in values
            ]
            show_table(f"options of {entry.name}", ("option", "default", "description"), options)


def _find(name: str, manager: Manager) -> list[tuple[Entry[Any], Registry[Any]]]:
    """Everything of that name; else the sampler, the schedule or both that another program's label means."""
    registries = list(_registries(manager).values())
    found = [(registry[name], registry) for registry in registries if name in registry]
    if found:
        return found
    sampler = choose(name, None, samplers=manager.samplers, schedules=manager.schedules)
    if sampler.sampler in manager.samplers and sampler.sampler is not None:
        found.append((manager.samplers[sampler.sampler], manager.samplers))
    schedule = choose(None, name, samplers=(), schedules=manager.schedules).schedule
    for wanted in (sampler.schedule, schedule):
        if wanted is not None and wanted in manager.schedules:
            found.append((manager.schedules[wanted], manager.schedules))
    if not found:
        raise UnknownNameError("sampler or schedule", name, {known for registry in registries for known in registry})
    return found


def described(entry: Entry[Any], registry: Registry[Any]) -> dict[str, object]:
    """What there is to say of an entry, by key, as plain data."""
    facts: dict[str, object] = {"name": entry.name}
    if isinstance(entry, SamplerEntry):
        scheduler = diffusers_scheduler(entry.name) or diffusers_scheduler(entry.name, "sgm_uniform")
        named = find_sampler(a1111_sampler(entry.name))
        facts |= {
            "a1111": label if (label := a1111_sampler(entry.name)) != entry.name else "",
            "a1111_schedule": a1111_schedule(named.automatic) if named else "",
            "a1111_options": dict(named.options) if named else {},
            "a1111_note": named.note if named else "",
            "diffusers": scheduler[0] if scheduler else "",
            "order": entry.order,
            "evaluations": entry.evaluations,
            "noise": entry.noise,
            "uncond": entry.uncond,
            "discard_penultimate": entry.discard_penultimate,
            "adaptive": entry.adaptive,
        }
    elif registry.kind == "schedule":
        facts["a1111"] = label if (label := a1111_schedule(entry.name)) != entry.name else ""
    facts["aliases"] = list(_aliases(entry, registry))
    facts["options"] = defaults(_options_of(entry))
    return facts | {"owner": entry.owner, "summary": entry.summary}


def _aliases(entry: Entry[Any], registry: Registry[Any]) -> tuple[str, ...]:
    """Its other names here, and others' labels of it but A1111's first."""
    own = [alias for alias, name in registry.aliases.items() if name == entry.name]
    labels = labels_of(registry.kind, entry.name)
    return tuple(dict.fromkeys(label for label in (*own, *labels[1:]) if label != entry.name))


def _options_of(entry: Entry[Any]) -> type[BaseModel] | None:
    return getattr(entry, "options", None)


def _options(model: type[BaseModel] | None) -> str:
    """`eta=1, s_noise=1`: the options with their defaults."""
    return _text(defaults(model))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_text(part)}" for name, part in cast("dict[str, object]", value).items())
    return ", ".join(str(part) for part in value) if isinstance(value, (list, tuple)) else str(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - of whatever


def defaults(model: type[BaseModel] | None) -> dict[str, object]:
    """An options model's fields with their defaults; "required" for those without."""
    if model is None:
        return {}
    return {
        name: "required" if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
        for name, field in model.model_fields.items()
    }
