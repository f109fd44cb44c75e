"""Curves and bars out of characters stand where the numbers are."""

import numpy as np
import pytest

from uad_bench.output.curve_drawing import draw_bar, draw_curve

X = np.linspace(0, 1, 400)


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right():
    lines = draw_curve(X, X, width=45, height=10, marks={})
    assert lines[0].startswith("1.0 │")
    assert lines[9].startswith("0.0 │")
    first = [next(i for i, c in enumerate(line[5:]) if c != " ") for line in lines[:10]]
    assert first == sorted(first, reverse=True)


def test_no_line_is_wider_than_asked_for():
    marks = {"hFPR1": 0.0, "hFPR5": 0.02, "valDice": 0.99, "oracle": 1.0}
    for width in (40, 80, 120):
        assert max(map(len, draw_curve(X, X**2, width=width, marks=marks))) <= width


def test_every_mark_is_named_under_its_place_and_touches_no_other():
    lines = draw_curve(X, X, width=85, marks={"here": 0.5, "there": 0.51})
    labels = [line for line in lines if "^" in line]
    assert len(labels) == 2
    assert abs(labels[0].index("^here") - (5 + 40)) <= 1


def test_points_without_a_value_are_left_out():
    assert draw_curve(X, np.full(400, np.nan), width=40, height=2, marks={})[0] == "1.0 │"


@pytest.mark.parametrize(
    ("value", "bar"), [(1.0, "██"), (0.5, "█"), (0.75, "█▌"), (0.0, ""), (np.nan, ""), (2.0, "██")]
)
def test_a_bar_is_as_long_as_its_value(value, bar):
    assert draw_bar(value, width=2) == bar
