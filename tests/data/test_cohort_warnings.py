"""What is odd about a cohort is counted by kind, and said in a sentence that names patients."""

from contextlib import nullcontext

import pytest

from uad_bench.config import load_task
from uad_bench.data.cohort import Cohort
from uad_bench.data.cohort_warnings import check_scans, find_cohort_warnings, find_odd_volumes
from uad_bench.data.gate import DuplicatePair
from uad_bench.data.subject import Subject
from uad_bench.errors import DataError


def test_a_sound_cohort_has_none(make_facts):
    assert find_cohort_warnings([make_facts()]) == []


def test_each_kind_is_counted_and_its_first_patients_are_named(make_facts):
    sound = make_facts()
    whole = make_facts(id="head", brain_area=(24 * 28,) * 14)
    strange = make_facts(id="strange", undeclared_values=(7, 9))
    empty = make_facts(id="empty", anomaly_area=(0,) * 14)
    outside = [make_facts(id=f"out{i}", outside_brain=5) for i in range(4)]
    rounded, turned = make_facts(id="rounded", label_rounding=1e-5), make_facts(id="turned", label_orientation="SPR")
    found = {
        warning.kind: warning
        for warning in find_cohort_warnings([sound, whole, strange, rounded, turned, empty, *outside])
    }
    assert {kind: warning.count for kind, warning in found.items()} == {
        "whole_head": 1,
        "undeclared_label_values": 1,
        "rounded_label": 1,
        "turned_label": 1,
        "empty_label": 1,
        "anomaly_outside_brain": 4,
    }
    assert found["undeclared_label_values"].message.endswith("does not declare (7, 9)")
    assert found["anomaly_outside_brain"].message.startswith("4 of 10 patients (out0, out1, out2, ...)")


def test_ids_that_differ_in_a_last_part_are_named_unless_a_column_names_the_patients(make_facts):
    ids = ("P001_1", "P001_2", "P002_1", "P003-20010302")
    (warning,) = find_cohort_warnings([make_facts(id=id_, patient=id_) for id_ in ids])
    assert (warning.kind, warning.count) == ("similar_ids", 2)
    assert "(P001_1 and P001_2)" in warning.message
    assert find_cohort_warnings([make_facts(id=id_, patient=f"person {id_}") for id_ in ids]) == []


def test_numbers_of_patients_are_not_taken_for_visits(make_facts):
    for ids in (("BraTS2021_00002", "BraTS2021_00003"), ("case_1", "case_2"), ("P0", "P10"), ("s1_1", "s1_2")):
        assert find_cohort_warnings([make_facts(id=id_, patient=id_) for id_ in ids]) == []


@pytest.mark.parametrize(("whole", "refused"), [(2, False), (3, True)])
def test_a_cohort_is_refused_where_more_than_half_are_whole_heads_without_a_brain_mask(make_facts, whole, refused):
    census = {
        f"P{i}": make_facts(id=f"P{i}", **({"brain_area": (24 * 28,) * 14} if i < whole else {})) for i in range(4)
    }
    subjects = {name: Subject(id=name, images={}) for name in census}
    cohort = Cohort(load_task("phantom-tiny"), subjects, census, (), "")
    with pytest.raises(DataError, match=f"{whole} of 4 patients, first P0") if refused else nullcontext():
        check_scans(cohort)


def test_volumes_are_in_millilitres_of_voxels_that_are_no_cubes(make_facts):
    fact = make_facts(brain_area=(600, 400), anomaly_area=(50, 0), spacing=(1.0, 2.0, 3.0))
    assert (fact.brain_ml, fact.anomaly_ml) == (6.0, 0.3)


def test_near_duplicates_are_one_warning(make_facts):
    pair = DuplicatePair("a", "b", "flair", 0.85, mirrored=True)
    (warning,) = find_cohort_warnings([make_facts()], [pair])
    assert (warning.kind, warning.count) == ("similar_scans", 1)
    assert "a and b: mirrored near-duplicates (correlation 0.8500)" in warning.message


def test_a_brain_wider_than_the_field_of_view_is_said_with_its_width(make_facts):
    fact = make_facts(box=((2, 2, 0), (22, 25, 5)), spacing=(1.0, 2.0, 1.0))
    assert find_cohort_warnings([fact], field_of_view=46.0) == []
    (warning,) = find_cohort_warnings([fact, make_facts(box=((0, 0, 0), (9, 9, 9)))], field_of_view=45.0)
    assert (warning.kind, warning.count) == ("cut_brain", 1)
    assert "the brain, up to 46 mm, is wider than the field of view of 45 mm" in warning.message


def test_a_brain_that_no_adult_has_is_doubted(make_facts):
    sound = make_facts(brain_area=(15_000,) * 100, spacing=(1.0, 1.0, 1.0))
    thin = make_facts(id="thin", brain_area=(15_000,) * 20, spacing=(1.0, 1.0, 1.0))
    assert list(find_odd_volumes([sound])) == []
    (warning,) = find_odd_volumes([sound, thin])
    assert warning.message.startswith("1 of 2 patients (thin) have brains of 300 to 300 mL, outside 700 to 2200 mL")
