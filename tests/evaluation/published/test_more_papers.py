"""Rules of further papers on small maps: empty slices, random voxels, healthy thresholds, per-region overlap."""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from tests.evaluation.published.test_replay import NAMES, dice, replayed, scores_of
from tests.scored import brain_of, lesion_of, reference_of
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.protocol import Protocol, Published, load_protocol
from uad_bench.evaluation.replay import replay
from uad_bench.evaluation.threshold_search import Grid, Linear, UpperQuantile
from uad_bench.metrics.region_overlap import MAX_FPR, region_overlap


def slices() -> list[tuple[np.ndarray, np.ndarray]]:
    """Every slice of every patient."""
    return [(scores_of(i)[:, :, k], lesion_of(i)[:, :, k]) for i in range(5) for k in range(scores_of(i).shape[2])]


def test_an_empty_slice_counts_one_if_nothing_is_marked_and_zero_otherwise():
    low, high = min(s.min() for s, _ in slices()), max(s.max() for s, _ in slices())

    def slice_dice(scores: np.ndarray, anomaly: np.ndarray, threshold: float) -> float:
        marked = ((scores - low) / (high - low)).astype(np.float32) > threshold
        return dice(marked, anomaly) if anomaly.any() else float(not marked.any())

    means = [np.mean([slice_dice(s, a, t) for s, a in slices()]) for t in 0.005 * np.arange(201)]
    search = Grid(step=0.005, count=201, unit="rescaled")
    rules = {"rescale": "test-min-max", "objective": "slices", "numbers": ("dice/slices",), "search": search}
    found = replayed({**rules, "both_empty": 1.0}, region="all")["dice/slices"]
    assert found == pytest.approx(max(means))
    assert found != pytest.approx(replayed(rules, region="all")["dice/slices"])


def test_metrics_of_random_voxels_are_those_of_all_where_all_are_drawn_and_the_same_every_time():
    rules = {"search": Linear(count=200), "numbers": ("dice/pooled", "auprc/pooled")}
    size = scores_of(0).size
    whole, all_drawn, some, again = (
        replayed({**rules, "sample": sample}, region="all") for sample in (None, size, size // 2, size // 2)
    )
    assert all_drawn == whole
    assert some == again
    assert some != whole


def test_slices_can_be_scored_by_their_maximum_or_by_their_brightest_tenth():
    labels = [anomaly.any() for _, anomaly in slices()]
    of = {"max": np.max, "top10pct": lambda s: s[s > np.quantile(s, 0.9)].mean()}
    for name, reduce in of.items():
        found = replayed({"slice_score": name, "numbers": ("slice_auroc/pooled",)}, region="all")
        assert found["slice_auroc/pooled"] == pytest.approx(roc_auc_score(labels, [reduce(s) for s, _ in slices()]))


def test_the_threshold_at_five_percent_false_positives_of_the_test_set():
    scores, labels = (np.concatenate([of(i).ravel() for i in range(5)]) for of in (scores_of, lesion_of))
    threshold = np.quantile(scores[~labels].astype(float), 0.95)
    search = UpperQuantile(rate=0.05, of="negatives")
    found = replayed({"search": search, "numbers": ("dice/pooled", "max_dice/pooled")}, region="all")
    assert found["dice/pooled"] == pytest.approx(dice(scores > threshold, labels))
    assert found["max_dice/pooled"] == pytest.approx(max(dice(scores >= t, labels) for t in np.unique(scores[labels])))


def test_the_threshold_from_healthy_brain_is_taken_before_the_median_filter_and_used_after_it():
    healthy = np.concatenate([scores_of(i)[brain_of(i) & ~lesion_of(i).any(axis=(0, 1))].astype(float) for i in (0, 1)])
    threshold = np.quantile(healthy, 0.99)
    filtered = [ndimage.median_filter(scores_of(i), 4) for i in range(5)]
    expected = np.mean([dice(filtered[i] > threshold, lesion_of(i)) for i in range(5)])
    protocol = load_protocol("uad-imag")
    references = {name: reference_of(int(name[1:])) for name in NAMES}
    cases = Cases(references=references, read=lambda name: scores_of(int(name[1:])), protocol=protocol)
    result = replay(cases, val=NAMES[:2], test=NAMES)
    assert result.threshold == pytest.approx(threshold)
    assert result.metrics[0].value == pytest.approx(expected)


def test_without_validation_maps_there_is_no_healthy_threshold():
    published = Published(
        source="a paper", on="val", search=UpperQuantile(rate=0.1, of="healthy"), numbers=("dice/mean",)
    )
    cases = Cases(
        references={"P0": reference_of(0)}, read=lambda _: scores_of(0), protocol=Protocol(published=published)
    )
    [metric] = replay(cases, val=[], test=["P0"]).metrics
    assert metric.undefined == "n/a (no patient to choose the threshold on)"


class Volume:
    """Two lesions, one of 100 voxels and one of 1, in one slice."""

    def __init__(self, large: float, small: float):
        self.anomaly = np.zeros((30, 30, 1), bool)
        self.anomaly[:10, :10] = self.anomaly[20, 20] = True
        self.domain = np.ones((30, 30, 1), bool)
        self.scores = np.zeros((30, 30, 1), np.float32)
        self.scores[:10, :10], self.scores[20, 20] = large, small
        self.negatives = np.linspace(0, 1, 1001, dtype=np.float32)


@pytest.mark.parametrize(("large", "small", "expected"), [(2, 2, 1.0), (2, -1, 0.5), (-1, 2, 0.5), (-1, -1, 0.0)])
def test_every_lesion_has_the_same_weight_in_the_region_overlap(large: float, small: float, expected: float):
    volume = Volume(large, small)
    assert region_overlap([volume], volume.negatives).value == pytest.approx(expected)


def test_the_region_overlap_is_the_normalised_area_up_to_its_false_positive_limit():
    volume = Volume(0.85, 0.85)  # found from a false-positive rate of 0.15 on
    assert region_overlap([volume], volume.negatives).value == pytest.approx(1 - 0.15 / MAX_FPR, abs=0.01)


def test_the_region_overlap_says_why_it_is_undefined():
    volume: Any = Volume(1, 1)
    assert region_overlap([volume], volume.negatives[:0]).undefined == "no_negative"
    volume.anomaly[:] = False
    assert region_overlap([volume], volume.negatives).undefined == "no_positive"


def test_chance_has_the_region_overlap_of_half_the_limit():
    generator = np.random.Generator(np.random.PCG64(0))
    volume = Volume(0, 0)
    volume.anomaly[:20, :20] = True
    volume.scores = generator.random((30, 30, 1), np.float32)
    assert region_overlap([volume], volume.negatives).value == pytest.approx(MAX_FPR / 2, abs=0.06)


def test_papers_that_pool_voxels_agree_with_scikit_learn_on_the_same_voxels():
    rules = load_protocol("bmad")
    references = {name: reference_of(int(name[1:])) for name in NAMES}
    cases = Cases(references=references, read=lambda name: scores_of(int(name[1:])), protocol=rules)
    found = {metric.name: metric.value for metric in replay(cases, val=(), test=NAMES).metrics}
    kept = cases.chosen_slices(references["P0"])
    scores, labels = (np.concatenate([of(i)[:, :, kept].ravel() for i in range(5)]) for of in (scores_of, lesion_of))
    assert found["auroc"] == pytest.approx(roc_auc_score(labels, scores))
