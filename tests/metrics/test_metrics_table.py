"""The table of metrics holds every name that records and tables use."""

import subprocess
import sys

import pytest

from tests.scored import Scored
from uad_bench.evaluation.rescore import rescore
from uad_bench.metrics.reconstruction import RECONSTRUCTION
from uad_bench.metrics.registry import METRICS


def test_every_metric_of_a_record_and_of_its_tables_has_an_entry(scored: Scored):
    run = scored.run_of(scored.judge_noisy())
    document = rescore(run, data=scored.data)
    columns = {name.partition("@")[0] for name in run.metrics.read_text().partition("\n")[0].split(",")}
    absent = {"patient_alarm_rate", *RECONSTRUCTION}  # there are no healthy patients and no images here
    assert {row.name for row in document.metrics} | columns - {"subject"} == set(METRICS) - absent


def test_specificity_is_in_the_record_with_an_interval_and_in_the_table_of_patients(scored: Scored):
    record = scored.judge_noisy()
    rows = {(row["name"], row["policy"]): row for row in record["metrics"] if row["aggregation"] == "pooled"}
    fpr, specificity = rows["fpr", "hFPR5"], rows["specificity", "hFPR5"]
    assert specificity["value"] == pytest.approx(1 - fpr["value"])
    assert (specificity["low"], specificity["high"]) == pytest.approx((1 - fpr["high"], 1 - fpr["low"]))
    assert "specificity@hFPR5" in scored.run_of(record).metrics.read_text()


def test_distances_and_false_positives_are_better_when_lower():
    lower = {name for name, metric in METRICS.items() if metric.better == "lower"}
    assert lower == {
        "hd95", "assd", "fpr", "fpr95", "fpr_healthy", "lesion_fp_per_volume", "false_positive_ml", "slice_alarm_rate",
        "patient_alarm_rate", "healthy_mae", "counterfactual_mae", "counterfactual_ratio",
    }  # fmt: skip
    assert {name for name, metric in METRICS.items() if metric.unit == "mm"} == {"hd95", "assd"}


def test_importing_every_metric_loads_neither_torch_nor_scipy_nor_scikit_learn():
    names = "box lesion metric overlap pooled_bins ranking ranks registry significance slicewise surface sweep"
    modules = ", ".join(
        f"uad_bench.metrics.{name}" for name in (*names.split(), "uncertainty", "validity", "value", "voxel")
    )
    code = f"import sys, {modules}; print(sorted({{'torch', 'scipy', 'sklearn', 'pandas'}} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
