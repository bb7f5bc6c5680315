"""Looking for secrets where none may be: as they are, in hexadecimal, in base64 and base64url."""

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

_PREFIX = 8
_PIECE = 16 << 20


def forms(secret: bytes) -> set[bytes]:
    """What ``secret`` looks like, alone or inside of something longer."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            # The characters that hold bits of the secret alone.
            text = encode(bytes(before) + secret)
            found.add(text[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6])
    return found


class Search:
    """For many secrets at once, each of 10 bytes or more."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._forms: dict[bytes, set[bytes]] = {}
        # Which three bytes any of them begins with: what is left to look at closely is little.
        self._begins = np.zeros(1 << 24, bool)
        for form in set().union(*map(forms, secrets)):
            self._forms.setdefault(form[:_PREFIX], set()).add(form)
            self._begins[int.from_bytes(form[:3], "big")] = True
        self._overlap = max((len(form) for found in self._forms.values() for form in found), default=0)

    def finds(self, data: bytes) -> bool:
        """Whether any of them is in there, in any form."""
        if len(data) < _PREFIX:
            return False
        octets = np.frombuffer(data, np.uint8).astype(np.uint32)
        triples = (octets[:-2] << 16) | (octets[1:-1] << 8) | octets[2:]
        return any(
            data.startswith(form, place)
            for place in map(int, np.flatnonzero(self._begins[triples]))
            for form in self._forms.get(data[place : place + _PREFIX], ())
        )

    def finds_in_file(self, path: Path) -> bool:
        return any(map(self.finds, self._pieces(path)))

    def _pieces(self, path: Path) -> Iterator[bytes]:
        """Overlapping, so that nothing is cut in two."""
        with path.open("rb") as file:
            before = b""
            while piece := file.read(_PIECE):
                yield before + piece
                before = piece[-self._overlap :]
