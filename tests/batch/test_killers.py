"""``visard batch``: photos that kill whoever works on them, however many lie side by side, do not stop the others."""

from pathlib import Path

import pytest

from service.batch import run
from service.batch.work import Failed, Lost
from service.errors import EngineUnavailable
from tests.batch.conftest import Bench
from tests.batch.stubs import DRAWN, Played

_HOPELESS = 4


@pytest.fixture(autouse=True)
def _soon_hopeless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_HOPELESS", _HOPELESS)


@pytest.fixture
def photos(bench: Bench, source: Path) -> Bench:
    """A bench whose photos are made by ``_lay``."""
    for path in source.rglob("*.png"):
        path.unlink()
    return bench


def _lay(bench: Bench, kinds: str) -> None:
    """Photos in this order: ``k`` kills, ``h`` is too heavy for two at once, ``w`` is well."""
    folder = bench.source.local
    assert folder is not None
    for number, kind in enumerate(kinds):
        (folder / f"{number:03}{kind}.png").write_bytes(b"")


def _becomes(name: str, at_once: int | None) -> object:
    if "w" in name or ("h" in name and at_once == 1):
        return DRAWN
    return None


def _run(bench: Bench, becomes: object = _becomes) -> Played:
    crew = Played(becomes)  # type: ignore[arg-type]
    with bench.batch() as (batch, _):
        batch.run(crew)
    return crew


def _statuses(bench: Bench) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, line in bench.lines.items():
        found.setdefault(name[3], []).append(line.get("error") or line["status"])
    return found


def test_a_region_of_killers_is_passed_however_many_there_are(photos: Bench) -> None:
    _lay(photos, "w" + "k" * 5 * _HOPELESS + "ww")
    _run(photos)
    assert _statuses(photos) == {"w": ["anonymized"] * 3, "k": ["worker-lost"] * 5 * _HOPELESS}


def test_a_region_of_photos_too_heavy_for_two_at_once_is_drawn(photos: Bench) -> None:
    _lay(photos, "w" + "h" * 5 * _HOPELESS + "w")
    _run(photos)
    assert _statuses(photos) == {"w": ["anonymized"] * 2, "h": ["anonymized"] * 5 * _HOPELESS}


def test_what_is_lost_is_tried_again_soon(photos: Bench) -> None:
    _lay(photos, "wk" * _HOPELESS + "w" * 20)
    tried = [name for name, _ in _run(photos).tried]
    assert tried.count("001k.png") == 3
    assert len(tried) - tried[::-1].index("001k.png") < tried.index("027w.png")


def test_the_last_photo_that_kills_has_failed_once_another_one_was_drawn_since(photos: Bench) -> None:
    _lay(photos, "wk")
    crew = _run(photos)
    assert _statuses(photos) == {"w": ["anonymized"], "k": ["worker-lost"]}
    # Nothing is kept of what shows that faces can be drawn.
    assert crew.tried[-1] == ("000w.png", 1)


def test_deaths_fail_no_photo_while_no_face_is_drawn(photos: Bench) -> None:
    _lay(photos, "wkk")
    drawn: list[str] = []

    def once(name: str, _: int | None) -> object:
        drawn.append(name)
        return DRAWN if len(drawn) == 1 else None

    with pytest.raises(EngineUnavailable, match="left for another run: 2 "):
        _run(photos, once)
    assert _statuses(photos) == {"w": ["anonymized"]}
    # A later run knows a photo that can be drawn.
    _run(photos)
    assert _statuses(photos) == {"w": ["anonymized"], "k": ["worker-lost"] * 2}


def test_photos_without_faces_are_no_evidence_against_one(photos: Bench) -> None:
    _lay(photos, "kw")
    with pytest.raises(EngineUnavailable, match="left for another run: 1 "):
        _run(photos, lambda name, _: Failed("image-damaged", "damaged") if "w" in name else None)
    assert _statuses(photos) == {"w": ["image-damaged"]}


def test_where_all_die_the_run_ends_and_no_photo_has_failed(photos: Bench) -> None:
    _lay(photos, "k" * 10 * _HOPELESS)
    crew = Played(lambda *_: None)
    with photos.batch() as (batch, _), pytest.raises(EngineUnavailable, match="nothing gets done"):
        batch.run(crew)
    assert not photos.manifest.read_bytes()
    assert len(crew.tried) == 2 * _HOPELESS


def test_once_nothing_is_drawn_any_more_the_run_ends_at_once(photos: Bench) -> None:
    _lay(photos, "w" + "k" * 10 * _HOPELESS)
    drawn: list[str] = []

    def once(name: str, _: int | None) -> object:
        drawn.append(name)
        return DRAWN if len(drawn) == 1 else None

    with pytest.raises(EngineUnavailable, match="nothing gets done"):
        _run(photos, once)
    assert len(drawn) == 1 + _HOPELESS + 1


def test_what_answers_that_it_cannot_is_asked_no_more_often_than_before(photos: Bench) -> None:
    _lay(photos, "k" * 10)
    crew = Played(lambda *_: Lost("it does not answer"))
    with photos.batch() as (batch, _), pytest.raises(EngineUnavailable, match="it does not answer"):
        batch.run(crew)
    assert len(crew.tried) == _HOPELESS
