"""What is said of recognition, with embeddings made for the purpose."""

import numpy as np
import pytest

from service.evaluation.answers import CASES, Answer, AnswersResult
from service.evaluation.columns import COLUMNS
from service.evaluation.lfw_report import figures_by_case
from service.evaluation.matching import FARS, Matching, Person, measure_matching
from service.evaluation.pair_results import ColumnResult, PairResult
from service.evaluation.sitters import Looked
from service.evaluation.utility import Likeness

DIMENSIONS = 40
SAME = Likeness(before=0.9, confidence=0.9, box=1, landmarks=0, yaw=0, roll=0, mask=1)


def seen(whole: np.ndarray, blank: np.ndarray | None = None) -> Looked:
    return Looked(whole=whole.tolist(), blank=(whole if blank is None else blank).tolist(), likeness=SAME)


@pytest.fixture(scope="module")
def matching() -> Matching:
    """A perfect recognizer; strangers whose surroundings give them away, and nothing else."""
    rng = np.random.default_rng(5)
    people = [Person(name=f"other {i}", seen=seen(rng.normal(size=DIMENSIONS))) for i in range(60)]
    people.append(Person(name="unseen", seen=None))
    pairs = []
    for i in range(30):
        me, stranger, second = rng.normal(size=(3, DIMENSIONS))
        hidden, again = seen(me + 0.01, stranger), seen(me - 0.01, second)
        column = ColumnResult(anonymized=hidden, recovered=seen(me), wrong=seen(second), psnr=40, ssim=0.9)
        pairs.append(
            PairResult(
                a=f"{i}_1.jpg",
                b=f"{i}_2.jpg",
                person=f"person {i}",
                clean=seen(me),
                other=seen(me + 0.001),
                second=again,
                columns=dict.fromkeys(COLUMNS, column),
            )
        )
    pairs.append(PairResult(a="x_1.jpg", b="x_2.jpg", person="faceless"))
    return measure_matching(people, pairs, "perfect")


def test_originals_and_recovered_faces_are_recognized(matching: Matching) -> None:
    for found in (matching.clean, matching.recovered["paper"]):
        assert [(m.far, m.whole.hits, m.whole.of) for m in found.other] == [(far, 30, 30) for far in FARS]
        assert found.rank_one.hits == found.rank_one_blank.hits == 30
        assert found.curve[-1] == 1
    assert matching.clean.original is None


def test_surroundings_and_face_are_told_apart(matching: Matching) -> None:
    found = matching.anonymized["ours, rotation"]
    assert found.other[0].whole.value == 1 and found.other[0].blank.value < 0.2
    assert found.original is not None and found.original[0].whole.value == 1
    assert found.rank_one.value == 1 and found.rank_one_blank.value < 0.2
    assert matching.strangers[0].whole.value == 1 and matching.strangers[0].blank.value < 0.2


def test_a_wrong_key_shows_nobody(matching: Matching) -> None:
    assert list(matching.wrong) == ["ours, sign flip", "ours, rotation"]
    assert matching.wrong["ours, rotation"].other[0].whole.value < 0.2


def test_thresholds_come_from_everybody_else(matching: Matching) -> None:
    assert matching.impostors == 60 * 59 // 2 and matching.gallery == 90
    assert matching.thresholds["whole"][1] < matching.thresholds["whole"][0]


def test_changed_files_are_compared_with_the_original_and_with_the_other_photo(matching: Matching) -> None:
    me, stranger = np.random.default_rng(6).normal(size=(2, DIMENSIONS))
    back = Answer(best="b", generative="g", exact=False, psnr=30, ssim=0.8, confidence=0.7, recovered=seen(me))
    refused = Answer(best="r", generative="r", exact=False, psnr=None, ssim=None, confidence=None)
    results, pairs = [], []
    for i, other in enumerate((me, stranger, stranger)):
        cases = dict.fromkeys((case.name for case in CASES), back if i else refused)
        results.append(AnswersResult(photo=f"{i}.jpg", clean=seen(me + 0.001), cases=cases))
        pairs.append(PairResult(a=f"{i}.jpg", b="b.jpg", person="p", other=seen(other) if i < 2 else None))
    for found in figures_by_case(results, pairs, matching).values():
        assert (found.recognized.hits, found.recognized.of) == (2, 2)
        assert (found.other.hits, found.other.of) == (0, 1)
        assert (found.confidence.median, found.confidence.count) == (0.7, 2)
        assert found.ssim.median == 0.8 and found.psnr.count == found.ssim.count == 2
        assert found.identity.median == pytest.approx(0.001 * DIMENSIONS**0.5)
