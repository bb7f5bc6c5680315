"""Checking a log against what was signed. Pure: the log may come from the database or from an export.

Every entry carries a receipt: the checkpoint signed when it was added, and the proof that its body is the last
leaf of the tree under that checkpoint. Who owns the database but not the signing key can move, copy and remove
entries with their receipts, but make none. So each entry is judged by itself (which entry was it signed as?),
then the order, then whether all receipts tell one history, then whether that history reaches the checkpoint
kept outside.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby

from service.audit.checkpoint import Checkpoint, SignedCheckpoint
from service.audit.head import split_hashes
from service.audit.stored import StoredEntry, StoredLog
from service.audit.tree import EMPTY_ROOT, CompactRange, leaf_hash, verify_inclusion
from service.errors import CheckpointInvalid


class Severity(StrEnum):
    """What a finding means."""

    TAMPERING = "tampering"
    NOTE = "note"


class Code(StrEnum):
    """What was found."""

    CHANGED = "changed"
    MISSING = "missing"
    MOVED = "moved"
    INSERTED = "inserted"
    COLUMNS = "columns"
    REWRITTEN = "rewritten"
    CHECKPOINT = "checkpoint"
    HEAD = "head"
    ROLLED_BACK = "rolled-back"
    EMPTY = "empty"
    NO_OUTSIDE_CHECKPOINT = "no-outside-checkpoint"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing an auditor should know.

    Attributes:
        severity: whether it proves tampering.
        code: what it is.
        message: one line for people; says nothing of the entries' contents.
        first: the first entry it is about, if it is about entries.
        last: the last one.
    """

    severity: Severity
    code: Code
    message: str
    first: int | None = None
    last: int | None = None


def verify_entries(log: StoredLog, origin: str, public_key: bytes, *outside_checkpoints: str) -> list[Finding]:
    """Recompute everything; no finding of severity ``tampering`` means that the log is as it was signed.

    Args:
        log: the entries and the newest checkpoint, trusted in nothing.
        origin: of the log.
        public_key: 32 bytes, Ed25519, from a source the owner of the database cannot change.
        outside_checkpoints: kept outside the database. Without any, a rollback to an earlier state of the whole
            log cannot be told from the log, and a finding says so.

    Raises:
        CheckpointInvalid: one of ``outside_checkpoints`` is none, or of another log.
    """
    outside = [_outside(note, origin) for note in outside_checkpoints]
    evidence = _collect(log, origin, public_key)
    findings = [*_rows(evidence), *_history(evidence), *_newest(evidence, log.checkpoint, origin, public_key)]
    findings += _head(evidence.tree, log.head)
    if not evidence.rows:
        findings.append(Finding(Severity.NOTE, Code.EMPTY, "the log has no entries"))
    if not outside:
        message = "no checkpoint from outside the database: a rollback to an earlier state cannot be detected"
        return [*findings, Finding(Severity.NOTE, Code.NO_OUTSIDE_CHECKPOINT, message)]
    return findings + [finding for known in outside for finding in _reached(evidence, known, public_key)]


@dataclass(slots=True)
class _Evidence:
    """What the entries prove.

    Attributes:
        rows: of each, its index and the entry it was signed as.
        roots: size to the roots that were signed for it, by the receipts of the entries.
        contradictory: rows whose columns do not say what the body says.
        forked: entries whose receipt does not continue the history of the entries before.
        size: number of entries that must have existed.
        tree: of all bodies; None if they are not one unbroken history.
    """

    rows: list[tuple[int | None, int | None]] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=lambda: {0: EMPTY_ROOT})
    contradictory: list[int] = field(default_factory=list)
    forked: list[int] = field(default_factory=list)
    size: int = 0
    tree: CompactRange | None = field(default_factory=CompactRange)


def _collect(log: StoredLog, origin: str, public_key: bytes) -> _Evidence:
    evidence = _Evidence()
    tree: CompactRange | None = CompactRange()
    for row in log.entries:
        receipt = _signed(row.checkpoint, origin, public_key)
        leaf = leaf_hash(row.body)
        place = None
        if receipt is not None:
            evidence.size = max(evidence.size, receipt.size)
            last = receipt.size - 1
            if verify_inclusion(leaf, last, receipt.size, split_hashes(row.proof), receipt.root):
                place = last
                evidence.roots.setdefault(receipt.size, receipt.root)
        evidence.rows.append((row.index, place))
        if place is not None and row.index is not None and _contradicts(row):
            evidence.contradictory.append(row.index)
        # Behind the first gap the tree cannot be recomputed; the receipts still speak for themselves.
        tree = tree.push(leaf) if tree is not None and row.index == place == tree.size else None
        if tree is not None and receipt is not None and tree.root() != receipt.root:
            evidence.forked.append(tree.size - 1)
            tree = None
    evidence.tree = tree
    return evidence


def _signed(note: str, origin: str, public_key: bytes) -> Checkpoint | None:
    try:
        signed = SignedCheckpoint.parse(note)
    except CheckpointInvalid:
        return None
    mine = signed.checkpoint.origin == origin and signed.signed_by(public_key)
    return signed.checkpoint if mine else None


def _contradicts(row: StoredEntry) -> bool:
    body = json.loads(row.body)
    return row.columns is not None and row.columns != {name: body.get(name) for name in row.columns}


def _rows(evidence: _Evidence) -> Iterator[Finding]:
    present = {place for _, place in evidence.rows if place is not None}
    at_home = {place for index, place in evidence.rows if index == place}
    seen: set[int] = set()
    changed: set[int] = set()
    inserted: list[int | None] = []
    moved: list[tuple[int, int]] = []
    for index, place in evidence.rows:
        if place is None:
            if index is None or index in present or index in changed or not 0 <= index < evidence.size:
                inserted.append(index)
            else:
                changed.add(index)
        elif place in seen or (index != place and place in at_home) or index is None:
            inserted.append(index)
        else:
            seen.add(place)
            if index != place:
                moved.append((index, place))
    yield from _ranges(Code.CHANGED, changed, "was changed", "were changed")
    missing = set(range(evidence.size)) - present - changed
    yield from _ranges(Code.MISSING, missing, "is missing", "are missing")
    for index in inserted:
        what = "a row without a number" if index is None else f"a row at {index}"
        yield Finding(Severity.TAMPERING, Code.INSERTED, f"{what} was inserted: it was never signed", index, index)
    yield from _shifts(moved)
    yield from _ranges(
        Code.COLUMNS, evidence.contradictory, "has columns that contradict its body", "have such columns"
    )


def _shifts(moved: Iterable[tuple[int, int]]) -> Iterator[Finding]:
    """Runs that were moved by the same distance, as after a removal and renumbering, are one finding."""
    for _, run in groupby(sorted(moved, key=lambda pair: pair[1]), key=lambda pair: pair[0] - pair[1]):
        members = list(run)
        (index, first), (_, last) = members[0], members[-1]
        name = f"entry {first} is" if first == last else f"entries {first} to {last} are"
        yield Finding(Severity.TAMPERING, Code.MOVED, f"{name} out of place, beginning at row {index}", first, last)


def _ranges(code: Code, indices: Iterable[int], one: str, many: str) -> Iterator[Finding]:
    for _, run in groupby(enumerate(sorted(indices)), key=lambda pair: pair[1] - pair[0]):
        members = [index for _, index in run]
        first, last = members[0], members[-1]
        text = f"entry {first} {one}" if first == last else f"entries {first} to {last} {many}"
        yield Finding(Severity.TAMPERING, code, text, first, last)


def _history(evidence: _Evidence) -> Iterator[Finding]:
    for index in evidence.forked:
        message = f"entry {index} belongs to another history than the entries before it"
        yield Finding(Severity.TAMPERING, Code.REWRITTEN, message, index, index)


def _newest(evidence: _Evidence, note: str | None, origin: str, public_key: bytes) -> Iterator[Finding]:
    """The checkpoint stored with the log must be that of its last entry."""
    if note is None:
        if evidence.rows:
            yield Finding(Severity.TAMPERING, Code.CHECKPOINT, "the log has entries but no checkpoint")
        return
    newest = _signed(note, origin, public_key)
    if newest is None:
        message = "the stored checkpoint is not signed with this log's key"
        yield Finding(Severity.TAMPERING, Code.CHECKPOINT, message)
    elif newest.size < evidence.size:
        message = f"the stored checkpoint is of {newest.size} entries, but {evidence.size} were signed"
        yield Finding(Severity.TAMPERING, Code.CHECKPOINT, message)
    elif newest.size > evidence.size:
        yield from _truncated(evidence.size, newest.size - 1, Code.MISSING, "the stored checkpoint")
    elif evidence.roots.get(newest.size, newest.root) != newest.root:
        message = "the stored checkpoint is of another history than the entries"
        yield Finding(Severity.TAMPERING, Code.REWRITTEN, message)


def _head(tree: CompactRange | None, head: tuple[int | None, bytes] | None) -> Iterator[Finding]:
    if tree is not None and head is not None and head != (tree.size, b"".join(tree.edge)):
        message = "the stored head of the tree is not that of the entries: nothing can be added to this log"
        yield Finding(Severity.TAMPERING, Code.HEAD, message)


def _truncated(first: int, last: int, code: Code, witness: str) -> Iterator[Finding]:
    name = f"entry {first} is" if first == last else f"entries {first} to {last} are"
    yield Finding(Severity.TAMPERING, code, f"{name} missing at the end, says {witness}", first, last)


def _outside(note: str, origin: str) -> SignedCheckpoint:
    signed = SignedCheckpoint.parse(note)
    if signed.checkpoint.origin != origin:
        raise CheckpointInvalid("the checkpoint belongs to another log")
    return signed


def _reached(evidence: _Evidence, outside: SignedCheckpoint, public_key: bytes) -> Iterator[Finding]:
    known = outside.checkpoint
    if not outside.signed_by(public_key):
        message = "the checkpoint from outside is not signed with this key: the file or the key was replaced"
        yield Finding(Severity.TAMPERING, Code.CHECKPOINT, message)
    elif known.size > evidence.size:
        yield from _truncated(evidence.size, known.size - 1, Code.ROLLED_BACK, "the checkpoint from outside")
    elif evidence.roots.get(known.size, known.root) != known.root:
        message = f"the first {known.size} entries are not those the checkpoint from outside was signed for"
        last = known.size - 1
        yield Finding(Severity.TAMPERING, Code.REWRITTEN, message, 0, last)
