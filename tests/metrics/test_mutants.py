"""Mistakes of the field's own code, written out: the known answers below must reject every one of them.

Each check holds for the metric core and fails for at least one mutant; each mutant fails at least one check.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from uad_bench.data.reference import Reference
from uad_bench.errors import MethodError
from uad_bench.metrics import overlap, voxel
from uad_bench.metrics.overlap import confusion
from uad_bench.metrics.ranks import count_ranks_of


def voxels_of(scores, anomaly, brain):
    """The voxels that the harness scores, of a scan that is one row of voxels."""
    shape = (scores.size, 1, 1)
    box, grid = ((0, 0, 0), shape), tuple(map(tuple, np.eye(4)))
    reference = Reference("sub-1", shape, grid, (1.0, 1.0, 1.0), box, brain.reshape(shape), anomaly.reshape(shape))
    counted = reference.brain | reference.anomaly
    return reference.crop(scores.reshape(shape))[counted], reference.anomaly[counted]


def core_ap(scores, anomaly):
    return voxel.average_precision(count_ranks_of(scores, anomaly)).value


def core_auroc(scores, anomaly, brain):
    return voxel.auroc(count_ranks_of(*voxels_of(scores, anomaly, brain))).value


def core_best_dice(scores, anomaly):
    return voxel.best_dice(count_ranks_of(scores, anomaly)).dice.value


def core_dice_at(scores, anomaly, threshold):
    return overlap.dice(confusion(scores, anomaly, threshold=threshold)).value


def core_fpr_at(scores, anomaly, threshold):
    return overlap.fpr(confusion(scores, anomaly, threshold=threshold)).value


@dataclass(frozen=True)
class Core:
    """One implementation of each metric."""

    ap: Callable = core_ap
    auroc: Callable = core_auroc
    best_dice: Callable = core_best_dice
    dice_at: Callable = core_dice_at
    fpr_at: Callable = core_fpr_at


def array(*values):
    return np.array(values, np.float32)


def mask(*values):
    return np.array(values, bool)


def near(value, expected):
    return value == pytest.approx(expected, abs=1e-9)


def ap_of_four_voxels(core):
    return near(core.ap(array(0.1, 0.4, 0.35, 0.8), mask(0, 0, 1, 1)), 5 / 6)


def constant_map_has_the_prevalence(core):
    return near(core.ap(np.full(8, 0.3, np.float32), mask(1, 1, 1, 1, 0, 0, 0, 0)), 0.5)


def nan_on_the_tumour_is_refused(core):
    try:
        core.ap(array(np.nan, 0.2, 0.9), mask(1, 0, 0))
    except MethodError as error:
        return error.reason == "nonfinite"
    return False


def scores_packed_near_one_stay_apart(core):
    anomaly = np.arange(100) >= 50
    return near(core.ap((0.9999 + 1e-6 * np.arange(100)).astype(np.float32), anomaly), 1)


def score_at_the_threshold_is_marked(core):
    return near(core.dice_at(array(0.2, 0.5, 0.5, 0.9), mask(0, 1, 0, 1), 0.5), 0.8)


def ties_at_the_top_are_one_step(core):
    return near(core.best_dice(array(1, 1, 1, 0), mask(1, 1, 0, 0)), 0.8)


def outlier_does_not_hide_the_best_threshold(core):
    scores = np.concatenate([np.linspace(0, 1, 200), [1e6]]).astype(np.float32)
    return near(core.best_dice(scores, scores > 0.75), 1)


def margin_does_not_count(core):
    scores, anomaly = array(0, 0, 0, 0, 3, 1, 2, 4), mask(0, 0, 0, 0, 0, 0, 1, 1)
    return near(core.auroc(scores, anomaly, mask(0, 0, 0, 0, 1, 1, 1, 1)), 0.75)


def anomaly_outside_the_brain_counts(core):
    return near(core.auroc(array(3, 1, 2, 4), mask(0, 0, 1, 1), mask(1, 1, 0, 1)), 0.75)


def tied_pair_counts_one_half(core):
    return near(core.auroc(array(1, 1), mask(0, 1), mask(1, 1)), 0.5)


def threshold_is_in_the_scores_own_units(core):
    return near(core.dice_at(array(2, 3, 4, 6), mask(0, 0, 1, 1), 3.5), 1)


def other_voxels_do_not_move_a_threshold(core):
    scores, anomaly = array(0, 0.2, 0.6, 1), mask(0, 0, 1, 1)
    outlier = core.dice_at(np.append(scores, np.float32(50)), np.append(anomaly, np.True_), 0.5)
    return near(core.dice_at(scores, anomaly, 0.5), 1) and near(outlier, 1)


def false_positives_are_a_share_of_the_healthy(core):
    return near(core.fpr_at(array(0, 1, 0, 0, 1), mask(0, 0, 0, 0, 1), 0.5), 0.25)


def empty_reference_has_no_dice(core):
    return np.isnan(core.dice_at(array(0, 0), mask(0, 0), 0.5))


CHECKS = (
    ap_of_four_voxels,
    constant_map_has_the_prevalence,
    nan_on_the_tumour_is_refused,
    scores_packed_near_one_stay_apart,
    score_at_the_threshold_is_marked,
    ties_at_the_top_are_one_step,
    outlier_does_not_hide_the_best_threshold,
    margin_does_not_count,
    anomaly_outside_the_brain_counts,
    tied_pair_counts_one_half,
    threshold_is_in_the_scores_own_units,
    other_voxels_do_not_move_a_threshold,
    false_positives_are_a_share_of_the_healthy,
    empty_reference_has_no_dice,
)


def trapezoid_ap(scores, anomaly):
    counts = count_ranks_of(scores, anomaly)
    recall = np.concatenate([[0], counts.tp / counts.n_positive])
    return float(np.trapezoid(np.concatenate([[1], counts.tp / (counts.tp + counts.fp)]), recall))


def every_voxel_its_own_step(scores, anomaly):
    ordered = anomaly[np.argsort(-scores, kind="stable")]
    return float(np.sum(ordered * np.cumsum(ordered) / np.arange(1, ordered.size + 1)) / ordered.sum())


def strictly_above(scores, anomaly, threshold):
    return core_dice_at(scores, anomaly, float(np.nextafter(np.float32(threshold), np.float32(np.inf))))


def hundred_linear_steps(scores, anomaly):
    return max(core_dice_at(scores, anomaly, t) for t in np.linspace(scores.min(), scores.max(), 100))


def in_float16(scores, anomaly):
    return core_ap(scores.astype(np.float16).astype(np.float32), anomaly)


def nan_as_zero(scores, anomaly):
    return core_ap(np.nan_to_num(scores), anomaly)


def whole_image(scores, anomaly, brain):
    return core_auroc(scores, anomaly, np.ones_like(brain))


def brain_only(scores, anomaly, brain):
    return core_auroc(scores[brain], anomaly[brain], brain[brain])


def ties_not_halved(scores, anomaly, brain):
    counts = count_ranks_of(*voxels_of(scores, anomaly, brain))
    at = np.diff(counts.tp, prepend=0)
    return float(np.sum(at * (counts.n_negative - counts.fp)) / (counts.n_positive * counts.n_negative))


def scaled_over_the_test_set(scores, anomaly, threshold):
    return core_dice_at((scores - scores.min()) / np.ptp(scores) if np.ptp(scores) else scores, anomaly, threshold)


def false_discovery_rate(scores, anomaly, threshold):
    return 1 - overlap.precision(confusion(scores, anomaly, threshold=threshold)).value


def both_empty_is_one(scores, anomaly, threshold):
    value = core_dice_at(scores, anomaly, threshold)
    return 1.0 if np.isnan(value) else value


def best_by_voxel_order(scores, anomaly):
    ordered = anomaly[np.argsort(-scores, kind="stable")]
    tp = np.cumsum(ordered)
    return float(np.max(2 * tp / (anomaly.sum() + np.arange(1, tp.size + 1))))


MUTANTS = {
    "trapezoid": Core(ap=trapezoid_ap),
    "ties broken by voxel order": Core(ap=every_voxel_its_own_step),
    "> for >=": Core(dice_at=strictly_above),
    "100-step grid": Core(best_dice=hundred_linear_steps),
    "best Dice splits ties": Core(best_dice=best_by_voxel_order),
    "float16": Core(ap=in_float16),
    "NaN -> 0": Core(ap=nan_as_zero),
    "background in AUROC": Core(auroc=whole_image),
    "anomaly outside the brain dropped": Core(auroc=brain_only),
    "AUROC without half ties": Core(auroc=ties_not_halved),
    "test-set min-max": Core(dice_at=scaled_over_the_test_set),
    "FDR for FPR": Core(fpr_at=false_discovery_rate),
    "both empty = 1": Core(dice_at=both_empty_is_one),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_core_gives_every_known_answer(check):
    assert check(Core())


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_every_mutant_is_killed_by_a_known_answer(mutant):
    assert not all(check(mutant) for check in CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_check_kills_a_mutant(check):
    assert not all(check(mutant) for mutant in MUTANTS.values())
