"""What is said of a node that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.errors import NodeError
from sdkit.graph.describing import describe

if TYPE_CHECKING:
    from sdkit.graph.jobs import Job
    from sdkit.graph.planning import Link


def node_error(job: Job, what: str, cause: BaseException | None = None) -> NodeError:
    """The error of a node: its id, type, title and inputs, and what went wrong."""
    step = job.step
    given = {name: describe(value) for name, value in step.values.items()}
    for link, source in zip(step.links, job.sources, strict=False):
        if link.output < len(source.outputs):
            given[link.name] = f"{describe(source.outputs[link.output])} from {link.node}"
    inputs = ", ".join(f"{name}={value}" for name, value in given.items())
    title = f", {step.title!r}" if step.title and step.title != step.kind.type.name else ""
    place = f"node {step.id} ({step.kind.type.name}{title})"
    if step.root != step.id:
        place += f", to which node {step.root} was expanded,"
    message = f"{place} failed: {what}" + (f"\n  its inputs: {inputs}" if inputs else "")
    made = NodeError(message, node=step.id, node_type=step.kind.type.name, inputs=inputs)
    made.__cause__ = cause
    return made


def written_into(link: Link, source: Job) -> str:
    """Of a node that changed a tensor that it was given."""
    return (
        f"it wrote into its input {link.name!r}, which is output {link.output} of node {source.step.id}, and belongs "
        "to the cache and to other nodes. It must work on a copy: tensor.clone()"
    )


def changed_meanwhile(link: Link, source: Job) -> str:
    """Of a node whose input somebody else changed."""
    return (
        f"its input {link.name!r}, output {link.output} of node {source.step.id}, was written into after it was made, "
        "by a node that shares its memory, and that must work on a copy: tensor.clone(). Run it again."
    )
