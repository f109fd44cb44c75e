"""Protocols are data: every shipped file loads, wrong ones say what is wrong, and slices are chosen as declared."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.scored import SHAPE, brain_of, lesion_of, noisy, reference_of
from uad_bench.digests import digest_settings
from uad_bench.errors import ConfigError
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.protocol import Protocol, load_protocol, protocol_names
from uad_bench.evaluation.replay import _slice_voxels

PAPERS = {"mmccd", "itermask2", "dae", "baur", "pddpm", "mediaanomaly", "andi", "anoddpm", "mood"}
PAPERS |= {"reflect", "mad-ad", "disyre", "uad-imag", "uad-imag-best", "fae", "bmad", "patch2loc"}


@pytest.mark.parametrize("name", protocol_names())
def test_every_shipped_protocol_loads_and_names_its_source(name: str):
    protocol = load_protocol(name)
    assert protocol.summary
    assert (protocol.published is None) == (name in {"volume", "largest-slice"})
    assert protocol.published is None or protocol.published.source


def test_the_papers_of_the_cross_walk_are_there_and_our_own_come_first():
    assert set(protocol_names()) >= PAPERS
    assert protocol_names()[:2] == ["volume", "largest-slice"]


def test_an_unknown_key_and_an_unknown_name_are_named(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text('slises = "all"\n')
    with pytest.raises(ConfigError, match="slices"):
        load_protocol(str(file))
    with pytest.raises(ConfigError, match="mmccd"):
        load_protocol("mmcd")


def test_a_paper_s_chain_cannot_be_replaced():
    with pytest.raises(ConfigError, match="dae"):
        load_protocol("dae").with_chain("common")
    assert load_protocol("volume").with_chain("common").chain_name == "common"


@pytest.mark.parametrize(("depth", "chosen"), [(155, range(70, 90)), (31, range(14, 18)), (1, range(1))])
def test_a_range_holds_on_the_atlas_grid_and_is_scaled_elsewhere(depth: int, chosen: range):
    assert load_protocol("mmccd").slice_range(depth) == chosen


@pytest.mark.parametrize(
    ("slices", "task", "expected"),
    [("all", None, [0, 1, 2, 3, 4, 5]), ("all", (3, 9), [3, 4, 5]), ("largest", None, [2]), ("largest", (3, 5), [3])],
)
def test_slices_are_those_of_the_task_that_the_protocol_picks(slices: str, task, expected: list[int]):
    cases = Cases(
        references={"P0": reference_of(0)}, read=lambda _: noisy(0), protocol=Protocol(slices=slices), slices=task
    )
    assert cases["P0"].z.tolist() == expected


def test_a_patient_without_anomaly_has_no_largest_slice():
    healthy = reference_of(0, anomaly=np.zeros(SHAPE, bool))
    cases = Cases(
        references={"P0": healthy, "P1": reference_of(1)}, read=lambda _: noisy(0), protocol=Protocol(slices="largest")
    )
    assert cases.present(["P1", "P0"]) == ["P1"]


def test_slices_with_any_evaluated_voxel_have_a_score_and_others_none():
    brain = brain_of(0)
    brain[:, :, 5] = False
    cases = Cases(references={"P0": reference_of(0, brain=brain)}, read=lambda _: noisy(0), protocol=Protocol())
    scores, anomalous = _slice_voxels(cases["P0"], "max")
    assert scores.tolist() == [noisy(0)[:, :, z][brain[:, :, z]].max() for z in range(5)]
    assert anomalous.tolist() == [False, False, True, True, False]


@pytest.mark.parametrize(("slices", "expected"), [("all", [1, 2, 3, 4]), ("largest", [3]), ("anomalous", [2, 3])])
def test_a_brain_that_fills_a_part_of_the_scan_is_found_in_its_place(slices: str, expected: list[int]):
    anomaly = np.zeros((8, 6, 4), bool)
    anomaly[1:3, 0, 1:3] = True
    anomaly[5, 5, 2] = True  # x 7, y 8, z 3 of the scan
    reference = replace(reference_of(0, anomaly=anomaly, brain=np.ones((8, 6, 4), bool)), box=((2, 3, 1), (10, 9, 5)))
    case = Cases(references={"P0": reference}, read=lambda _: noisy(0), protocol=Protocol(slices=slices))["P0"]
    assert (case.z.tolist(), case.corner) == (expected, (2, 3))
    assert np.array_equal(case.scores, noisy(0)[2:10, 3:9, expected])
    assert case.anomaly[5, 5, expected.index(3)]
    assert case.anomaly.sum() == anomaly[:, :, [z - 1 for z in expected]].sum()


def test_the_region_decides_whether_margins_count():
    sizes = {}
    for region in ("brain", "all"):
        cases = Cases(references={"P0": reference_of(0)}, read=lambda _: noisy(0), protocol=Protocol(region=region))
        scores, anomaly = cases["P0"].voxels
        sizes[region] = scores.size
        assert anomaly.sum() == lesion_of(0).sum()
    assert sizes == {"brain": 10 * 10 * 6, "all": 12 * 12 * 6}


def test_a_field_that_is_added_with_a_default_leaves_the_digest():
    @dataclass(frozen=True)
    class Before:
        size: int
        kind: str = "median"

    @dataclass(frozen=True)
    class After(Before):
        dims: int = 3

    before = digest_settings((Before(5),), version=1)
    assert digest_settings((After(5),), version=1) == before
    assert digest_settings((After(5, dims=2),), version=1) != before
    assert digest_settings((Before(5, kind="mean"),), version=1) != before
    assert digest_settings((Before(5),), version=2) != before
