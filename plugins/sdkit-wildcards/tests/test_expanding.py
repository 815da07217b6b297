"""Texts from templates: what may come, how often, and what is refused."""

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from sdkit.errors import RequestError, UnknownNameError
from sdkit_wildcards import Lists, expand, expansions

LISTS = {
    "colour.txt": "# a comment\nred\n\n  green  \n2::blue\n",
    "animals/cat.txt": "tabby\nsiamese\n",
    "animals/dog.txt": "poodle\n",
    "thing.txt": "__colour__ ball\n{old|new} hat\n",
    "loop.txt": "once more __loop__\n",
    "empty.txt": "# nothing yet\n0::never\n",
    "broken.txt": "fine\n{a|b\n",
}


@pytest.fixture
def lists(tmp_path: Path) -> Lists:
    for name, text in LISTS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return Lists([tmp_path])


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("plain", ["plain"]),
        ("", [""]),
        ("a __colour__ x", ["a red x", "a green x", "a blue x"]),
        ("{a|b} {c|d}", ["a c", "a d", "b c", "b d"]),
        ("{a|{b|c}|}", ["a", "b", "c", ""]),
        ("{old |}hat", ["old hat", "hat"]),
        ("{2::a|0::b|1.5::c}", ["a", "c"]),
        ("__animals/cat__", ["tabby", "siamese"]),
        ("__animals/*__", ["tabby", "siamese", "poodle"]),
        ("__thing__", ["red ball", "green ball", "blue ball", "old hat", "new hat"]),
        ("{2$$a|b|c}", ["a, b", "a, c", "b, c"]),
        ("{2$$ and $$a|{b|c}}", ["a and b", "a and c"]),
        (r"\{a\|b\} \__colour__ {a\|b|c}", ["{a|b} __colour__ a|b", "{a|b} __colour__ c"]),
        ("{emphasis} a|b (c:1.2) _d_ e__", ["{emphasis} a|b (c:1.2) _d_ e__"]),
        ("{__animals/dog__}", ["{poodle}"]),
        ("a\\(b\\)", ["a\\(b\\)"]),
        pytest.param("9" * 400 + "::", ["9" * 400 + "::"], id="an endless number outside of braces"),
        pytest.param("{" + "9" * 400 + "::a|b}", ["9" * 400 + "::a", "b"], id="an endless weight"),
        pytest.param("{" + "9" * 5000 + "$$a|b}", ["9" * 5000 + "$$a", "b"], id="an endless count"),
    ],
)
def test_every_text_comes_once_and_seeds_choose_among_them(text: str, every: list[str], lists: Lists):
    assert list(expansions(text, lists)) == every
    assert {expand(text, seed, lists) for seed in range(300)} == set(every)


@pytest.mark.parametrize("text", ["{red|2::blue|green}", "__colour__"])
def test_weights_are_how_often_a_choice_comes(text: str, lists: Lists):
    found = Counter(expand(text, seed, lists) for seed in range(4000))
    assert found["blue"] / 4000 == pytest.approx(0.5, abs=0.03)
    assert found["red"] / 4000 == pytest.approx(0.25, abs=0.03)


def test_a_seed_chooses_the_same_today_and_tomorrow(lists: Lists):
    """Written down once: another number here means that everybody's pictures change."""
    found = [expand("{a|b|c|d} __colour__", seed, lists) for seed in range(4)]
    assert found == ["b red", "d red", "d red", "c blue"]


def test_all_combinations_are_made_one_by_one(lists: Lists):
    endless = "{a|b}" * 64
    assert list(islice(expansions(endless, lists), 2)) == ["a" * 64, "a" * 63 + "b"]


def test_a_list_in_a_nearer_folder_hides_the_others(tmp_path: Path):
    (tmp_path / "colour.txt").write_text("ultraviolet\n")
    assert list(expansions("__colour__", Lists([tmp_path]))) == ["ultraviolet"]
    assert len(list(expansions("__colour__ __shape__", Lists()))) == 11 * 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {b|c", r"the '{' at character 3 of 'a {b|c' is never closed; for a brace as it stands, write \{"),
        ("a b} c", r"the '}' at character 4 of 'a b} c' closes nothing"),
        ("{" * 11 + "}" * 11, "braces are nested more than 10 deep"),
        ("{3$$a|b}", "the braces at character 1 of '{3$$a|b}' ask for 3 of 2 choices"),
        ("__loop__", "nested more than 20 deep, likely in a circle: … → loop → loop"),
        ("__empty__", "the wildcard 'empty' has no lines to choose from"),
        ("__broken__", "broken.txt, line 2: the '{' at character 1"),
        ("__animals/horse*__", "There is no wildcard named 'animals/horse*'"),
    ],
)
@pytest.mark.parametrize("how", ["one", "every"])
def test_faults_are_named(text: str, message: str, how: str, lists: Lists):
    with pytest.raises(RequestError) as caught:
        expand(text, 0, lists) if how == "one" else list(expansions(text, lists))
    assert message in str(caught.value)


def test_an_unknown_wildcard_suggests_the_nearest(lists: Lists, tmp_path: Path):
    with pytest.raises(UnknownNameError, match="Did you mean 'colour'") as caught:
        expand("a __color__ ball", 0, lists)
    assert str(tmp_path) in str(caught.value)


def test_unusable_folders_and_files_are_named(tmp_path: Path):
    with pytest.raises(RequestError, match="there is no folder 'nowhere'"):
        expand("__colour__", 0, Lists(["nowhere"]))
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(RequestError, match=r"cannot read the list .*latin.txt as UTF-8"):
        expand("__latin__", 0, Lists([tmp_path]))
