"""The adversary of the game is no fool: what leaks, it finds; what does not, it does not."""

import numpy as np

from service.evaluation.game import Trials, judge, play
from service.evaluation.portraits import Portrait
from service.evaluation.scenes import scenes
from service.evaluation.studio import Studio
from tests.small_bundle import RESOLUTION


def _trials(leak: float, seed: int = 0, count: int = 240) -> Trials:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % 2 == 0)
    scene = np.arange(count) // (count // 3)
    values = rng.normal(size=(count, 6)) + 50 * scene[:, None]
    values[:, 3] += leak * labels
    values[:, 5] = 7.0
    return Trials([f"clue {i}" for i in range(6)], values, labels, scene.astype(np.int64))


def test_a_leak_is_found_and_named() -> None:
    figures = judge(_trials(leak=6.0), np.random.default_rng(1))
    assert figures.best == "clue 3" and figures.best_auc > 0.99 > figures.chance
    assert figures.held_out > 0.98 and figures.held_out_p < 0.01
    assert (figures.trials, figures.scenes, figures.statistics) == (240, 3, 6)


def test_a_faint_leak_exceeds_chance() -> None:
    figures = judge(_trials(leak=0.8), np.random.default_rng(1))
    assert figures.best == "clue 3" and figures.best_auc > figures.chance
    assert figures.held_out > figures.held_out_chance


def test_a_leak_that_points_another_way_in_each_scene_is_named() -> None:
    played = _trials(leak=0.0)
    played.values[:, 3] += np.array([1.5, -1.5, 0.0])[played.scene] * played.labels
    figures = judge(played, np.random.default_rng(1))
    assert figures.best == "clue 3" and figures.best_auc > figures.chance
    assert figures.held_out_p < 0.01


def test_nothing_is_found_where_nothing_is() -> None:
    areas = [judge(_trials(leak=0.0, seed=s), np.random.default_rng(s)) for s in range(5)]
    assert 0.42 < np.mean([figures.held_out for figures in areas]) < 0.55
    assert sum(figures.held_out < figures.held_out_chance for figures in areas) >= 4
    assert all(0.52 < figures.held_out_chance < 0.65 for figures in areas)
    assert sum(figures.held_out_p > 0.05 for figures in areas) >= 4
    assert all(figures.single["clue 5"] == 0.5 for figures in areas)


def test_scenes_differ_inside_the_mask_only(portraits: list[Portrait]) -> None:
    for scene in scenes(portraits, 3):
        differs = (scene.one.pixels != scene.other.pixels).any(axis=-1)
        inside = scene.one.owner == 0
        assert not differs[~inside].any()
        assert differs[inside].mean() > 0.9


def test_the_faces_of_a_scene_are_those_of_other_portraits(portraits: list[Portrait]) -> None:
    scene = next(scenes(portraits, 1))
    for shown, giver in ((scene.one, portraits[1]), (scene.other, portraits[2])):
        (x, y), (given_x, given_y) = scene.face.origin, giver.faces[giver.main].origin
        middle = RESOLUTION // 2
        patch = shown.pixels[y + middle : y + middle + 4, x + middle : x + middle + 4]
        given = giver.pixels[given_y + middle : given_y + middle + 4, given_x + middle : given_x + middle + 4]
        assert np.array_equal(patch, given)


def test_sign_flips_lose_the_game_and_rotations_do_not(portraits: list[Portrait], studio: Studio) -> None:
    flips = play(portraits, studio, trials=10, count=1, seed=0, scheme="signflip")
    assert flips.single["latent magnitude match"] == 1
    turns = play(portraits, studio, trials=10, count=1, seed=0, scheme="band-rotation")
    assert turns.single["latent magnitude match"] < 1
    assert turns.single["record length"] == 0.5
