"""Attacks succeed where they must, and nowhere else; with a network in closed form and a recognizer of pixels."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from service.core.bands import BandLayout
from service.core.context import Context
from service.core.keystream import Keystream
from service.core.transform import Scheme, hide
from service.evaluation.attacks import (
    again,
    deanonymizer,
    known_pair,
    magnitudes,
    nearby_latents,
    partial_key,
    same_person,
    tampered,
    wrong_key,
)
from service.evaluation.attacks.attack import COSINE, REVEALED, AttackFigures, cosine, cosines, revealed
from service.evaluation.attacks.campaign import ATTACKS
from service.evaluation.attacks.lessons import Lessons, Stranger, inverted, make_lessons
from service.evaluation.attacks.targets import Targets
from service.evaluation.figures import Figures, wilson
from service.evaluation.ledger import Ledger
from service.evaluation.portraits import Portrait, task
from service.evaluation.recognizers.dlib_resnet import _TEMPLATE
from service.evaluation.recognizers.recognizer import aligned
from service.evaluation.sitters import Sitter
from service.evaluation.studio import Studio
from tests.small_bundle import RESOLUTION

TAUS = (0.9,) * 4
TAUS_BY_BAND = (0.9, 0.6, 0.3, 0.5)
Rows = dict[tuple[str, str], AttackFigures]


class PixelRecognizer:
    """Faces are alike when their pixels are."""

    name = "pixels"

    def __call__(self, rgb: NDArray[np.uint8], landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
        chip = aligned(rgb, landmarks, _TEMPLATE / 5, 30).astype(float).ravel()
        chip -= chip.mean()
        return chip / max(float(np.linalg.norm(chip)), 1e-9)


@pytest.fixture
def targets(portraits: list[Portrait], studio: Studio) -> Targets:
    sitters = tuple(Sitter(replace(p, faces=(p.faces[p.main],))) for p in portraits)
    return Targets(sitters, sitters, studio, PixelRecognizer(), 0.3, 1)


def rows(attack: Callable[[Targets], Iterator[AttackFigures]], targets: Targets) -> Rows:
    return {(figures.name, figures.scheme): figures for figures in attack(targets)}


def test_a_wrong_key_reveals_nobody(targets: Targets) -> None:
    found = rows(wrong_key.attack, targets)
    assert len(found) == 4
    assert all(figures.success == 0 and figures.trials == 3 for figures in found.values())


def test_recognition_would_be_noticed(targets: Targets) -> None:
    views = targets.views()
    assert targets.revealed(targets.drawn(views, targets.latents(views))) == [True] * 3
    assert revealed("x", "y", [True, False], 0.1).success == 0.5


def test_signs_known_in_part_say_more_of_sign_flips_than_of_rotations(targets: Targets) -> None:
    found = list(partial_key.attack(targets))
    for part in partial_key.PARTS:
        by_scheme = {f.scheme: f.success for f in found if f.name.startswith(f"{part:.0%}") and f.measure == COSINE}
        # Three small faces have few hundred coefficients, and some weigh much.
        assert by_scheme["signflip"] == pytest.approx(2 * part - 1, abs=0.12)
        assert by_scheme["band-rotation"] < by_scheme["signflip"] - 0.05
    assert [f.scheme for f in found if f.measure == REVEALED] == ["signflip"] * 2 + ["band-rotation"] * 2


def test_the_whole_key_reveals_the_latent(targets: Targets) -> None:
    mask, z = targets.masks[0], targets.latents(targets.views())[0]
    for scheme in ("signflip", "band-rotation"):
        hidden, _ = hide(z, mask, b"k" * 32, scheme, TAUS)
        guess = partial_key.guessed(hidden, mask, Keystream(b"k" * 32), scheme)
        bands = zip(BandLayout.of(mask).split(guess), BandLayout.of(mask).split(z), strict=True)
        assert all(cosine(one, other) > 1 - 1e-9 for one, other in bands if len(one))


def test_a_known_pair_breaks_one_key_for_all_and_no_key_for_each(targets: Targets) -> None:
    found = {(f.scheme, f.note): f for f in known_pair.attack(targets)}
    published = next(f for (scheme, _), f in found.items() if scheme.startswith("published"))
    assert published.success > 0.7
    for scheme in ("signflip", "band-rotation"):
        assert abs(found[scheme, "a key for each face"].success) < 0.3


def test_magnitudes_give_the_original_away_under_sign_flips_only(targets: Targets) -> None:
    layout, z = BandLayout.of(targets.masks[0]), targets.latents(targets.views())[0]
    other = np.random.default_rng(0).normal(size=z.shape) * targets.masks[0]
    flipped, _ = hide(z, targets.masks[0], b"k" * 32, "signflip", TAUS)
    assert magnitudes.alike(layout, flipped, z) > 10 * abs(magnitudes.alike(layout, flipped, other))
    turned, _ = hide(z, targets.masks[0], b"k" * 32, "band-rotation", TAUS)
    assert abs(magnitudes.alike(layout, turned, z)) < 0.2 * magnitudes.alike(layout, flipped, z)
    found = rows(magnitudes.attack, targets)
    assert found["matching magnitudes", "signflip"].success == 1
    blind = found["matching magnitudes", "band-rotation"]
    assert 0.2 < blind.success < 0.8
    # 25 keys of one face are not 25 faces.
    assert blind.trials == 3 and found["matching magnitudes", "signflip"].low == pytest.approx(wilson(3, 3)[0])


def test_two_photos_of_one_person_are_compared_after_anonymization(targets: Targets) -> None:
    found = rows(same_person.attack, targets)
    assert found["two photos of one person", "band-rotation"].note == "originals: 1.000"
    assert found["two photos of one person", "band-rotation"].trials == 3
    alone = replace(targets, others=(None, None, targets.sitters[2]))
    assert not list(same_person.attack(alone))


def test_a_second_stranger_is_no_way_back_and_none_is_made_unasked(targets: Targets) -> None:
    found = rows(again.attack, targets)
    assert found["anonymized twice, unasked", "service"].success == 0
    assert found["anonymized twice", "band-rotation"].success == 0


def test_tampered_records_are_refused_and_whole_ones_are_not(targets: Targets) -> None:
    found = list(tampered.attack(targets))
    assert len(found) == 5
    for figures in found:
        assert (figures.success, figures.trials, figures.note) == (0, 3, "untouched: 3/3")


def test_nearby_latents_find_what_is_near(targets: Targets, monkeypatch: pytest.MonkeyPatch) -> None:
    found = rows(nearby_latents.attack, targets)
    assert len(found) == 4 and all(figures.trials == 3 for figures in found.values())
    # Had the service changed nothing, the original would be near.
    monkeypatch.setattr(Targets, "anonymized", lambda self, scheme: [Unchanged(s.pixels) for s in self.sitters])
    near = rows(nearby_latents.attack, targets)
    assert near["nearby latents, 0.2 rad", "band-rotation"].success > 0.6


def test_nearby_latents_are_as_near_as_is_said_in_every_band(targets: Targets, monkeypatch: pytest.MonkeyPatch) -> None:
    layouts = [BandLayout.of(mask) for mask in targets.masks]
    seen, drawn = targets.latents(targets.views()), []

    def keep(targets: Targets, views: object, latents: list[NDArray[np.float64]]) -> list[NDArray[np.uint8]]:
        drawn.append(latents)
        return [sitter.pixels for sitter in targets.sitters]

    monkeypatch.setattr(Targets, "taus", TAUS_BY_BAND)
    monkeypatch.setattr(Targets, "anonymized", lambda self, scheme: [Unchanged(s.pixels) for s in self.sitters])
    monkeypatch.setattr(Targets, "latents", lambda *_: seen)
    monkeypatch.setattr(Targets, "drawn", keep)
    list(nearby_latents.attack(targets))
    tries = nearby_latents.TRIES
    for scheme, start in (("signflip", 0), ("band-rotation", 3 * tries)):
        # Chance is what the service makes.
        for layout, z, blind in zip(layouts, seen, drawn[start], strict=True):
            if scheme == "signflip":
                assert np.linalg.norm(blind) == pytest.approx(np.linalg.norm(z))
            for band, tau in zip(layout.split(blind), TAUS_BY_BAND, strict=True):
                if scheme == "band-rotation":
                    assert np.linalg.norm(band) == pytest.approx(tau * len(band) ** 0.5)
        for angle, later in ((0.2, start + tries), (0.5, start + 2 * tries)):
            for layout, z, near in zip(layouts, seen, drawn[later], strict=True):
                for band, other in zip(layout.split(z), layout.split(near), strict=True):
                    if len(band) > 100:
                        assert np.arccos(cosine(band, other)) == pytest.approx(angle, abs=0.06)


class Unchanged:
    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.picture = self
        self.pixels = pixels


def test_a_correlation_has_the_interval_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(0.2, 0.1, 400)
    figures = cosines("x", "y", values.tolist(), 0.0)
    assert figures.low < 0.2 < figures.high and figures.high - figures.low == pytest.approx(0.0196, rel=0.1)
    assert cosine(np.zeros(3), np.ones(3)) == 0


def test_a_network_learns_what_strangers_tell_and_its_twin_cannot(
    targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deanonymizer, "_CHANNELS", (32, 32))
    monkeypatch.setattr(deanonymizer, "_PASSES", 16)
    drawn = np.random.default_rng(0).uniform(-0.8, 0.8, (48, 3, 1, 1))
    faces = torch.from_numpy(np.broadcast_to(drawn, (48, 3, RESOLUTION, RESOLUTION)).copy()).float()
    nothing = torch.zeros(48, 1, RESOLUTION, RESOLUTION)
    context = Context(torch.zeros_like(faces), nothing == 0, nothing == 1, nothing)
    lessons = Lessons((-faces).half(), faces, context, torch.arange(48))
    errors = {}
    for blind in (False, True):
        network = deanonymizer.trained(lessons, targets, blind)
        with torch.no_grad():
            guess = deanonymizer._guess(network, -faces, context, blind)
        errors[blind] = float(((guess - faces) ** 2).mean())
    assert errors[False] < 0.7 * errors[True]


def test_lessons_are_strangers_of_others_with_many_keys(targets: Targets) -> None:
    plan = targets.plan("band-rotation")
    faces = inverted(targets.sitters[:2], targets.studio, plan)
    lessons = make_lessons(faces, 5, targets.studio, plan)
    assert lessons.whose.tolist() == [0, 1, 0, 1, 0] and len(lessons) == 5
    strangers, originals, context = lessons.batch(torch.tensor([0, 2]), torch.device("cpu"))
    assert torch.equal(originals[0], originals[1]) and not torch.equal(strangers[0], strangers[1])
    assert not strangers[~context.generate.expand_as(strangers)].any()
    levels = (strangers[context.generate.expand_as(strangers)].double() + 1) * 127.5
    assert (levels - levels.round()).abs().max() < 0.15


@pytest.mark.parametrize("scheme", ["band-rotation", "signflip"])
def test_a_lesson_is_what_the_service_makes_of_the_face(
    scheme: Scheme, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, key = targets.plan(scheme), bytes(range(32))
    monkeypatch.setattr(os, "urandom", lambda _: key)
    lessons = make_lessons(inverted(targets.sitters, targets.studio, plan), 1, targets.studio, plan)
    bundles = targets.studio.parts.bundles
    of_service = task(targets.views()[0], key)
    ((made, _),) = targets.studio.parts.engine.anonymize(bundles.default.digest, plan, [of_service])
    inside = of_service.context.generate[0].expand_as(made)
    assert (lessons.strangers[0][inside] - made[inside].clamp(-1, 1)).abs().max() < 1.2 / 255


def school_in(folder: Path, pupils: Sequence[Sitter], count: int) -> deanonymizer.School:
    class Head(Figures):
        pass

    return deanonymizer.School(
        pupils,
        count,
        Ledger(folder / "strangers", Head(), Stranger, lambda made: str(made.lesson)),
        Ledger(folder / "marks", Head(), deanonymizer.Marks, lambda mark: mark.variant),
    )


def test_a_trained_deanonymizer_is_judged_beside_its_twin(
    targets: Targets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deanonymizer, "_CHANNELS", (32, 32))
    monkeypatch.setattr(deanonymizer, "_PASSES", 1)
    found = list(deanonymizer.attack(targets, school_in(tmp_path, targets.sitters[1:], 16)))
    assert [(figures.scheme, figures.trials) for figures in found] == [
        ("band-rotation", 3),
        ("band-rotation", 3),
        ("none: the original shown", 3),
    ]
    assert all(np.isfinite([f.success, f.low, f.high, f.chance]).all() for f in found)


def test_networks_that_were_trained_are_not_trained_again(
    targets: Targets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def train(lessons: Lessons, targets: Targets, blind: bool) -> Copying:
        asked.append(blind)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return Copying()

    monkeypatch.setattr(deanonymizer, "trained", train)
    with pytest.raises(KeyboardInterrupt):
        list(deanonymizer.attack(targets, school_in(tmp_path, targets.sitters, 4)))
    assert len(list(deanonymizer.attack(targets, school_in(tmp_path, targets.sitters, 4)))) == 3
    assert asked == [True, False, False, False]


def test_lessons_that_were_made_are_taken_again(targets: Targets, tmp_path: Path) -> None:
    plan = targets.plan("band-rotation")
    faces = inverted(targets.sitters, targets.studio, plan)
    few = make_lessons(faces, 4, targets.studio, plan, school_in(tmp_path, (), 0).strangers)
    more = make_lessons(faces, 6, targets.studio, plan, school_in(tmp_path, (), 0).strangers)
    assert torch.equal(more.strangers[:4], few.strangers) and len(more) == 6
    assert not torch.equal(more.strangers[3], more.strangers[0])


class Copying:
    """Learns to draw what it is shown, and nothing else."""

    def __call__(self, shown: torch.Tensor, t: torch.Tensor, context: Context) -> torch.Tensor:
        return shown


def test_a_network_that_copies_comes_nearer_where_nothing_is_hidden_and_nowhere_else(
    targets: Targets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deanonymizer, "trained", lambda *_: Copying())
    *found, shown = deanonymizer.attack(targets, school_in(tmp_path, targets.sitters, 4))
    assert shown.name == deanonymizer.CONTROL and shown.low > 0.1
    assert all(f.success < shown.success / 2 for f in found if f.name == deanonymizer.NEARER)


def test_every_attack_is_in_the_campaign() -> None:
    modules = (again, known_pair, magnitudes, nearby_latents, partial_key, same_person, tampered, wrong_key)
    assert set(ATTACKS.values()) == {module.attack for module in modules}
