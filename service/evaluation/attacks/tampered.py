"""Records changed on their way, moved to another image, or cut: nothing may come back."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from service.errors import VisardError
from service.evaluation.attacks.attack import AttackFigures, counted
from service.evaluation.attacks.targets import Targets
from service.evaluation.studio import TENANT, Made
from service.evaluation.verification import BoundedRate
from service.imaging import encode
from service.operations.parts import Parts
from service.operations.recover import RecoverRequest, recover

Tamper = Callable[[bytes, bytes], bytes]
"""From a record, and another image's, to what is put into the file."""


def attack(targets: Targets) -> Iterator[AttackFigures]:
    """Through the service; its own answer to untouched files is in the note."""
    rng = np.random.default_rng(targets.seed)

    def one_bit(record: bytes, _: bytes) -> bytes:
        place = int(rng.integers(len(record)))
        return record[:place] + bytes([record[place] ^ (1 << int(rng.integers(8)))]) + record[place + 1 :]

    ways: dict[str, Tamper] = {
        "one bit of the record flipped": one_bit,
        "the first bytes of the record flipped": lambda record, _: bytes(b ^ 255 for b in record[:8]) + record[8:],
        "the record cut": lambda record, _: record[: len(record) // 2],
        "another image's record": lambda _, other: other,
        "two records joined": lambda record, other: record[: len(record) // 2] + other[len(record) // 2 :],
    }
    made = targets.anonymized("band-rotation")
    whole = BoundedRate.counted(_answered(one, one.picture.record or b"", targets.studio.parts) for one in made)
    for name, tamper in ways.items():
        outcomes = [
            _answered(one, tamper(one.picture.record or b"", other.picture.record or b""), targets.studio.parts)
            for one, other in zip(made, [*made[1:], *made[:1]], strict=True)
            if one is not other
        ]
        note = f"untouched: {whole.hits}/{whole.of}"
        yield counted(f"tampered: {name}", "service", "files answered with a face", outcomes, note=note)


def _answered(made: Made, record: bytes, parts: Parts) -> bool:
    picture = replace(made.picture, record=None)
    try:
        file = encode(picture, format="png", record=record, metadata="strip")
        recover(file, RecoverRequest(tenant=TENANT, subject="attacker", reason="attack"), parts)
    except VisardError:
        return False
    return True
