"""``visard evaluate lfw``: protection, recovery, utility and the published scheme beside ours, resumable."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from service.engine import MAX_BATCH
from service.errors import FileUnusable, NoFaces
from service.evaluation.answers import AnswersResult, measure_answers
from service.evaluation.attacks import deanonymizer
from service.evaluation.attacks.campaign import ATTACKS, Attack, AttackResult, AttackRun
from service.evaluation.attacks.lessons import Stranger
from service.evaluation.attacks.targets import Targets
from service.evaluation.cost import CostFigures, measure_cost
from service.evaluation.ledger import Kept, Ledger
from service.evaluation.lfw_report import (
    LfwReport,
    Run,
    figures_by_case,
    kid_of_rotation,
    restored_by_column,
    utility_by_column,
)
from service.evaluation.matching import FARS, Matching, Person, measure_matching
from service.evaluation.page import write_page
from service.evaluation.pair_results import Lab, PairResult, measure_pairs, strip_name
from service.evaluation.pairs import Pair, PairSet, load_pairs
from service.evaluation.photos import Photo, person_of
from service.evaluation.progress import bar
from service.evaluation.recognizers import Recognizer
from service.evaluation.studio import TENANT, Studio
from service.operations.parts import Parts

_PART = 10
"""Of the pairs, one in ten goes through every change of its file."""
_ON_PAGE = 24
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Choices:
    """What is measured.

    Attributes:
        limit: pairs, each of another person.
        people: photos of other people, for thresholds and gallery.
        seed: chooses both.
        attacks: whether to attack.
        lessons: pairs to train a de-anonymizer on, as the last attack; 0 for none.
        command: that asked for it, for the report.
    """

    limit: int
    people: int
    seed: int
    attacks: bool
    lessons: int
    command: str


def run_lfw(data: Path, out: Path, parts: Parts, recognizer: Recognizer, choices: Choices) -> LfwReport:
    """Measure everything, and write ``results.json`` and ``report.html`` into ``out``.

    What ends in ``.jsonl`` and the folder ``strips`` there keep what is done: a run that was cut off goes on, and one
    with a larger limit adds to it.

    Args:
        data: see ``pairs.load_pairs``.
        out: made if missing.
        parts: with keys and records that may be written to (the tenant ``evaluation``).

    Raises:
        FileUnusable: there are no pairs, or ``out`` cannot be written to or holds another run.
        NoFaces: none of the pairs shows faces.
    """
    pairs = load_pairs(data)
    chosen = pairs.chosen(choices.limit, choices.seed)
    parts.keys.create(TENANT)
    bundle = parts.bundles.default
    run = Run(
        data=data.name,
        seed=choices.seed,
        bundle=bundle.manifest.name,
        digest=bundle.digest.hex(),
        resolution=bundle.manifest.numerics.resolution,
        recognizer=recognizer.name,
    )
    files = _folder(out / "files")
    lab = Lab(Studio(parts, files), recognizer, pairs, _folder(out / "strips"))
    try:
        people = _people(
            _others(pairs, choices), lab, Ledger(out / "people.jsonl", run, Person, lambda kept: kept.name)
        )
        results = _pairs(chosen, lab, Ledger(out / "pairs.jsonl", run, PairResult, lambda kept: kept.a))
        changed = _changed(chosen, lab, Ledger(out / "changed.jsonl", run, AnswersResult, lambda kept: kept.photo))
        cost = _cost(chosen, lab)
        if not any(pair.columns for pair in results) or sum(person.seen is not None for person in people) < 2:
            raise NoFaces("too few photos of the set show a face")
        matching = measure_matching(people, results, recognizer.name)
        attacks = _attacks(chosen, lab, matching, choices, run, out) if choices.attacks else []
    finally:
        shutil.rmtree(files)
    report = LfwReport(
        run=run,
        command=choices.command,
        pairs=len(results),
        measured=sum(bool(pair.columns) for pair in results),
        people=len(people),
        matching=matching,
        restored=restored_by_column(results),
        utility=utility_by_column(results),
        kid=kid_of_rotation(results, people, choices.seed),
        cases=figures_by_case(changed, results, matching),
        changed_photos=len(changed),
        attacks=[figures for result in attacks for figures in result.figures],
        cost=cost,
        seconds={
            "people": _seconds(people),
            "pairs": _seconds(results),
            "changed files": _seconds(changed),
            **({"attacks": _seconds(attacks)} if attacks else {}),
        },
    )
    (out / "results.json").write_text(report.model_dump_json(indent=2))
    shown = [lab.strips / strip_name(pair.a) for pair in results if pair.columns][:_ON_PAGE]
    write_page(report, results, shown, out / "report.html")
    return report


def _people(photos: Sequence[Photo], lab: Lab, ledger: Ledger[Person]) -> list[Person]:
    def measure(few: Sequence[Photo]) -> list[Person]:
        sitters = lab.seat(few)
        return [
            Person(name=person_of(photo.name), seen=None if s is None else lab.look(s, s.pixels))
            for photo, s in zip(few, sitters, strict=True)
        ]

    named = {person_of(photo.name): photo for photo in photos}
    return list(bar(ledger.fill(named, MAX_BATCH, measure), "people", len(photos)))


def _pairs(pairs: Sequence[Pair], lab: Lab, ledger: Ledger[PairResult]) -> list[PairResult]:
    filled = ledger.fill({pair.a: pair for pair in pairs}, MAX_BATCH, lambda few: measure_pairs(few, lab))
    return list(bar(filled, "pairs", len(pairs)))


def _changed(pairs: Sequence[Pair], lab: Lab, ledger: Ledger[AnswersResult]) -> list[AnswersResult]:
    few = {pair.a: pair for pair in pairs[: max(1, len(pairs) // _PART)]}
    return list(bar(ledger.fill(few, 1, lambda part: measure_answers(part, lab)), "changed files", len(few)))


def _attacks(
    pairs: Sequence[Pair], lab: Lab, matching: Matching, choices: Choices, run: Run, out: Path
) -> list[AttackResult]:
    """Every attack on the people of the pairs, kept like all else."""
    firsts = lab.seat([lab.pairs.photo(pair.a) for pair in pairs])
    seconds = lab.seat([lab.pairs.photo(pair.b) for pair in pairs])
    both = [(first, second) for first, second in zip(firsts, seconds, strict=True) if first is not None]
    limit = matching.thresholds["blank"][FARS.index(max(FARS))]
    targets = Targets(
        sitters=tuple(first for first, _ in both),
        others=tuple(second for _, second in both),
        studio=lab.studio,
        recognizer=lab.recognizer,
        limit=limit,
        seed=choices.seed,
    )
    head = AttackRun(
        digest=lab.studio.parts.bundles.default.digest.hex(), people=len(both), limit=limit, seed=choices.seed
    )

    attacks = dict(ATTACKS)
    if choices.lessons:
        school = partial(_school, lab=lab, choices=choices, run=run, out=out)
        name = f"de-anonymizer and control, {choices.lessons} pairs"
        attacks[name] = lambda targets: deanonymizer.attack(targets, school(head))

    def measure(named: Sequence[tuple[str, Attack]]) -> list[AttackResult]:
        return [AttackResult(attack=name, figures=list(attack(targets))) for name, attack in named]

    # More pairs or people are another campaign.
    path = out / f"attacks-{choices.limit}-{choices.people}.jsonl"
    ledger = Ledger(path, head, AttackResult, lambda result: result.attack)
    named = {name: (name, attack) for name, attack in attacks.items()}
    return list(bar(ledger.fill(named, 1, measure), "attacks", len(attacks)))


def _school(head: AttackRun, lab: Lab, choices: Choices, run: Run, out: Path) -> deanonymizer.School:
    seated = lab.seat(_others(lab.pairs, choices))
    # A lesson's face depends on how many faces there are.
    strangers = out / f"lessons-{choices.people}.jsonl"
    marks = out / f"marks-{choices.limit}-{choices.people}-{choices.lessons}.jsonl"
    return deanonymizer.School(
        pupils=[sitter for sitter in seated if sitter is not None],
        count=choices.lessons,
        strangers=Ledger(strangers, run, Stranger, lambda made: str(made.lesson)),
        marks=Ledger(marks, head, deanonymizer.Marks, lambda mark: mark.variant),
    )


def _others(pairs: PairSet, choices: Choices) -> list[Photo]:
    """People who are in no pair: a longer run finds the same."""
    return pairs.others([pair.person for pair in pairs.same], choices.people, choices.seed)


def _cost(pairs: Sequence[Pair], lab: Lab) -> CostFigures | None:
    for pair in pairs:
        (sitter,) = lab.seat([lab.pairs.photo(pair.a)])
        if sitter is not None:
            return measure_cost(sitter.portrait, lab.studio, _ROUNDS)
    return None


def _seconds(results: Sequence[Kept]) -> float | None:
    """What they took, in whatever run; None where a ledger does not say."""
    seconds = [result.seconds for result in results]
    return None if None in seconds else sum(each for each in seconds if each is not None)


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileUnusable("the output folder cannot be written to") from error
    return path
