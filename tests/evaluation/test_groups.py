"""Patients are divided by size or by a column, each into one group."""

import pytest

from uad_bench.data.subject import Subject
from uad_bench.errors import ConfigError
from uad_bench.evaluation.groups import column_groups, size_groups


def people(**values: str) -> list[Subject]:
    return [Subject(name, {}, attributes={"x": value} if value else {}) for name, value in values.items()]


def test_tertiles_hold_a_third_each_and_leave_out_patients_without_anomaly():
    groups = size_groups({f"P{i}": float(i) for i in range(10)})
    assert {name: len(who) for name, who in groups.values.items()} == {"small": 3, "middle": 3, "large": 3}
    assert "P0" not in frozenset().union(*groups.values.values())
    assert groups.cuts == (pytest.approx(11 / 3), pytest.approx(19 / 3))


def test_fewer_than_three_patients_make_no_tertiles():
    assert size_groups({"P1": 1.0, "P2": 2.0}).values == {}


def test_a_patient_at_a_limit_is_in_the_lower_group_and_three_patients_are_enough():
    four = size_groups({f"P{i}": float(i) for i in range(1, 5)})
    assert four.values == {"small": {"P1", "P2"}, "middle": {"P3"}, "large": {"P4"}}
    assert [*size_groups({"P1": 1.0, "P2": 2.0, "P3": 3.0}).values] == ["small", "middle", "large"]


def test_a_column_of_words_makes_a_group_a_word_and_a_missing_word_is_in_none():
    groups = column_groups(people(a="F", b="M", c="F", d=""), "x")
    assert groups.values == {"F": {"a", "c"}, "M": {"b"}}


def test_many_numbers_are_cut_at_their_tertiles_and_few_are_not():
    many = column_groups(people(**{f"p{i}": str(i) for i in range(12)}), "x")
    assert list(many.values) == ["small", "middle", "large"]
    for count, groups in ((8, 8), (9, 3)):
        assert len(column_groups(people(**{f"p{i}": str(i) for i in range(count)}), "x").values) == groups
    endless = column_groups(people(**{f"p{i}": str(i) for i in range(9)}, last="inf"), "x")
    assert len(endless.values) == 10  # no number, so no column of numbers


def test_a_column_that_nobody_has_is_an_error():
    with pytest.raises(ConfigError, match="age"):
        column_groups(people(a="F"), "age")
