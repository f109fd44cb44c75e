"""The tables of lesions and false positives of one drawn patient, by hand."""

import numpy as np
import pytest

from uad_bench.evaluation.cases import Case
from uad_bench.evaluation.lesion_list import ComponentRow, LesionRow, list_lesions

AFFINE = ((-2.0, 0, 0, 100), (0, 1, 0, -50), (0, 0.5, 5, 7), (0, 0, 0, 1))
SHAPE = (12, 12, 4)


def drawn() -> Case:
    """Voxels of 10 mm³ in slices 4, 6, 9 and 11 of the scan: a missed and a found lesion, and one of 20 mm³."""
    scores, anomaly, domain = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    anomaly[0, :2, 0] = True  # too small to be a lesion
    anomaly[:3, 4:6, 0] = True
    scores[:3, 4:6, 0] = [[1, 1], [1, 1], [1, 4]]
    anomaly[:2, 8:11, 1] = anomaly[:2, 9, 2] = True
    scores[:2, 8:11, 1], scores[:2, 9, 2] = 6, 2
    scores[6:9, :2, 0] = 5  # false, of 60 mm³
    scores[11, 7:12, 3] = 8  # false, of 50 mm³
    scores[5:7, 10:12, 3] = 9  # too small to be a component
    scores[4, 4:11, 0] = 9
    domain[4, 4:11, 0] = False
    return Case("P0", np.array([4, 6, 9, 11]), scores, anomaly, domain, (2.0, 1.0, 5.0), (10, 20))


def place(number, volume, x, y, z, index, score):
    values = {"number": number, "volume_mm3": volume, "x_mm": x, "y_mm": y, "z_mm": z, "slice": index}
    return {"subject": "P0", **values, "max_score": score}


def test_lesions_and_false_positives_have_their_places_in_the_scan_and_their_scores():
    found = list_lesions(drawn(), AFFINE, threshold=5.0, thresholds={"low": 1.0, "high": 5.5}, least_voxels=1)
    missed = place(1, 60, 78, -25.5, 39.25, 4, 4)
    held = place(2, 80, 79, -21, 55.25, 7, 6)
    assert found.lesions == (
        LesionRow(**missed, mean_score=1.5, detected=False, shares={"low": 1, "high": 0}),
        LesionRow(**held, mean_score=5, detected=True, shares={"low": 1, "high": 0.75}),
    )
    first, second = place(2, 60, 66, -29.5, 37.25, 4, 5), place(3, 50, 58, -21, 76.5, 11, 8)
    assert found.false_positives == (ComponentRow(**first), ComponentRow(**second))


@pytest.mark.parametrize(("least", "kept"), [(5, [60, 50]), (6, [60]), (7, [])])
def test_components_that_post_processing_drops_neither_detect_nor_are_false_positives(least: int, kept: list[float]):
    found = list_lesions(drawn(), AFFINE, threshold=5.0, thresholds={}, least_voxels=least)
    assert [row.volume_mm3 for row in found.false_positives] == kept
    assert [row.detected for row in found.lesions] == [False, least < 7]
