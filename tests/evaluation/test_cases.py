"""Alarms of a patient whose voxels are no cubes, and the slices that healthy scores come from."""

from dataclasses import replace

import numpy as np
import pytest

from tests.scored import SHAPE, brain_of, lesion_of, noisy, reference_of
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.postprocessing import MinComponent
from uad_bench.evaluation.protocol import Protocol

NOTHING = np.zeros(SHAPE, bool)


def cases_of(scores, protocol, *, anomaly=NOTHING, healthy_slices=None):
    """A patient with pixels of 6.25 mm² and voxels of 12.5 mm³."""
    reference = replace(reference_of(0, anomaly=anomaly), spacing=(2.5, 2.5, 2.0))
    return Cases(references={"P0": reference}, read=lambda _: scores, protocol=protocol, healthy_slices=healthy_slices)


def spots():
    """Three pixels of score 9 and four of score 5 in slice 1; four voxels of score 3 across slices 3 and 4."""
    scores = np.zeros(SHAPE, np.float32)
    scores[2, 2:5, 1], scores[6, 2:6, 1], scores[6, 2:4, 3:5] = 9, 5, 3
    return scores


@pytest.mark.parametrize(("drop", "slice_alarm", "patient_alarm"), [(None, 5, 5), (3, 5, 5), (4, 0, 0)])
def test_an_alarm_takes_25_mm2_or_50_mm3_and_a_component_that_post_processing_keeps(drop, slice_alarm, patient_alarm):
    cases = cases_of(spots(), Protocol(chain=() if drop is None else (MinComponent(voxels=drop),)))
    case = cases["P0"]
    assert cases.alarms(case).tolist() == [0, slice_alarm, 0, 0, 0, 0]
    assert case.patient_alarm(cases.protocol.steps.least_voxels) == patient_alarm


def test_only_slices_without_anomaly_that_the_task_calls_healthy_raise_alarms():
    anomaly = NOTHING.copy()
    anomaly[3, 3, 1] = True
    whole = cases_of(spots(), Protocol(), anomaly=anomaly)
    assert whole.alarms(whole["P0"]).tolist() == [0, 0, 0, 0, 0]
    given = cases_of(spots(), Protocol(), healthy_slices=lambda _: [1, 2])
    assert given.alarms(given["P0"]).tolist() == [5, 0]


def test_healthy_scores_are_those_of_lesion_free_slices_whatever_slices_the_protocol_evaluates():
    cases = cases_of(noisy(0), Protocol(slices="anomalous"), anomaly=lesion_of(0))
    free = noisy(0)[:, :, [0, 1, 4, 5]][brain_of(0)[:, :, [0, 1, 4, 5]]]
    assert np.sort(cases.healthy("P0")).tolist() == np.sort(free).tolist()
