"""How many of a folder's ComfyUI workflows load, validate and run, with the reasons counted.

    python benchmarks/workflows.py FOLDER … [--no-run] [--twins] [--verbose] [--only NAME] [--limit SECONDS]

Model files and missing pictures are replaced by small random stand-ins, and sizes scaled down, as `sdkit run --tiny`
does; so "validates" means: but for the files that only the workflow's author has. `--twins`: files of the same name in
folders `api` and `ui` are compared, too: both formats must give the same graph, but for seeds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sdkit_comfy.plugin
from sdkit.errors import Cancelled, Fault, GraphError, NodeError, SdkitError
from sdkit.graph import Graph, GraphResult, Ref
from sdkit.pipeline import Workspace
from sdkit.types import CancelToken
from sdkit_comfy.formats.widgets import SEEDS
from sdkit_comfy.missing import NotAvailableError
from sdkit_comfy.tiny import Tiny, tiny_workspace

ENDINGS = (".json", ".png", ".webp", ".latent")
MOST_SHOWN = 40


@dataclass
class Tally:
    """What happened to the workflows so far."""

    counts: Counter[str] = field(default_factory=Counter[str])
    reasons: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    executed: Counter[str] = field(default_factory=Counter[str])

    def because(self, kind: str, reasons: Iterable[str]) -> None:
        """Count reasons of one kind, each once per workflow."""
        self.reasons.setdefault(kind, Counter()).update(set(reasons))

    def print(self, seconds: float) -> None:
        """All counts, most frequent reasons first."""
        files = self.counts["files"]
        for step in ("loaded", "validated", "ran to the end", "ran up to a technique that is not available"):
            print(f"{self.counts[step]:6} of {files} {step}")
        print(f"{self.executed.total():6} nodes executed, of {len(self.executed)} types; {seconds:.0f} s")
        for kind, reasons in self.reasons.items():
            print(f"\n{kind} ({len(reasons)}; workflows)")
            for reason, count in reasons.most_common(MOST_SHOWN):
                print(f"{count:6}  {reason}")


def main() -> int:
    """Try all files, print the counts; the exit status tells whether a file did not load, or twins differ."""
    options = _options()
    tally = Tally()
    began = time.perf_counter()
    files = [path for folder in options.folders for path in _files(Path(folder)) if options.only in str(path)]
    with tempfile.TemporaryDirectory(prefix="sdkit-workflows-") as folder:
        for number, path in enumerate(files):
            said = _tried(path, Path(folder), tally, run=not options.no_run, limit=options.limit)
            if options.verbose:
                print(f"{number + 1}/{len(files)} {path}: {said}", flush=True)
        differing = _twins(files) if options.twins else []
    tally.print(time.perf_counter() - began)
    for line in differing:
        print(line)
    if options.twins:
        print(f"{len(differing)} twins differ")
    return int(tally.counts["loaded"] < tally.counts["files"] or bool(differing))


def _tried(path: Path, folder: Path, tally: Tally, *, run: bool, limit: float) -> str:
    """Load, check and run one workflow; what came of it, in a few words."""
    tally.counts["files"] += 1
    try:
        tiny = tiny_workspace(path, folder, plugins=[sdkit_comfy.plugin])
    except SdkitError as error:
        tally.because("not loaded", [_short(error)])
        return f"not loaded: {error}"
    tally.counts["loaded"] += 1
    faults = tiny.workspace.check(tiny.graph)
    if faults:
        tally.because("unknown nodes", (fault.got for fault in faults if _is_unknown(fault)))
        tally.because("faults", (_of(fault) for fault in faults if not _is_unknown(fault)))
        return "; ".join(map(str, faults))
    tally.counts["validated"] += 1
    return _run(tiny, tally, limit) if run else "validated"


def _run(tiny: Tiny, tally: Tally, limit: float) -> str:
    token = CancelToken()
    timer = threading.Timer(limit, token.cancel)
    timer.start()
    try:
        result = tiny.workspace.run(tiny.graph, cancel=token)
    except NodeError as error:
        if isinstance(error.result, GraphResult):
            _count(tiny.graph, error.result, tally)
            errors = list(error.result.errors.values())
        else:
            errors = [error]
        missing = [each for each in errors if isinstance(each.__cause__, NotAvailableError)]
        if len(missing) == len(errors):
            tally.counts["ran up to a technique that is not available"] += 1
            tally.because("not available", (str(each.__cause__).partition(":")[0] for each in missing))
            return "not available"
        tally.because("errors", (_short(each) for each in errors if each not in missing))
        return "; ".join(str(each) for each in errors)
    except (GraphError, Cancelled) as error:
        tally.because("errors", [_short(error)])
        return str(error)
    finally:
        timer.cancel()
    _count(tiny.graph, result, tally)
    tally.counts["ran to the end"] += 1
    return f"{len(result.executed)} nodes in {sum(result.timings.values()):.1f} s"


def _count(graph: Graph, result: GraphResult, tally: Tally) -> None:
    tally.executed.update(graph.nodes[node].type for node in result.executed if node in graph.nodes)


def _twins(files: Iterable[Path]) -> list[str]:
    """The differences between the graphs of files of the same name in folders `api` and `ui`."""
    workspace = Workspace(plugins=[sdkit_comfy.plugin])
    found = [path for path in files if path.parent.name == "api" and (path.parent.parent / "ui" / path.name).exists()]
    differences: list[str] = []
    for path in found:
        api, ui = workspace.load(path), workspace.load(path.parent.parent / "ui" / path.name)
        for what in _differences(api, ui, workspace):
            differences.append(f"{path.name}: {what}")
    print(f"{len(found)} twins compared")
    return differences


def _differences(api: Graph, ui: Graph, workspace: Workspace) -> Iterator[str]:
    for node_id in sorted({*api.nodes, *ui.nodes}):
        here, there = api.nodes.get(node_id), ui.nodes.get(node_id)
        if here is None or there is None:
            yield f"node {node_id} is in one only"
        elif here.type != there.type:
            yield f"node {node_id} is {here.type} and {there.type}"
        else:
            kind = workspace.types.get(here.type)
            defaults = {} if kind is None else {each.name: each.default for each in kind.inputs}
            for name in sorted({*here.inputs, *there.inputs}):
                values = [each.inputs.get(name, defaults.get(name)) for each in (here, there)]
                # The editor saves with a picture the seed that it has drawn for the next one.
                if not _same(*values) and name not in SEEDS:
                    yield f"node {node_id} ({here.type}) has {name}={values[0]!r} and {values[1]!r}"


def _same(first: object, second: object) -> bool:
    return first == second and isinstance(first, Ref) == isinstance(second, Ref)


def _files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)


def _is_unknown(fault: Fault) -> bool:
    return not fault.input and fault.message.startswith("there is no node type")


def _of(fault: Fault) -> str:
    """A fault without what is particular to one file."""
    return f"{fault.type}.{fault.input}: {fault.message}"[:150]


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:220]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--no-run", action="store_true", help="load and validate only")
    parser.add_argument("--twins", action="store_true", help="compare api/X with ui/X")
    parser.add_argument("--verbose", "-v", action="store_true", help="a line for each file")
    parser.add_argument("--only", default="", help="only files with this in their path")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one workflow")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
