"""The small world: the split, the captions, the renderer, and the analyser that reads its pictures."""

import json
import random
from pathlib import Path

import pytest
import torch

from benchmarks._tiny_analyse import Analyser
from benchmarks._tiny_prompts import distance, unseen_prompts
from training.captions import caption, plain
from training.render import Renderer
from training.world import COLOURS, Scene, Thing, World, make_split, write_split

SPLIT = Path(__file__).parents[1] / "data" / "tiny_split.json"


def test_the_split_is_the_one_its_seed_makes(tmp_path: Path) -> None:
    write_split(tmp_path / "split.json")
    assert (tmp_path / "split.json").read_text() == SPLIT.read_text()


def test_held_out_triples_never_occur_in_training_scenes_or_near_misses() -> None:
    held = frozenset(make_split())
    rng, world = random.Random(0), World(held)
    for _ in range(2000):
        scene = world.scene(rng, 0.4)
        for shown in (scene, world.near_miss(rng, scene)):
            assert held.isdisjoint(shown.triples)
            assert all(thing.colour != shown.background for thing in shown.things)


def test_benchmark_prompts_ask_for_held_out_triples_only() -> None:
    held = {tuple(line.split(" | ")) for line in json.loads(SPLIT.read_text())["held_out"]}
    prompts = unseen_prompts()
    assert len(prompts) >= 200
    for wanted in prompts:
        assert {(*thing, wanted.background) for thing in wanted.things} <= held


def test_a_scene_in_words() -> None:
    scene = Scene((Thing("red", "stick figure", 0.2, 0.5, 0.15, 0.0, 3),), "gray")
    assert plain(scene) == "a small red stick figure on the left on a gray background"
    pair = Scene((Thing("red", "ring", 0.3, 0.5, 0.15, 0.0, 0), Thing("blue", "star", 0.7, 0.5, 0.2, 0.0, 0)), "black")
    assert plain(pair) == "a red ring and a blue star on a black background"


def test_captions_are_never_wrong_about_what_they_say() -> None:
    rng, world = random.Random(1), World()
    for _ in range(500):
        scene = world.scene(rng, 0.3)
        words = caption(rng, scene)
        named = {colour for colour in COLOURS if colour in words.text.replace("grey", "gray").split()}
        assert named <= {scene.background, *(thing.colour for thing in scene.things)}, words.text


def test_the_renderer_draws_the_window_that_it_is_asked_for() -> None:
    scenes = [World().scene(random.Random(5), 1.0)]
    draw = Renderer()
    window = draw(scenes, window=torch.tensor([[40, 24]]), crop=64)
    torch.testing.assert_close(window, draw(scenes)[:, :, 40:104, 24:88], rtol=0, atol=1e-4)


@pytest.mark.slow
def test_the_analyser_reads_rendered_scenes() -> None:
    rng, world = random.Random(2), World()
    scenes = [world.scene(rng, 0.35) for _ in range(300)]
    scenes = [s for s in scenes if all(distance(thing.colour, s.background) >= 0.4 for thing in s.things)]
    read = Analyser()
    right = 0
    for scene, picture in zip(scenes, Renderer()(scenes), strict=True):
        seen = read((picture * 255).round() / 255)
        looks = sorted((thing.colour, thing.shape) for thing in scene.things)
        right += seen.background == scene.background and looks == sorted(
            (o.colour, o.shape or "") for o in seen.objects
        )
    assert right / len(scenes) >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["blob", "nothing", "other colour"])
def test_the_analyser_is_not_easily_pleased(wrong: str) -> None:
    picture = Renderer()([Scene((Thing("red", "star", 0.5, 0.5, 0.35, 0.0, 0),), "blue")])[0]
    if wrong == "blob":
        picture = torch.nn.functional.avg_pool2d(picture[None], 41, 1, 20, count_include_pad=False)[0]
    elif wrong == "nothing":
        picture = picture[:, :1, :1].expand_as(picture)
    else:
        picture = picture[[1, 0, 2]]
    assert [(o.colour, o.shape) for o in Analyser()(picture).objects] != [("red", "star")]
