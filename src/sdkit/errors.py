"""Every error that sdkit raises on purpose.

::

    SdkitError
    ├── RequestError            a field of the request cannot be used            (also a ValueError)
    │   └── UnknownNameError    a sampler, schedule, option … that nobody registered
    ├── ModelError              something about a model or its files
    │   ├── ModelNotFoundError  no such file or model name                       (also a FileNotFoundError)
    │   ├── CheckpointError     the file cannot be read: truncated, hostile, not safetensors
    │   ├── UnknownModelError   the file reads well, but no family recognises it
    │   ├── WeightsError        weights are missing, or of the wrong shape
    │   └── LoraKeyError        a LoRA does not fit the model
    ├── PluginError             a plugin is at fault
    │   ├── PluginLoadError     it could not be imported
    │   ├── PluginHookError     it implements a hook wrongly: misspelt, defaults, wrappers
    │   ├── NameTakenError      it registered a name that somebody else owns
    │   └── HookResultError     a hook of it returned something else than it promised
    ├── SamplingError           numbers went wrong while sampling
    │   └── NonFiniteError      NaN or infinity; says at which step and sigma
    ├── GraphError              a graph cannot be built, read or run as it is; lists every fault
    ├── NodeError               a node of a graph failed while it ran
    ├── ImageError              a picture cannot be read, written or used
    │   ├── ImageExistsError    the output file is already there                 (also a FileExistsError)
    │   └── MetadataError       a picture holds no usable record of how it was made
    ├── SettingsError           SDKIT_* variables or the settings file
    └── Cancelled               the run was cancelled; not a fault

Each class has two paragraphs that the error guide of the documentation is generated from: *Caught by* and *What to do*.
Exceptions that a plugin raises are not wrapped: they propagate as they are, with a note that names plugin and hook.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

MOST_NAMES = 20
"""So many names a message lists, where none is near the one that was given."""

MOST_FAULTS = 50
"""So many faults of a graph a message lists; the error's `faults` has them all."""


class SdkitError(Exception):
    """Anything that sdkit raises on purpose.

    Caught by: programs that want to tell sdkit's own errors from bugs.

    What to do: read the message; it says what was expected, what came, and the way out.
    """


class RequestError(SdkitError, ValueError):
    """A field of the request cannot be used as it is.

    Caught by: whoever takes requests from users: a form, a server, a command line.

    What to do: change the field that the message names; it also says what is allowed.
    """


class UnknownNameError(RequestError):
    """A name that nobody registered: a sampler, a schedule, a plugin option, a model family.

    Caught by: whoever takes names from users. `kind`, `name`, `known` and `nearest` are attributes.

    What to do: use one of the names that the message suggests, or install and enable the plugin that brings the name
    (`sdkit plugins` lists what is enabled).
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.kind = kind
        self.name = name
        self.hint = hint
        self.known: tuple[str, ...] = tuple(sorted(known))
        self.nearest: tuple[str, ...] = nearest(name, self.known)
        if hint.startswith("Did you mean"):  # somebody knows better what is near
            advice, hint = hint, ""
        elif self.nearest:
            advice = "Did you mean " + " or ".join(repr(near) for near in self.nearest) + "?"
        elif self.known:
            more = len(self.known) - MOST_NAMES
            advice = "Known: " + ", ".join(self.known[:MOST_NAMES]) + (f" and {more} more." if more > 0 else ".")
            if more > 0 and kind in ("sampler", "schedule"):
                advice += " `sdkit samplers` lists them."
        else:
            advice = f"No {kind} is registered at all."
        super().__init__(f"There is no {kind} named {name!r}. {advice}" + (f" {hint}" if hint else ""))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.kind, self.name, self.known, self.hint), self.__dict__


class ModelError(SdkitError):
    """Something is wrong with a model or its files.

    Caught by: whoever lets users choose models.

    What to do: choose another file, or mend this one as the message says; a pipeline that was already loaded is
    untouched.
    """


class ModelNotFoundError(ModelError, FileNotFoundError):
    """There is no file of that path and no model of that name.

    Caught by: whoever lets users type model names.

    What to do: check the path; `sdkit models` lists the names found in the model folders.
    """

    def __str__(self) -> str:  # OSError would print the message as if it were an errno
        return str(self.args[0]) if self.args else ""


class CheckpointError(ModelError):
    """A model file cannot be read: truncated, empty, hostile, or not a safetensors file.

    Caught by: whoever lets users choose files.

    What to do: fetch the file again and compare its size and hash with the publisher's; convert pickled checkpoints
    (`.ckpt`, `.pt`) to safetensors with a tool that you trust.
    """


class UnknownModelError(ModelError):
    """The file reads well, but no model family recognises its keys and shapes.

    Caught by: whoever lets users choose files.

    What to do: `sdkit inspect FILE` shows what was found and why each family declined; a LoRA, a VAE or a text encoder
    alone is not a checkpoint.
    """


class WeightsError(ModelError):
    """Weights that the model needs are missing from the file, or have another shape.

    Caught by: whoever lets users choose files.

    What to do: the file is damaged or a partial export; the message names the keys. Get the complete file.
    """


class LoraKeyError(ModelError):
    """A LoRA has keys that match nothing in the model; `unused` are these keys.

    Caught by: whoever lets users combine models and LoRAs.

    What to do: use a LoRA that was made for the model's family, which the message names where it can; if only a few
    keys are left over, `LoraSpec(name, strict=False)` uses the others. A plugin may know the format: `sdkit-lycoris`.
    """

    def __init__(self, message: str, unused: Iterable[str] = ()) -> None:
        self.unused = tuple(unused)
        super().__init__(message)


class PluginError(SdkitError):
    """A plugin is at fault. `plugin` is its name.

    Caught by: applications that let users install plugins.

    What to do: update or disable the plugin: `SDKIT_PLUGINS_DENY=name`.
    """

    def __init__(self, plugin: str, message: str) -> None:
        self.plugin = plugin
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:  # exceptions pickle by their args, which are not the constructor's
        return type(self), (self.plugin, str(self)), self.__dict__


class PluginLoadError(PluginError):
    """An installed plugin could not be imported.

    Caught by: applications that let users install plugins.

    What to do: the original error is the cause (`__cause__`); reinstall or update the plugin, or disable it with
    `SDKIT_PLUGINS_DENY=name`.
    """


class PluginHookError(PluginError):
    """A plugin implements a hook wrongly: a misspelt name, an argument that the hook does not have, an argument with a
    default, a pluggy wrapper.

    Caught by: nobody at run time; plugin authors see it in their first test.

    What to do: compare the function with its hook in `sdkit.hookspecs`.
    """


class NameTakenError(PluginError):
    """A plugin registered a name that another one owns.

    Caught by: applications that let users install plugins.

    What to do: disable one of the two, or, where replacing is intended, register with `override=True`.
    """


class HookResultError(PluginError):
    """A hook returned something else than its specification promises: another type, another shape.

    Caught by: nobody at run time; plugin authors see it in their first test.

    What to do: compare what the function returns with its hook in `sdkit.hookspecs`.
    """


class SamplingError(SdkitError):
    """The numbers went wrong while sampling: sigmas that do not descend, a step that produced nothing.

    Caught by: applications that let users combine samplers, schedules and plugins.

    What to do: as the message says; usually another schedule or more steps.
    """


class NonFiniteError(SamplingError):
    """The model or a plugin produced NaN or infinity. `step` and `sigma` say where.

    Caught by: applications that let users combine models, precisions and plugins.

    What to do: load the model with `dtype="float32"`, lower the guidance scale, or take out the plugin that the message
    names.
    """

    def __init__(self, message: str, *, step: int | None = None, sigma: float | None = None) -> None:
        self.step = step
        self.sigma = sigma
        super().__init__(message)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a graph.

    `node`: the node's id; "" where it is the graph as a whole. `type`: the name of its type. `input`: the input's name,
    "" where it is the node as a whole. `message`: what is wrong. `expected`, `got`, `hint`: the same in parts, for
    programs that show them elsewhere; "" where there is nothing to say.
    """

    node: str
    input: str
    message: str
    type: str = ""
    expected: str = ""
    got: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f"node {self.node}" + (f" ({self.type})" if self.type else "") if self.node else "graph"
        return f"{place}: {self.message}"


class GraphError(SdkitError):
    """A graph cannot be built, read or run as it is. `faults` are all that is wrong with it, as far as it was checked.

    Caught by: whoever takes graphs and workflows from users.

    What to do: mend what the lines of the message name; nothing was run.
    """

    def __init__(self, message: str, faults: Iterable[Fault] = ()) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__(message)

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> GraphError:
        """The error for these faults, one line each."""
        listed = tuple(faults)
        count = "one fault" if len(listed) == 1 else f"{len(listed)} faults"
        lines = [f"  {fault}" for fault in listed[:MOST_FAULTS]]
        if len(listed) > MOST_FAULTS:
            lines.append(f"  … and {len(listed) - MOST_FAULTS} more")
        return cls("\n".join([f"the graph cannot run, it has {count}:", *lines]), listed)


class NodeError(SdkitError):
    """A node of a graph failed while it ran. The original error is the cause (`__cause__`).

    `node` is the node's id, `node_type` the name of its type, `inputs` a line that says what it was given, `result`
    what the other nodes made.

    Caught by: whoever runs graphs and workflows of users.

    What to do: the message names node, inputs and cause; change these inputs and run again. What other nodes have
    finished is not computed a second time.
    """

    def __init__(
        self, message: str, *, node: str = "", node_type: str = "", inputs: str = "", result: object = None
    ) -> None:
        self.node = node
        self.node_type = node_type
        self.inputs = inputs
        self.result = result
        super().__init__(message)


class ImageError(SdkitError):
    """A picture cannot be read, written or used: not an image, too large, a mask of another size.

    Caught by: whoever takes pictures from users.

    What to do: as the message says; it names the file and the sizes.
    """


class ImageExistsError(ImageError, FileExistsError):
    """The output file exists already, and nothing is ever overwritten silently.

    Caught by: programs that write into folders that others use too.

    What to do: choose another name, or say `overwrite=True` (`--overwrite`).
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class MetadataError(ImageError):
    """A picture holds no usable record of how it was made, or one that this installation cannot repeat.

    Caught by: whoever lets users drop pictures in to repeat them.

    What to do: use the PNG as sdkit wrote it: messengers and image editors strip metadata. If a plugin is missing, the
    message names it.
    """


class SettingsError(SdkitError):
    """An SDKIT_* environment variable or the settings file holds something unusable.

    Caught by: nobody at run time.

    What to do: correct the variable or the line that the message names.
    """


class Cancelled(SdkitError):
    """The run was cancelled through its `CancelToken`; not a fault. The pipeline stays usable.

    Caught by: whoever cancelled.

    What to do: nothing.
    """


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The (at most three) names in `known` that look most like `name`, closest first; case is ignored."""
    lowered: dict[str, str] = {}
    for candidate in known:
        lowered.setdefault(candidate.lower(), candidate)
    wanted = name.lower()
    return tuple(lowered[match] for match in difflib.get_close_matches(wanted, lowered, n=3, cutoff=0.6))
