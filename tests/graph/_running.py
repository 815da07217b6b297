"""Node types that write down when they run, for tests of sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sdkit.graph import Graph, Input, NodeType, Output, Session


class Log:
    """Node types over plain functions; `ran` are the names of those that ran, in order."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.types: dict[str, NodeType] = {}

    def add(
        self,
        name: str,
        function: Callable[..., object],
        inputs: str = "",
        outputs: str = "out",
        *,
        is_output: bool = False,
        context: str | None = None,
        changes: Callable[..., object] | None = None,
        needs: Callable[..., Sequence[str]] | None = None,
        check: Callable[..., str | None] | None = None,
        takes_lists: bool = False,
        open_inputs: bool = False,
        version: int = 1,
    ) -> NodeType:
        """A type. In `inputs`, `a!` is lazy, and `a?` need not be given; in `outputs`, `a*` is a list."""

        def function_that_logs(**values: object) -> object:
            self.ran.append(name)
            return function(**values)

        declared = tuple(
            Input(each.strip("!?"), "*", required="?" not in each, lazy="!" in each) for each in inputs.split()
        )
        made = NodeType(
            name,
            function_that_logs,
            declared,
            tuple(Output(each.strip("*"), "*", is_list="*" in each) for each in outputs.split()),
            is_output=is_output,
            context=context,
            changes=changes,
            needs=needs,
            check=check,
            takes_lists=takes_lists,
            open_inputs=open_inputs,
            version=version,
        )
        self.types[name] = made
        return made

    def add_async(self, name: str, function: Callable[..., object], inputs: str = "", outputs: str = "out") -> None:
        """A type whose function is a coroutine function; what it is called with and when is the function's to note."""
        declared = tuple(Input(each, "*") for each in inputs.split())
        self.types[name] = NodeType(name, function, declared, tuple(Output(each, "*") for each in outputs.split()))

    def session(self, **options: object) -> Session:
        return Session(self.types, **options)  # pyright: ignore[reportArgumentType]

    def since(self) -> list[str]:
        """What ran since this was last asked."""
        ran, self.ran = self.ran, []
        return ran


def arithmetic() -> Log:
    """add(a, b), mul(a, b), number(value)."""
    log = Log()
    log.add("number", lambda value: value, "value")
    log.add("add", lambda a, b: a + b, "a b")
    log.add("mul", lambda a, b: a * b, "a b")
    return log


def chain(length: int, first: int = 0) -> Graph:
    """number → add → add …, each adding 1; ids count from 1."""
    graph = Graph()
    last = graph.add("number", value=first)[0]
    for _ in range(length - 1):
        last = graph.add("add", a=last, b=1)[0]
    return graph
