"""The patients worth a look are found by the mean over methods and by their disagreement."""

import numpy as np

from uad_bench.output.report.cases import choose_cases

NAMES = ("a", "b", "c", "d", "e")


def reasons(table, methods):
    return {case.subject: " ".join(case.reasons) for case in choose_cases(NAMES, np.array(table, float), methods)}


def test_worst_median_and_best_patients_are_shown():
    found = reasons([[0.5, 0.1, 0.9, 0.4, 0.6]], ["ae"])
    assert [name for name in found if "worst" in found[name]] == ["b"]
    assert [name for name in found if "median" in found[name]] == ["a"]
    assert [name for name in found if "best" in found[name]] == ["c"]


def test_the_patient_that_methods_disagree_on_most_is_shown_with_both():
    found = reasons([[0.5, 0.5, 0.5, 0.5, 0.9], [0.5, 0.5, 0.5, 0.5, 0.1]], ["ae", "vae"])
    assert "methods disagree (ae 0.90, vae 0.10)" in found["e"]


def test_patients_without_a_number_are_left_out():
    assert "a" not in reasons([[np.nan, 0.1, 0.9, 0.4, 0.6]], ["ae"])


def test_a_test_set_without_any_lesion_still_shows_somebody():
    assert list(reasons([[np.nan] * 5], ["ae"])) == ["a", "b", "c"]
