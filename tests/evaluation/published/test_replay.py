"""Papers' own rules, written out by hand for small maps, and the difference that each of them makes."""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from tests.scored import SHAPE, brain_of, lesion_of, noisy, reference_of
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.postprocessing import Erode
from uad_bench.evaluation.protocol import Protocol, Published
from uad_bench.evaluation.replay import replay, trapezoid_area
from uad_bench.evaluation.threshold_search import EachUnit, Fixed, Grid, Halving, Linear, Quantiles
from uad_bench.metrics.ranks import count_ranks_of

NAMES = [f"P{i}" for i in range(5)]


def scores_of(i: int) -> np.ndarray:
    return np.abs(noisy(i, strength=2))


def replayed(published: dict[str, Any], **protocol: Any) -> dict[str, float | None]:
    rules = Protocol(name="paper", published=Published(source="a paper", **published), **protocol)
    references = {name: reference_of(int(name[1:])) for name in NAMES}
    cases = Cases(references=references, read=lambda name: scores_of(int(name[1:])), protocol=rules)
    result = replay(cases, val=NAMES[:2], test=NAMES)
    return {f"{m.name}/{m.aggregation}": m.value for m in result.metrics}


def dice(marked: np.ndarray, anomaly: np.ndarray) -> float:
    return 2 * (marked & anomaly).sum() / (marked.sum() + anomaly.sum())


def test_mean_dice_over_largest_slices_at_the_best_of_100_steps_after_min_max_over_the_test_set():
    slices = [scores_of(i)[:, :, 2] for i in range(5)]
    low, high = min(s.min() for s in slices), max(s.max() for s in slices)
    rescaled = [((s - low) / (high - low)).astype(np.float32) for s in slices]
    means = [
        np.mean([dice(s > t, lesion_of(i)[:, :, 2]) for i, s in enumerate(rescaled)]) for t in 0.001 * np.arange(100)
    ]
    found = replayed(
        {
            "rescale": "test-min-max",
            "objective": "slices",
            "numbers": ("dice/slices", "auroc/slices"),
            "search": Grid(step=0.001, count=100, unit="rescaled"),
        },
        slices="largest",
        region="all",
    )
    assert found["dice/slices"] == pytest.approx(max(means))
    each = [roc_auc_score(lesion_of(i)[:, :, 2].ravel(), s.ravel()) for i, s in enumerate(slices)]
    assert found["auroc/slices"] == pytest.approx(np.mean(each))


@pytest.mark.parametrize(
    "search", [Linear(count=100), Quantiles(count=200), Grid(step=0.05, count=200, unit="rescaled")]
)
def test_pooled_dice_is_that_of_the_best_threshold_of_the_search(search: Linear | Quantiles | Grid):
    scores = np.concatenate([scores_of(i).ravel() for i in range(5)])
    labels = np.concatenate([lesion_of(i).ravel() for i in range(5)])
    ordered = np.sort(scores)
    tried = {
        "linear": np.linspace(ordered[0], ordered[-1], 100),
        "quantiles": ordered[np.linspace(0, ordered.size - 1, 200).round().astype(int)],
        "grid": 0.05 * np.arange(200),
    }[search.kind]
    best = max(dice(scores > t, labels) for t in tried)
    found = replayed({"search": search, "numbers": ("dice/pooled", "auprc/pooled")}, region="all")
    assert found["dice/pooled"] == pytest.approx(best)
    assert found["auprc/pooled"] == pytest.approx(average_precision_score(labels, scores))


def test_halving_ends_near_the_best_threshold_and_never_above_it():
    labels, scores = (np.concatenate([of(i).ravel() for i in range(5)]) for of in (lesion_of, scores_of))
    best = max(dice(scores > t, labels) for t in np.unique(scores))
    found = replayed({"search": Halving(steps=10), "numbers": ("dice/pooled",)}, region="all")["dice/pooled"]
    assert found is not None
    assert 0.8 * best < found <= best


def test_a_threshold_from_validation_patients_is_no_better_than_one_from_test():
    rules = {"search": Quantiles(count=200), "numbers": ("dice/pooled",)}
    on_val, on_test = (replayed({**rules, "on": on}, region="all")["dice/pooled"] for on in ("val", "test"))
    assert on_val is not None
    assert on_test is not None
    assert on_val <= on_test


def test_a_threshold_for_every_image_beats_one_for_all():
    rules = {"objective": "slices", "numbers": ("dice/slices",)}
    each = replayed({**rules, "search": EachUnit()}, slices="largest", region="all")["dice/slices"]
    one = replayed({**rules, "search": Quantiles(count=1000)}, slices="largest", region="all")["dice/slices"]
    assert each is not None
    assert one is not None
    assert each > one


def test_the_trapezoid_is_that_of_the_precision_recall_curve_and_wrong_by_known_amounts():
    scores, labels = np.array([0.1, 0.4, 0.35, 0.8], np.float32), np.array([False, False, True, True])
    assert trapezoid_area(count_ranks_of(scores, labels)).value == pytest.approx(0.7916667)
    constant = trapezoid_area(count_ranks_of(np.ones(4, np.float32), labels))
    assert constant.value == pytest.approx(0.75)
    many, truth = scores_of(1).ravel(), lesion_of(1).ravel()
    precision, recall, _ = precision_recall_curve(truth, many)
    assert trapezoid_area(count_ranks_of(many, truth)).value == pytest.approx(auc(recall, precision), abs=1e-12)


def test_half_precision_ties_what_it_cannot_tell_apart():
    references = {"P0": reference_of(0)}
    rules = Published(source="a paper", half=True, numbers=("auprc/pooled",))
    cases = Cases(
        references=references,
        read=lambda _: (1 + 1e-5 * lesion_of(0)).astype(np.float32),
        protocol=Protocol(region="brain", published=rules),
    )
    [metric] = replay(cases, val=[], test=["P0"]).metrics
    assert metric.value == pytest.approx(lesion_of(0)[brain_of(0)].mean())


def test_a_fixed_threshold_is_no_threshold_for_other_scores():
    rules = Protocol(published=Published(source="a paper", search=Fixed(value=0.5), numbers=("dice/slices",)))
    cases = Cases(references={"P0": reference_of(0)}, read=lambda _: noisy(0), protocol=rules)
    [metric] = replay(cases, val=[], test=["P0"]).metrics
    assert metric.undefined is not None
    assert metric.undefined.startswith("n/a (")


def test_a_side_of_its_own_resizes_scores_by_area_and_masks_by_nearest_neighbour():
    rules = Protocol(region="all", published=Published(source="a paper", side=24))
    cases = Cases(references={"P0": reference_of(0)}, read=lambda _: noisy(0), protocol=rules)
    case = cases["P0"]
    assert case.scores.shape == (24, 24, SHAPE[2])
    assert case.anomaly.sum() == 4 * lesion_of(0).sum()
    assert np.array_equal(case.scores[::2, ::2], noisy(0))
    assert case.spacing == (0.5, 0.5, 1.0)


def test_the_extremes_of_a_rescaling_are_taken_before_the_rim_of_the_brain_is_masked_out():
    def brain_rim(i: int) -> np.ndarray:
        scores = scores_of(i)
        scores[brain_of(i) & ~ndimage.binary_erosion(brain_of(i), np.ones((3, 3, 1)))] = 9 + i
        return scores

    def found(rescale: str) -> float | None:
        published = {
            "rescale": rescale,
            "objective": "slices",
            "numbers": ("dice/slices",),
            "search": Grid(step=0.01, count=10, unit="rescaled"),
        }
        rules = Protocol(
            name="paper",
            slices="largest",
            region="all",
            chain=(Erode(radius=2),),
            published=Published(source="a paper", **published),
        )
        references = {name: reference_of(int(name[1:])) for name in NAMES}
        cases = Cases(references=references, read=lambda name: brain_rim(int(name[1:])), protocol=rules)
        return replay(cases, val=(), test=NAMES).metrics[0].value

    low = min(brain_rim(i)[:, :, 2].min() for i in range(5))
    high = max(brain_rim(i)[:, :, 2].max() for i in range(5))
    inside = [Erode(radius=2).apply(brain_rim(i) + 1, brain_of(i)) for i in range(5)]
    masked = [s == s[:, :, 2].min() for s in inside]
    rescaled = [np.where(m, 0, (brain_rim(i) - low) / (high - low))[:, :, 2] for i, m in enumerate(masked)]
    means = [
        np.mean([dice(s > t, lesion_of(i)[:, :, 2]) for i, s in enumerate(rescaled)]) for t in 0.01 * np.arange(10)
    ]
    assert found("unmasked-min-max") == pytest.approx(max(means))
    assert found("test-min-max") != pytest.approx(max(means))


def test_precision_where_nothing_is_marked_is_what_the_paper_s_code_says():
    def found(**rules: Any) -> float | None:
        published = {"numbers": ("precision/slices",), "search": Grid(start=5.0, step=0.5, count=2, unit="rescaled")}
        return replayed({**published, **rules}, slices="largest")["precision/slices"]

    without, zero = found(), found(precision_of_nothing=0.0)
    assert without is None or without > zero
    assert zero is not None


@pytest.mark.parametrize(("threshold", "last"), [(0.0, False), (0.098, False), (0.099, True)])
def test_a_threshold_at_the_end_of_the_grid_is_told(threshold: float, last: bool):
    assert Grid(step=0.001, count=100).ends_at(threshold) is last
    assert Linear(count=100).ends_at(threshold) is False
