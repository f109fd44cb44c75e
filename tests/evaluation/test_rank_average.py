"""The rank average of stored maps is a run like any other, and can be recomputed from its members."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import rankdata

import uad_bench.benchmark.combine as combining
from tests.scored import SHAPE, Scored, brain_of, noisy, reference_of
from uad_bench.benchmark.combine import combine
from uad_bench.boards.run_folder import read_result
from uad_bench.errors import ConfigError
from uad_bench.evaluation.rank_average import ScoreRanks, average_ranks
from uad_bench.runs.folder import Run
from uad_bench.verification.verify import verify_run

NAMES = [f"P{i}" for i in range(4)]
REFERENCES = {name: reference_of(int(name[1:])) for name in NAMES}


def one(name: str) -> np.ndarray:
    return noisy(int(name[1:]))


def other(name: str) -> np.ndarray:
    return noisy(int(name[1:]), seed=1)


def test_a_combined_score_is_the_mean_of_its_ranks_among_all_patients():
    combined = average_ranks([one, other], REFERENCES, NAMES)
    brains = [brain_of(i) for i in range(4)]

    def ranks(read: Callable[[str], np.ndarray]) -> np.ndarray:
        scores = np.concatenate([read(name)[brain] for name, brain in zip(NAMES, brains, strict=True)])
        return (rankdata(scores) - 0.5) / scores.size

    found = np.concatenate([combined(name)[brain] for name, brain in zip(NAMES, brains, strict=True)])
    np.testing.assert_allclose(found, (ranks(one) + ranks(other)) / 2, rtol=1e-6)


def test_only_the_order_of_a_members_scores_counts():
    plain, scaled = (
        average_ranks([read, other], REFERENCES, NAMES)("P1") for read in (one, lambda name: np.exp(one(name)) + 7)
    )
    np.testing.assert_array_equal(plain, scaled)


def test_scores_stay_comparable_between_patients():
    combined = average_ranks([lambda name: one(name) - 9 * (name == "P2")] * 2, REFERENCES, NAMES)
    assert combined("P2")[brain_of(2)].max() < min(combined(name)[brain_of(0)].min() for name in ("P0", "P1", "P3"))


def test_equal_scores_get_equal_ranks_in_the_middle():
    ranks = ScoreRanks.over(lambda _: np.ones(SHAPE, np.float32), REFERENCES, NAMES)
    assert np.unique(ranks(np.ones(3, np.float32))) == [0.5]
    assert ranks(np.array([0, 2], np.float32)).tolist() == [0, 1]


def test_many_scores_are_thinned_without_changing_ranks_by_more_than_a_step(monkeypatch: pytest.MonkeyPatch):
    whole = ScoreRanks.over(one, REFERENCES, NAMES)
    monkeypatch.setattr("uad_bench.evaluation.rank_average.MOST", whole.ordered.size // 10)
    thinned = ScoreRanks.over(one, REFERENCES, NAMES)
    assert thinned.ordered.size < whole.ordered.size / 9
    assert np.abs(thinned(one("P0")) - whole(one("P0"))).max() < 4 * 10 / whole.ordered.size


def test_the_scores_kept_of_many_are_in_the_middle_of_their_steps(monkeypatch: pytest.MonkeyPatch):
    scores = np.zeros(SHAPE, np.float32)
    scores[brain_of(0)] = np.arange(600)
    monkeypatch.setattr("uad_bench.evaluation.rank_average.MOST", 60)
    assert ScoreRanks.over(lambda _: scores, REFERENCES, NAMES[:1]).ordered.tolist() == [*range(5, 600, 10)]
    both = ScoreRanks.over(lambda _: scores, REFERENCES, NAMES[:2])
    assert both.ordered.tolist() == [*np.repeat(range(10, 600, 20), 2)]


@pytest.fixture
def members(scored: Scored) -> list[Run]:
    """Two runs on the same patients."""
    seeds = {"one": 0, "other": 1}
    return [scored.run_of(scored.judge_noisy(name, seed=seed)) for name, seed in seeds.items()]


def test_a_combination_is_a_run_that_verify_recomputes_from_its_members(scored: Scored, members: list[Run]):
    record = combine(members, data=scored.data, root=scored.runs)
    assert (record.status, record.method.name, record.method.origin) == ("ok", "ensemble", "combined maps")
    single = max(run.read_record().value("auprc") or 0 for run in members)
    assert (record.value("auprc") or 0) > single  # errors of the members are independent
    run = Run(scored.runs / record.run)
    assert verify_run(run, data=scored.data).findings == ()
    names = {member.read_record().run for member in members}
    assert {*read_result(run).command.split()} >= {"combine", *names}
    assert {*json.loads(run.experiment.read_text())["members"]} == names
    assert combine(members[::-1], data=scored.data, root=scored.runs) == record  # whatever the order


def test_a_combination_with_other_maps_fails_verification(
    scored: Scored, members: list[Run], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(combining, "average_ranks", lambda reads, *_: reads[0])
    record = combine(members, data=scored.data, root=scored.runs)
    findings = verify_run(Run(scored.runs / record.run), data=scored.data).findings
    assert [finding.what for finding in findings] == ["are not the rank average of the maps of the members"]


def test_a_combination_whose_members_are_gone_says_that_they_were_not_recomputed(scored: Scored, members: list[Run]):
    record = combine(members, data=scored.data, root=scored.runs)
    next(members[1].maps.iterdir()).unlink()
    checked = verify_run(Run(scored.runs / record.run), data=scored.data)
    assert checked.findings == ()
    assert checked.unchecked == (f"maps of member {members[1].read_record().run}",)


def test_runs_of_another_split_or_the_same_run_twice_are_refused(scored: Scored, members: list[Run]):
    fewer = scored.write("fewer", range(4, scored.count), noisy)
    val = scored.write("fewer-val", range(4), noisy)
    apart = scored.run_of(scored.submit(fewer, "fewer", threshold_maps=val))
    with pytest.raises(ConfigError, match=r"differ in split, test patients and cannot be combined"):
        combine([members[0], apart], data=scored.data, root=scored.runs)
    with pytest.raises(ConfigError, match="at least two different runs"):
        combine([members[0]] * 2, data=scored.data, root=scored.runs)
