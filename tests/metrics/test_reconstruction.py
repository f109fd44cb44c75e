"""Known answers of the metrics of pseudo-healthy images."""

import numpy as np
import pytest

from uad_bench.metrics.reconstruction import RECONSTRUCTION, ReconstructionSums, ssim, sum_reconstruction
from uad_bench.verification.reconstruction_check import similarity

SHAPE = (20, 18, 3)
RNG = np.random.default_rng(4)
TRUTH = RNG.normal(size=SHAPE).astype(np.float32)
LESION = np.zeros(SHAPE, bool)
LESION[5:9, 6:10, 1] = True
HEALTHY = ~LESION
HEALTHY[:2] = False
SCAN = np.where(LESION, TRUTH + 2, TRUTH)


def measured(image: np.ndarray, *, truth: np.ndarray | None = TRUTH, lesion: np.ndarray = LESION) -> dict[str, float]:
    sums = sum_reconstruction(image, SCAN, healthy=HEALTHY, lesion=lesion, truth=truth, span=6.0)
    return {name: metric(sums).value for name, metric in RECONSTRUCTION.items()}


def reasons(image: np.ndarray, **changes: object) -> dict[str, str | None]:
    given = {"healthy": HEALTHY, "lesion": LESION, "truth": TRUTH, **changes}
    sums = sum_reconstruction(image, SCAN, span=6.0, **given)
    return {name: metric(sums).undefined for name, metric in RECONSTRUCTION.items()}


def test_the_scan_itself_changes_nothing_and_leaves_the_whole_lesion():
    found = measured(SCAN)
    assert (found["healthy_mae"], found["lesion_change"]) == (0, 0)
    assert found["healthy_ssim"] == pytest.approx(1, abs=1e-12)
    assert found["counterfactual_mae"] == pytest.approx(2, rel=1e-6)
    assert found["counterfactual_ratio"] == 1
    assert reasons(SCAN)["change_ratio"] == "no_change"


def test_a_perfect_restoration_changes_only_the_lesion_and_has_no_error():
    found = measured(TRUTH)
    assert (found["healthy_mae"], found["counterfactual_mae"], found["counterfactual_ratio"]) == (0, 0, 0)
    assert found["lesion_change"] == pytest.approx(2, rel=1e-6)


def test_a_mean_image_has_the_mean_absolute_deviation_as_its_error():
    found = measured(np.full(SHAPE, 0.25, np.float32))
    assert found["healthy_mae"] == pytest.approx(np.abs(TRUTH[HEALTHY] - 0.25).mean(), rel=1e-6)
    assert found["lesion_change"] == pytest.approx(np.abs(TRUTH[LESION] + 1.75).mean(), rel=1e-6)
    assert found["change_ratio"] == pytest.approx(found["lesion_change"] / found["healthy_mae"])
    assert found["counterfactual_mae"] == pytest.approx(np.abs(TRUTH[LESION] - 0.25).mean(), rel=1e-6)
    assert found["healthy_ssim"] < 0.5


def test_without_known_healthy_tissue_the_counterfactual_error_is_undefined():
    found = reasons(SCAN + 1, truth=None)
    assert (found["counterfactual_mae"], found["counterfactual_ratio"]) == ("no_counterfactual",) * 2
    assert found["change_ratio"] is None


def test_without_a_lesion_metrics_inside_lesions_are_undefined():
    found = reasons(SCAN + 1, lesion=np.zeros(SHAPE, bool))
    assert {name for name, reason in found.items() if reason == "empty_ref"} == {
        "lesion_change", "change_ratio", "counterfactual_mae", "counterfactual_ratio",
    }  # fmt: skip


def test_what_is_inside_a_lesion_does_not_affect_the_similarity_of_healthy_tissue():
    other = np.where(LESION, 99, TRUTH).astype(np.float32)
    assert measured(other)["healthy_ssim"] == measured(SCAN)["healthy_ssim"]


def test_similarity_equals_plain_statistics_of_each_window():
    image = SCAN + RNG.normal(0, 0.5, SHAPE)
    found, (x, y, z) = ssim(image, SCAN, HEALTHY, span=6.0), (6, 3, 1)
    window = np.s_[x - 3 : x + 4, 0 : y + 4, z]
    a, b = image[window][HEALTHY[window]], SCAN[window][HEALTHY[window]].astype(float)
    c1, c2 = 0.06**2, 0.18**2
    covariance = np.mean((a - a.mean()) * (b - b.mean()))
    expected = (2 * a.mean() * b.mean() + c1) * (2 * covariance + c2)
    expected /= (a.mean() ** 2 + b.mean() ** 2 + c1) * (a.var() + b.var() + c2)
    assert found[x, y, z] == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(
        found[HEALTHY], similarity(image, SCAN.astype(float), HEALTHY, span=6.0)[HEALTHY], rtol=1e-9
    )


def test_replicates_of_every_patient_once_equal_the_metric():
    sums = sum_reconstruction(SCAN + 0.5, SCAN, healthy=HEALTHY, lesion=LESION, truth=TRUTH, span=6.0)
    once = ReconstructionSums(*(np.array([getattr(sums, name)]) for name in ReconstructionSums.__dataclass_fields__))
    for metric in RECONSTRUCTION.values():
        assert metric.replicates(once) == pytest.approx([metric(sums).value])
