"""Each step of a chain has a known answer; erosion never takes a voxel out of the domain."""

import numpy as np
import pytest
from scipy import ndimage

from tests.scored import SHAPE, brain_of, noisy, reference_of
from uad_bench.data.cache import Cache
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.postprocessing import Chain, Erode, Gaussian, Median, MinComponent, describe
from uad_bench.evaluation.protocol import Protocol


def test_a_masked_out_voxel_gets_the_lowest_score_and_stays_in_the_domain():
    cases = Cases(references={"P0": reference_of(0)}, read=noisy_of, protocol=Protocol(chain=(Erode(radius=2),)))
    raw, eroded = noisy(0), cases["P0"]
    assert eroded.domain.sum() == brain_of(0).sum()
    assert eroded.scores[1, 1, 0] == raw.min()
    assert eroded.scores[6, 6, 2] == raw[6, 6, 2]


@pytest.mark.parametrize(
    ("element", "left"),
    [("disk", 36), ("cross", 36), ("mean95", 36)],  # 10 x 10 without a rim of two on each side
)
def test_eroding_a_square_by_two_leaves_its_inner_square(element: str, left: int):
    scores = np.ones(SHAPE, np.float32)
    scores[0, 0, 0] = 0
    kept = Erode(radius=2, element=element).apply(scores, brain_of(0))
    assert (kept[:, :, 0] == 1).sum() == left


@pytest.mark.parametrize("element", ["disk", "cross", "mean95"])
def test_the_end_of_the_image_erodes_nothing(element: str):
    scores = np.arange(864, dtype=np.float32).reshape(SHAPE)
    assert np.array_equal(Erode(radius=2, element=element).apply(scores, np.ones(SHAPE, bool)), scores)


def test_radius_zero_masks_with_the_brain_itself():
    scores = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE) + 1
    kept = Erode(radius=0).apply(scores, brain_of(0))
    assert np.array_equal(kept == 1, ~brain_of(0) | (scores == 1))


def test_components_of_exactly_the_size_go_and_larger_ones_stay():
    predicted = np.zeros((8, 8, 4), bool)
    predicted[0, 0:3, 0] = True  # three voxels
    predicted[4, 4, 0:4] = True  # four voxels, and one more that touches by a corner
    predicted[5, 5, 3] = True
    cleaned = MinComponent(voxels=3).drop(predicted)
    assert cleaned.sum() == 5
    assert not cleaned[0].any()
    assert [int(MinComponent(voxels=least).drop(predicted).sum()) for least in (2, 4, 5)] == [8, 5, 0]
    assert Chain.of([MinComponent(voxels=3)]).least_voxels == 4


def test_filtering_inside_the_box_of_the_brain_gives_what_filtering_the_whole_volume_gives():
    reference = reference_of(0)
    small = np.zeros(SHAPE, bool)
    small[4:9, 3:8, 1:4] = True
    inside = reference_of(0, brain=small[4:9, 3:8, 1:4], anomaly=np.zeros((5, 5, 3), bool))
    object.__setattr__(inside, "box", ((4, 3, 1), (9, 8, 4)))
    for step, whole in (
        (Median(size=3), ndimage.median_filter(noisy(0), 3)),
        (Gaussian(sigma=1.0), ndimage.gaussian_filter(noisy(0), 1.0)),
    ):
        case = Cases(references={"P0": inside}, read=noisy_of, protocol=Protocol(chain=(step,)))["P0"]
        assert np.allclose(case.scores[case.domain], whole[small], atol=1e-6)
    assert reference.shape == SHAPE


def test_a_filtered_map_is_read_from_the_cache_the_second_time(tmp_path, monkeypatch: pytest.MonkeyPatch):
    median = Protocol(chain=(Median(size=3),))
    cases = Cases(references={"P0": reference_of(0)}, read=noisy_of, protocol=median, filtered=Cache(tmp_path))
    first = cases["P0"].scores
    monkeypatch.setattr(Chain, "filter", lambda *_: pytest.fail("the chain ran again"))
    assert np.array_equal(cases["P0"].scores, first)


def test_the_chain_says_what_it_is():
    assert describe([Median(size=5), MinComponent(voxels=20)]) == "median(size=5, dims=3), min_component(voxels=20)"
    assert describe([]) == "none"


def noisy_of(name: str) -> np.ndarray:
    return noisy(int(name[1:]))
