"""The table of metrics holds every name that records and tables use."""

import subprocess
import sys

from uad_bench.metrics import METRICS

NAMES = (
    "auprc auroc dice precision sensitivity jaccard fpr95 auprc_gain prevalence lesion_f1_any lesion_f1_iou50 "
    "nsd2 hd95 assd slice_auroc slice_auprc"
)


def test_every_name_of_a_record_has_an_entry():
    assert set(NAMES.split()) <= set(METRICS)


def test_distances_and_false_positives_are_better_when_lower():
    lower = {name for name, metric in METRICS.items() if metric.better == "lower"}
    assert lower == {"hd95", "assd", "fpr", "fpr95", "fpr_healthy", "lesion_fp_per_volume"}
    assert {name for name, metric in METRICS.items() if metric.unit == "mm"} == {"hd95", "assd"}


def test_importing_every_metric_loads_neither_torch_nor_scipy_nor_scikit_learn():
    names = "box lesion measure overlap pooled_bins ranking ranks significance slicewise surface sweep"
    modules = ", ".join(f"uad_bench.metrics.{name}" for name in (*names.split(), "uncertainty", "validity", "voxel"))
    code = f"import sys, {modules}; print(sorted({{'torch', 'scipy', 'sklearn', 'pandas'}} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
