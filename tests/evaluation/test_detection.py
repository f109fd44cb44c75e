"""Lesion detection and alarms of two written patients, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from uad_bench.evaluation.detection import alarm_rates, by_volume, one_false_positive, operating_points
from uad_bench.evaluation.thresholds import Threshold
from uad_bench.metrics.froc import LesionCurve
from uad_bench.metrics.uncertainty import leave_one_out
from uad_bench.runs.metric_rows import Labels

LABELS = Labels(chain="none", region="brain", n_subjects=2)
BOTH = leave_one_out(["A", "B"])
LEVELS = np.array([np.inf, 4, 3, 2, 1])


def patient(*, volumes=(), found=(), false=(0,) * 5, marked=(0,) * 5, tp=(0,) * 5, ill=0, alarms=(), alarm=None):
    columns = (np.array(column, int) for column in (found, false, marked, tp))
    curve = LesionCurve(LEVELS, np.array(volumes, float), *columns, ill)
    return SimpleNamespace(curve=curve, slice_alarms=np.array(alarms, float), patient_alarm=alarm)


A = patient(
    volumes=(99, 1_000), found=(1, 3), false=(0, 0, 1, 2, 6), marked=(0, 10, 20, 40, 80), tp=(0, 10, 15, 30, 35),
    ill=40, alarms=(3.5, 2, 0.5, 0.5),
)  # fmt: skip
B = patient(
    volumes=(10_000,), found=(2,), false=(0, 0, 0, 1, 1), marked=(0, 0, 5, 10, 20), tp=(0, 0, 5, 10, 15),
    ill=20, alarms=(2, 0, 0, 0, 0, 0),
)  # fmt: skip


def rows_of(estimates):
    return {estimate.metric.key.replace("/pooled", ""): estimate for estimate in estimates}


def values_of(estimates):
    return {key: estimate.metric.value for key, estimate in rows_of(estimates).items()}


KNOWN = {  # all patients, without A, without B
    "lesion_sensitivity@0.25FP": (1 / 3, 1, 1 / 2),
    "lesion_sensitivity@0.5FP": (2 / 3, 1, 1 / 2),
    "lesion_sensitivity@1FP": (2 / 3, 1, 1 / 2),
    "lesion_sensitivity@2FP": (1, 1, 1),
    "lesion_sensitivity@4FP": (1, 1, 1),
    "froc_score@all": (11 / 15, 1, 7 / 10),
    "lesion_sensitivity@alarm10": (2 / 3, 1, 1 / 2),
    "dice@alarm10": (40 / 85, 10 / 25, 20 / 50),
}


def test_sensitivities_and_dice_are_those_at_the_threshold_that_each_set_of_patients_chooses():
    rows = rows_of(operating_points([A, B], BOTH, LABELS))
    assert rows.keys() == KNOWN.keys()
    for key, (value, *replicates) in KNOWN.items():
        assert rows[key].metric.value == pytest.approx(value, abs=1e-12)
        assert rows[key].replicates == pytest.approx(replicates, abs=1e-12)
        assert rows[key].metric.n_lesions == (None if key == "dice@alarm10" else 3)


def test_the_threshold_at_one_false_positive_is_the_last_before_there_are_more():
    assert one_false_positive([A, B]) == 3
    assert one_false_positive([patient(false=(0, 2, 2, 2, 2))]) == np.inf


def test_each_lesion_counts_in_the_range_of_its_own_volume_whose_lower_limit_is_included():
    rows = {e.metric.group: e.metric for e in by_volume([A, B], BOTH, LABELS)}
    found = {name: (row.value, row.n_lesions, row.n_subjects, row.policy) for name, row in rows.items()}
    assert found == {
        "lesion_ml=under 0.1": (1, 1, 1, "1FP"),
        "lesion_ml=0.1-1": (None, 0, 0, "1FP"),
        "lesion_ml=1-10": (0, 1, 1, "1FP"),
        "lesion_ml=over 10": (1, 1, 1, "1FP"),
    }
    assert rows["lesion_ml=0.1-1"].undefined == "no_lesion"


def test_alarm_rates_are_shares_of_slices_and_of_healthy_patients_and_a_score_at_the_threshold_is_an_alarm():
    thresholds = {"hFPR5": Threshold("hFPR5", 2.0), "oracle": Threshold("oracle", np.nan, undefined="no_positive")}
    rows = rows_of(alarm_rates([A, B], thresholds, BOTH, LABELS))
    assert {key: row.metric.value for key, row in rows.items()} == {"slice_alarm_rate@hFPR5": 0.3}
    assert rows["slice_alarm_rate@hFPR5"].replicates == pytest.approx([1 / 6, 1 / 2])
    healthy = [patient(alarms=(1,), alarm=2.0), patient(alarms=(3,), alarm=1.9), patient(alarms=(1,), alarm=-np.inf), A]
    rows = rows_of(alarm_rates(healthy, thresholds, leave_one_out("wxyz"), LABELS))
    rate = rows["patient_alarm_rate@hFPR5"]
    assert (rate.metric.value, rate.metric.n_subjects) == (1 / 3, 3)
    assert rate.replicates == pytest.approx([0, 1 / 2, 1 / 2, 1 / 3])
    assert rows["slice_alarm_rate@hFPR5"].metric.value == 3 / 7


def test_without_lesions_or_without_healthy_slices_numbers_have_a_reason():
    healthy = rows_of(operating_points([patient(alarms=(2,))] * 2, BOTH, LABELS))
    assert {row.metric.undefined for row in healthy.values()} == {"no_lesion"}
    ill = patient(volumes=(60,), found=(1,), ill=60)
    rows = rows_of(operating_points([ill, ill], BOTH, LABELS))
    assert {key for key, row in rows.items() if row.metric.undefined == "no_healthy_slice"} == {
        "lesion_sensitivity@alarm10",
        "dice@alarm10",
    }
    apart = rows_of(operating_points([patient(alarms=(2,)), patient(ill=60)], BOTH, LABELS))
    assert {row.metric.undefined for row in apart.values() if row.metric.name != "dice"} == {"no_lesion"}
    (rate,) = alarm_rates([ill, ill], {"hFPR5": Threshold("hFPR5", 2.0)}, BOTH, LABELS)
    assert rate.metric.undefined == "no_healthy_slice"


def test_the_order_of_patients_changes_the_order_of_replicates_only():
    there, back = (rows_of(operating_points(patients, BOTH, LABELS)) for patients in ([A, B], [B, A]))
    for key, row in there.items():
        assert back[key].metric.value == pytest.approx(row.metric.value, abs=1e-12)
        assert back[key].replicates[::-1] == pytest.approx(row.replicates, abs=1e-12)
