"""Which values are kept, and for how long."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
import torch

from sdkit.graph import LRU, Graph, KeepLast, NoCache, Ref
from sdkit.graph.caching import Entry
from sdkit.graph.sizes import sizes_of
from tests.graph._running import Log, arithmetic, chain


class Big:
    def __init__(self, nbytes: int = 0) -> None:
        self.nbytes = nbytes


def entry(value: object) -> Entry:
    return Entry((value,))


def test_keep_last_keeps_one_value_per_node() -> None:
    log = arithmetic()
    cache = KeepLast()
    session = log.session(cache=cache)
    for first in range(5):
        session.run(chain(4, first))
        assert len(cache) == 4
    assert session.run(chain(4, 4)).executed == ()
    assert session.run(chain(4, 3)).executed == ("1", "2", "3", "4"), "only the last is kept"
    session.run(chain(2, 3))
    assert len(cache) == 2, "nodes that the graph does not have go"


def test_keep_last_lets_old_values_go_before_new_ones_are_computed() -> None:
    log = Log()
    alive: list[int] = []
    made: list[weakref.ref[Big]] = []

    def make(value: int) -> Big:
        gc.collect()
        alive.append(sum(each() is not None for each in made))
        big = Big()
        made.append(weakref.ref(big))
        return big

    log.add("make", make, "value")
    session = log.session()
    graph = Graph()
    graph.add("make", value=0)
    for value in range(3):
        graph.nodes["1"].inputs["value"] = value
        session.run(graph)
    assert alive == [0, 0, 0]


def test_keep_last_keeps_what_a_run_of_other_outputs_does_not_reach() -> None:
    log = arithmetic()
    session = log.session()
    graph = Graph()
    source = graph.add("number", value=1)[0]
    graph.add("add", a=source, b=1, id="left")
    graph.add("add", a=source, b=2, id="right")
    session.run(graph)
    graph.nodes["right"].inputs["b"] = 3
    assert session.run(graph, outputs=["right"]).executed == ("right",)
    assert session.run(graph, outputs=["left"]).executed == ()


def test_no_cache_frees_each_value_after_its_last_reader() -> None:
    log = Log()
    made: list[weakref.ref[Big]] = []
    alive: list[int] = []

    def step(before: Big | None) -> Big:
        big = Big()
        made.append(weakref.ref(big))
        alive.append(sum(each() is not None for each in made))
        return big

    log.add("start", lambda: step(None))
    log.add("step", step, "before")
    graph = Graph()
    last = graph.add("start")[0]
    for _ in range(9):
        last = graph.add("step", before=last)[0]
    session = log.session(cache=NoCache())
    result = session.run(graph)
    assert len(made) == 10
    assert max(alive) == 2, "its input, and itself"
    assert result.value("10") is made[-1]()
    gc.disable()  # nothing may wait for the collector
    try:
        del result
        assert [each() for each in made] == [None] * 10
    finally:
        gc.enable()
    assert session.run(graph).executed == tuple(map(str, range(1, 11))), "nothing is kept"


def test_lru_keeps_so_many() -> None:
    log = arithmetic()
    cache = LRU(6)
    session = log.session(cache=cache)
    session.run(chain(3, 1))
    session.run(chain(3, 2))
    assert session.run(chain(3, 1)).executed == ()
    session.run(chain(3, 3))
    assert len(cache) == 6
    assert session.run(chain(3, 3)).executed == ()
    assert session.run(chain(3, 2)).executed != (), "the one unused for longest went"


def test_lru_by_bytes() -> None:
    cache = LRU(bytes=1000)
    for name, nbytes in ((b"a", 400), (b"b", 300)):
        cache.put(name, entry(Big(nbytes)), "1", "1")
    assert cache.get(b"a") is not None
    used = cache.used
    assert 700 <= used < 1000
    cache.put(b"c", entry(Big(300)), "1", "1")
    assert (cache.has(b"a"), cache.has(b"b"), cache.has(b"c")) == (True, False, True), "b was unused for longest"
    cache.put(b"huge", entry(Big(5000)), "1", "1")
    assert not cache.has(b"huge")
    assert cache.has(b"c"), "and it drove nothing out"
    for name in (b"a", b"c"):
        cache.discard(name)
    assert (cache.used, len(cache)) == (0, 0)


def test_lru_counts_shared_storage_once() -> None:
    cache = LRU(bytes=10**6)
    base = torch.zeros(1000)
    cache.put(b"a", entry(base), "1", "1")
    alone = cache.used
    cache.put(b"b", entry([base[:10], {"x": base.view(10, 100)}]), "2", "2")
    assert 4000 <= alone < 4200
    assert cache.used < alone + 1000, "views share the storage"
    cache.discard(b"a")
    assert cache.used >= 4000, "somebody still holds it"
    cache.discard(b"b")
    assert cache.used == 0


def test_sizes_of_modules_are_their_parameters() -> None:
    module = torch.nn.Linear(100, 10)
    total = sum(dict(sizes_of({"model": module})).values())
    assert 4 * (1000 + 10) <= total < 4 * (1000 + 10) + 2000


@pytest.mark.parametrize("options", [{}, {"count": 0}, {"bytes": 0}])
def test_lru_needs_a_limit(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="LRU needs"):
        LRU(**options)


def test_evicted_values_in_the_middle_are_not_missed() -> None:
    log = arithmetic()
    cache = LRU(1)
    session = log.session(cache=cache)
    session.run(chain(5))
    result = session.run(chain(5))
    assert result.executed == (), "the end is there, and nobody needs the rest"
    assert result.value("5") == 4


@pytest.mark.parametrize("cache", [KeepLast, NoCache, lambda: LRU(100)])
def test_two_threads_compute_what_both_need_once(cache: object) -> None:
    log = arithmetic()
    entered, leave = threading.Event(), threading.Event()

    def slow(value: int) -> int:
        entered.set()
        assert leave.wait(20)
        return value

    log.add("slow", slow, "value")
    session = log.session(cache=cache())  # pyright: ignore[reportCallIssue]

    def graph(more: int) -> Graph:
        made = Graph()
        made.add("slow", value=3, id="slow")
        made.add("add", a=Ref("slow"), b=more, id="sum")
        return made

    results: list[object] = []
    threads = [
        threading.Thread(target=lambda more=more: results.append(session.run(graph(more)).value("sum")))
        for more in (1, 2)
    ]
    threads[0].start()
    assert entered.wait(20)
    threads[1].start()
    threads[1].join(0.1)
    leave.set()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == [4, 5]  # pyright: ignore[reportArgumentType]
    assert log.ran.count("slow") == 1


def test_another_thread_takes_over_what_failed_in_the_first() -> None:
    log = arithmetic()
    entered, leave = threading.Event(), threading.Event()
    calls: list[int] = []

    def slow(value: int) -> int:
        calls.append(value)
        if len(calls) == 1:
            entered.set()
            assert leave.wait(20)
            raise ValueError("once")
        return value

    log.add("slow", slow, "value")
    session = log.session()
    graph = Graph()
    graph.add("slow", value=3)
    failed: list[Exception] = []
    results: list[object] = []

    def first() -> None:
        try:
            session.run(graph)
        except Exception as error:  # noqa: BLE001 -- looked at below
            failed.append(error)

    one = threading.Thread(target=first)
    two = threading.Thread(target=lambda: results.append(session.run(graph).value("1")))
    one.start()
    assert entered.wait(20)
    two.start()
    two.join(0.1)
    leave.set()
    one.join(20)
    two.join(20)
    assert (len(failed), results, calls) == (1, [3], [3, 3])


def test_many_threads_at_once() -> None:
    log = arithmetic()
    session = log.session(cache=LRU(1000))
    wrong: list[object] = []

    def work(offset: int) -> None:
        for first in range(20):
            value = session.run(chain(30, first + offset)).value("30")
            if value != first + offset + 29:
                wrong.append((offset, first, value))

    threads = [threading.Thread(target=work, args=(offset % 2,)) for offset in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
