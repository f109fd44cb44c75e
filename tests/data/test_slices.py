"""Which slices are healthy: known answers on a brain of ten slices."""

import pytest

from uad_bench.data.slices import HealthyRule, SliceCounts, count_slices, has_clean_slice, healthy_keys, scored_slices

# ten slices of 10 x 10; brain in 1..8, label in 5
BRAIN = (0, 4, 30, 50, 50, 50, 50, 30, 4, 0)
LABEL = (0, 0, 0, 0, 0, 7, 0, 0, 0, 0)


@pytest.fixture
def facts(make_facts):
    return make_facts(id="P0", shape=(10, 10, 10), brain_area=BRAIN, labelled_area=LABEL, anomaly_area=LABEL)


def zs(facts, **rule):
    return [key.z for key in healthy_keys(facts, HealthyRule(**rule))]


@pytest.mark.parametrize(("margin", "left"), [(0, [2, 3, 4, 6, 7]), (1, [2, 3, 7]), (2, [2]), (5, []), (50, [])])
def test_the_margin_takes_slices_on_either_side(facts, margin, left):
    assert zs(facts, margin=margin) == left


def test_a_slice_needs_its_share_of_brain(facts):
    assert zs(facts, margin=0, min_brain=0.5) == [3, 4, 6]
    assert zs(facts, margin=0, min_brain=0.0) == [1, 2, 3, 4, 6, 7, 8]


def test_the_range_is_inclusive(facts):
    assert zs(facts, margin=0, slices=(3, 6)) == [3, 4, 6]


def test_the_margin_looks_beyond_the_range(facts):
    assert zs(facts, margin=2, slices=(6, 9)) == []


def test_any_label_value_makes_a_slice_unhealthy_even_if_it_is_no_anomaly(make_facts):
    cavity = make_facts(shape=(10, 10, 10), brain_area=BRAIN, labelled_area=LABEL, anomaly_area=(0,) * 10)
    assert 5 not in zs(cavity, margin=0)


def test_without_a_label_nothing_is_known_to_be_healthy(make_facts):
    assert zs(make_facts(shape=(10, 10, 10), brain_area=BRAIN, labelled_area=None, anomaly_area=None)) == []


def test_scored_slices_hold_brain_and_lie_in_range(facts):
    assert scored_slices(facts) == tuple(range(1, 9))
    assert scored_slices(facts, (0, 3)) == (1, 2, 3)


def test_a_clean_slice_is_scored_and_free_of_anomaly(facts, make_facts):
    assert has_clean_slice(facts)
    assert has_clean_slice(facts, (5, 6))
    assert not has_clean_slice(facts, (5, 5))
    assert not has_clean_slice(facts, (9, 9))  # without brain
    assert not has_clean_slice(make_facts(shape=(10, 10, 10), brain_area=BRAIN, labelled_area=None, anomaly_area=None))


def test_counts_say_what_each_rule_left(facts, make_facts):
    unlabelled = make_facts(shape=(10, 10, 10), brain_area=BRAIN, labelled_area=None, anomaly_area=None)
    assert count_slices([facts, unlabelled], HealthyRule(margin=1)) == SliceCounts(
        in_range=20, enough_brain=12, label_free=5, healthy=3, patients=2, patients_without=1
    )


def test_a_patient_whose_slices_all_lie_near_a_label_has_none(facts):
    assert count_slices([facts], HealthyRule(margin=5)) == SliceCounts(
        in_range=10, enough_brain=6, label_free=5, healthy=0, patients=1, patients_without=1
    )


def test_nobody_counts_nothing():
    assert count_slices([], HealthyRule()) == SliceCounts(0, 0, 0, 0, 0, 0)
