"""The tables beside a record come back as arrays, with reasons where numbers do not exist."""

import math

import numpy as np

from tests.made_results import made_failure, made_record, write_run
from uad_bench.runs.folder import Run
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.tables import Curve, current, mean_of_folds, read_curve, read_patients


def test_a_patient_without_lesion_has_no_number_but_a_reason(tmp_path):
    run = write_run(tmp_path, made_record())
    run.metrics.write_text("subject,auprc\nB,no_positive\nA,0.25\n")
    patients = read_patients(run)
    assert patients.names == ("A", "B")
    assert patients.values["auprc"][0] == 0.25
    assert math.isnan(patients.values["auprc"][1])
    assert patients.reasons == {("auprc", "B"): "no_positive"}


def test_patients_of_all_folds_stand_together(tmp_path):
    run = Run(tmp_path)
    for i, name in enumerate("BA"):
        fold = Run(tmp_path / f"fold{i}").create()
        fold.metrics.write_text(f"subject,auprc\n{name},0.{i}\n")
    assert read_patients(run).names == ("A", "B")
    assert read_curve(run) is None


def test_a_failed_run_has_neither_patients_nor_curve(tmp_path):
    run = write_run(tmp_path, made_failure())
    assert read_patients(run).names == ()
    assert read_curve(run) is None


def test_a_thinned_curve_keeps_its_ends_and_its_best_dice():
    x = np.linspace(1, 0, 1000)
    dice = np.where(np.arange(1000) == 340, 0.9, 0.1)
    thin = Curve(x, x, x, dice, x).thinned(20)
    assert len(thin.dice) <= 20
    assert (thin.thresholds[0], thin.thresholds[-1], thin.dice.max()) == (1, 0, 0.9)


def test_only_replicates_of_a_bootstrap_are_scaled():
    stored = {"auprc@all/pooled": np.array([0.1, 0.3])}
    new, old = (current(stored, made_record(metrics_version=version))["auprc@all/pooled"] for version in (2, 1))
    assert new.tolist() == [0.1, 0.3]
    distance = 0.1 * 20 / (19 * np.sqrt(2))  # of 20 patients
    np.testing.assert_allclose(old, [0.2 - distance, 0.2 + distance])


def test_a_mean_over_folds_has_the_metrics_that_every_fold_has():
    rows = [MetricRow(name=name, value=0.5, n_subjects=2) for name in ("auprc", "auroc")]
    keys, values = [row.key for row in rows], np.array([0.4, 0.6])
    assert [*mean_of_folds([rows, rows], [dict.fromkeys(keys, values), {keys[0]: values}])] == keys[:1]
