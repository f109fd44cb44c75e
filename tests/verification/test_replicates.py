"""Replicates are recomputed to rounding, also where scores are counted in bins."""

import numpy as np
import pytest

from uad_bench.metrics.pooled_bins import count_patients, shared_thresholds
from uad_bench.metrics.ranks import count_ranks
from uad_bench.metrics.uncertainty import leave_one_out, pooled_replicates
from uad_bench.verification.recompute import Patient
from uad_bench.verification.replicates import _areas, left_out, shared_edges


def patient(number, voxels):
    rng = np.random.default_rng(number)
    anomaly = rng.random(voxels) < 0.4
    scores = (rng.normal(size=voxels) + anomaly).astype(np.float32)
    return Patient(f"P{number}", scores, anomaly, np.zeros(voxels, int), 0.0, None)


@pytest.mark.parametrize("voxels", [2_000, 30_000])
def test_replicates_in_bins_are_those_of_the_other_implementation(voxels):
    patients = [patient(k, voxels) for k in range(3)]
    parts = [(p.scores, p.anomaly) for p in patients]
    counts = count_ranks(lambda: parts)
    bins = count_patients(parts, shared_thresholds(counts))
    stored = pooled_replicates(bins, counts, leave_one_out([p.name for p in patients])).values
    again = _areas(parts, left_out(3), shared_edges(patients))
    assert bins.thresholds.size == min(counts.scores.size, 16_384)
    for name, values in stored.items():
        assert again[name] == pytest.approx(values, rel=1e-12)
