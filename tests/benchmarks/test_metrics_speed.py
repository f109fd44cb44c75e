"""Pooled AP, best Dice and AUROC beside scikit-learn's two calls, on the same voxels in one process.

`pytest tests/benchmarks/test_metrics_speed.py --benchmark-enable` prints the table; UAD_BENCH_BENCHMARK_VOXELS=1e8
asks for the size of seventy patients (7 GiB of memory, some minutes, nearly all of them scikit-learn's).
"""

import os

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from uad_bench.metrics import voxel
from uad_bench.metrics.pooled_bins import count_patients, shared_thresholds
from uad_bench.metrics.ranks import count_ranks, count_ranks_of
from uad_bench.metrics.uncertainty import leave_one_out, pooled_replicates

N_VOXELS = int(float(os.environ.get("UAD_BENCH_BENCHMARK_VOXELS", "2e5")))
PATIENT = min(N_VOXELS, 1_400_000)  # brain voxels of one patient


@pytest.fixture(scope="module")
def patients():
    """Patients with 1 to 3 % anomalous voxels, exponential and gamma scores of their own scale, in [0, 1)."""
    rng = np.random.default_rng(0)
    return [patient(rng) for _ in range(N_VOXELS // PATIENT)]


def patient(rng):
    anomaly = rng.random(PATIENT) < rng.uniform(0.01, 0.03)
    raw = rng.lognormal(0, 0.3) * rng.standard_exponential(PATIENT, np.float32) * np.float32(0.05)
    raw[anomaly] = rng.gamma(3, 0.06, anomaly.sum())
    return -np.expm1(-raw), anomaly


@pytest.fixture(scope="module")
def pooled(patients):
    return tuple(map(np.concatenate, zip(*patients, strict=True)))


@pytest.fixture(scope="module")
def reference(pooled):
    return with_scikit_learn(*pooled)


def of_counts(counts):
    return [measure.value for measure in (
        voxel.average_precision(counts), voxel.best_dice(counts).dice, voxel.auroc(counts))]  # fmt: skip


def with_scikit_learn(scores, anomaly):
    precision, recall, _ = precision_recall_curve(anomaly, scores)
    dice = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    ap = -np.sum(np.diff(recall) * precision[:-1])
    return [ap, dice.max(), roc_auc_score(anomaly, scores)]


def in_memory(scores, anomaly):
    return of_counts(count_ranks_of(scores, anomaly))


def bounded(patients):
    return of_counts(count_ranks(lambda: patients))


@pytest.mark.benchmark(group="pooled")
def test_scikit_learn(benchmark, pooled):
    ap, _, _ = benchmark.pedantic(with_scikit_learn, pooled, rounds=1)
    assert ap == pytest.approx(average_precision_score(pooled[1], pooled[0]), abs=1e-12)


@pytest.mark.benchmark(group="pooled")
def test_exact_in_memory_agrees_to_1e_12(benchmark, pooled, reference):
    found = benchmark.pedantic(in_memory, pooled, rounds=3)
    assert found == pytest.approx(reference, abs=1e-12)


@pytest.mark.benchmark(group="pooled")
def test_exact_in_bounded_memory_agrees_to_1e_12(benchmark, patients, reference):
    found = benchmark.pedantic(bounded, (patients,), rounds=3)
    assert found == pytest.approx(reference, abs=1e-12)


@pytest.mark.benchmark(group="jackknife")
def test_leaving_out_each_of_251_patients(benchmark):
    n = 251 if benchmark.enabled else 50
    rng = np.random.default_rng(1)
    anomaly = rng.random((n, 2_000)) < 0.05
    scores = rng.normal(1.5 * anomaly).astype(np.float32)
    counts = count_ranks(lambda: zip(scores, anomaly, strict=True))
    binned = count_patients(zip(scores, anomaly, strict=True), shared_thresholds(counts))
    rows = leave_one_out([f"P{i}" for i in range(n)])
    found = benchmark.pedantic(pooled_replicates, (binned, counts, rows), rounds=3)
    assert abs(found.shift["auprc"]) < 1e-4
