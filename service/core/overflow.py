"""What pixels of a limited range cannot hold: a fixed-length list beside them.

An entry is the index of a value in the (R, R, 3) grid and its excess in 1/256 of an 8-bit level.
The list has one length for every face of a resolution, so that its length says nothing.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ENTRY = np.dtype([("index", ">u4"), ("excess", ">i2")])
_STEPS = 256 * 255  # steps of the excess over the whole range of levels


def capacity(resolution: int) -> int:
    """Entries kept for a face on the R-grid: one for every sixteen cells."""
    return resolution * resolution // 16


def excess(values: Array, counts: NDArray[np.int64], top: int) -> Array:
    """How far cell values lie outside [0, top]; zero where no pixel is counted.

    Args:
        values: (R, R, 3) levels.
        counts: (R, R) pixels per cell.
    """
    return np.where(counts[..., None] > 0, values - np.clip(values, 0, top), 0.0)


def pack(beyond: Array, top: int) -> bytes:
    """The largest ``capacity(R)`` excesses as ``6 * capacity(R)`` bytes, unused entries zero."""
    steps = np.clip(np.rint(beyond.ravel() * (_STEPS / top)), -32768, 32767).astype(np.int64)
    room = capacity(beyond.shape[0])
    largest = np.argsort(-np.abs(steps), kind="stable")[:room]
    entries = np.zeros(room, _ENTRY)
    entries["index"], entries["excess"] = largest, steps[largest]
    entries["index"][entries["excess"] == 0] = 0
    return entries.tobytes()


def unpack(data: bytes, resolution: int, top: int) -> Array:
    """The (R, R, 3) excess in levels.

    Raises:
        ValueError: ``data`` was not made by ``pack`` for this resolution.
    """
    entries = np.frombuffer(data, _ENTRY)
    beyond = np.zeros(3 * resolution * resolution)
    if len(entries) != capacity(resolution) or entries["index"].max(initial=0) >= beyond.size:
        raise ValueError("the overflow list does not fit the resolution")
    np.add.at(beyond, entries["index"], entries["excess"] * (top / _STEPS))
    return beyond.reshape(resolution, resolution, 3)
