"""The path and its grids."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from service.core.schedule import GridKind, cos_sin, time_grid

kinds: st.SearchStrategy[GridKind] = st.sampled_from(["square", "late"])


@given(st.integers(1, 40), st.floats(0, 0.4), st.floats(0.5, 0.999), kinds)
def test_a_grid_climbs_from_t0_to_t1(steps: int, t0: float, t1: float, kind: GridKind) -> None:
    times = time_grid(steps, t0, t1, kind)
    assert times.dtype == torch.float64
    assert len(times) == steps + 1
    assert (times.diff() > 0).all()
    assert [float(times[0]), float(times[-1])] == pytest.approx([t0, t1], abs=1e-12)


def test_the_grids_are_the_documented_curves() -> None:
    assert float(time_grid(2, 0.0, 0.5, "square")[1]) == pytest.approx(0.5 * 0.25)
    assert float(time_grid(2, 0.0, 0.5, "late")[1]) == pytest.approx(0.5 * (1 - 0.75**1.7))


@pytest.mark.parametrize(("steps", "t0", "t1"), [(0, 0.1, 0.9), (4, 0.9, 0.1), (4, -0.1, 0.9), (4, 0.1, 1.0)])
def test_what_is_no_grid_is_a_fault(steps: int, t0: float, t1: float) -> None:
    with pytest.raises(ValueError, match="time grid"):
        time_grid(steps, t0, t1, "square")


@given(st.floats(0, 1))
def test_amplitudes_keep_the_variance(t: float) -> None:
    cos, sin = cos_sin(torch.tensor([t], dtype=torch.float64))
    assert float(cos**2 + sin**2) == pytest.approx(1, abs=1e-14)
    assert float(torch.atan2(sin, cos)) == pytest.approx(t * math.pi / 2, abs=1e-14)
