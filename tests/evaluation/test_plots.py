"""Plots put values where they belong, and names where nothing can break out of them."""

import re
from xml.etree import ElementTree as ET

import numpy as np

from service.evaluation.plots import bars, curves, histograms


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  # our own


def points(svg: str) -> list[list[tuple[float, float]]]:
    lines = parsed(svg).iter("polyline")
    return [[tuple(map(float, point.split(","))) for point in line.attrib["points"].split()] for line in lines]


def test_curves_run_from_left_to_right_and_up() -> None:
    ((first, middle, last),) = points(curves("t", [1e-4, 1e-2, 1.0], {"a": [0.0, 0.5, 1.0]}, "x", "y"))
    assert first[0] < middle[0] < last[0] and first[1] > middle[1] > last[1]
    assert middle[0] - first[0] == last[0] - middle[0] and abs(2 * middle[1] - first[1] - last[1]) < 0.2


def test_histograms_hold_every_value_and_mark_a_threshold() -> None:
    values = np.r_[np.zeros(30), np.ones(10)].tolist()
    svg = histograms("t", {"a": values, "b": [0.5]}, "x", {"limit": 0.5})
    steps = points(svg)[0]
    heights = [steps[0][1], steps[-1][1]]
    floor = max(y for _, y in steps)
    assert (floor - heights[0]) / (floor - heights[1]) == 3
    mark = next(parsed(svg).iter("line"))
    assert abs(float(mark.attrib["x1"]) - (steps[0][0] + steps[-1][0]) / 2) < 0.2


def test_a_histogram_of_one_value_is_drawn() -> None:
    assert "nan" not in histograms("t", {"a": [3.0, 3.0]}, "x", {})


def test_bars_are_as_long_as_their_values() -> None:
    widths = [float(rect.attrib["width"]) for rect in parsed(bars("t", {"a": 1.0, "b": 4.0}, "x")).iter("rect")][:2]
    assert abs(widths[1] / widths[0] - 4) < 0.01


def test_names_are_escaped() -> None:
    for svg in (curves("<b>", [0.1, 1.0], {"a&<b>": [0, 1]}, "<x>", "y"), bars("<b>", {"a&<b>": 1.0}, "<x>")):
        assert not re.search("<b>|<x>", svg) and "a&amp;&lt;b&gt;" in svg
