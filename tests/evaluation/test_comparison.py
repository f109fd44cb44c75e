"""Two methods on the same patients: who beats whom, or what it would take to know."""

import json

import numpy as np
import pytest

from tests.made_results import KEYS, made_record, write_run
from tests.scored import Scored, noisy, values
from uad_bench.boards.comparison import PairComparison, _all_pairs, _spreads, compare, sentence
from uad_bench.boards.method_scores import MethodScores, require_same, scores_of, setting_name
from uad_bench.cli.app import _run
from uad_bench.errors import ConfigError
from uad_bench.metrics.significance import SeedSpread
from uad_bench.runs.folder import Run
from uad_bench.runs.record import RunRecord


def runs_of(scored: Scored, **strengths: float) -> list[Run]:
    """One run a method, each with noise of its own."""
    return [
        scored.run_of(scored.judge_noisy(name, strength=strength, seed=seed))
        for seed, (name, strength) in enumerate(strengths.items())
    ]


def test_a_clearly_better_method_beats_a_worse_one_by_the_difference_of_their_values(scored: Scored):
    better, worse = runs_of(scored, strong=3.0, weak=0.5)
    comparison = compare([worse, better])
    [pair] = comparison.pairs
    found = [values(run.read_record().to_json())["auprc@all/pooled"] for run in (better, worse)]
    assert (pair.first, pair.second, pair.shown) == ("strong", "weak", True)
    assert pair.difference == pytest.approx(found[0] - found[1])
    assert pair.low < pair.difference < pair.high
    assert [str(rank) for rank in comparison.ranks] == ["1", "2"]
    assert sentence(pair, comparison).startswith("strong is significantly better than weak: AUPRC")


def test_equal_methods_are_not_told_apart_and_the_patients_needed_are_named(scored: Scored):
    comparison = compare(runs_of(scored, one=1.0, other=1.0))
    [pair] = comparison.pairs
    assert not pair.shown
    assert [str(rank) for rank in comparison.ranks] == ["1–2", "1–2"]
    assert pair.patients_needed is not None
    assert f"about {pair.patients_needed} patients" in sentence(pair, comparison)


def test_a_method_does_not_beat_itself(scored: Scored):
    first, second = (scored.run_of(scored.judge_noisy(name)) for name in ("one", "same"))
    [pair] = compare([first, second]).pairs
    assert (pair.difference, pair.p, pair.patient_p, pair.patients_needed) == (0, 1, 1, None)


def test_p_values_are_adjusted_for_all_pairs(scored: Scored):
    runs = runs_of(scored, a=1.0, b=1.2, c=1.4)
    alone = {
        (d.first, d.second): d.p for pair in ((0, 1), (0, 2), (1, 2)) for d in compare([runs[i] for i in pair]).pairs
    }
    together = {(d.first, d.second): d.p for d in compare(runs).pairs}
    smallest = min(alone, key=alone.__getitem__)
    assert together[smallest] == pytest.approx(min(1, 3 * alone[smallest]))
    assert all(together[pair] >= alone[pair] for pair in alone)


def test_sign_flips_are_adjusted_for_all_pairs_too():
    patients = {f"P{i}": float(i) for i in range(8)}
    replicates = np.arange(8.0)
    methods = [
        MethodScores(name, {0: mean}, replicates, {p: v + mean for p, v in patients.items()}, trained=False)
        for name, mean in (("a", 3.0), ("b", 2.0), ("c", 1.0))
    ]
    alone = _all_pairs("auprc@all/pooled", methods[:2], 1.0, 8).pairs[0].patient_p
    pairs = _all_pairs("auprc@all/pooled", methods, 1.0, 8).pairs
    assert [pair.patient_p for pair in pairs] == [3 * alone] * 3
    assert [pair.patient_difference for pair in pairs] == [1, 2, 1]


def seeds_of(name: str, *values: float, first: int = 0, trained: bool = True) -> MethodScores:
    by_seed = {first + i: value for i, value in enumerate(values)}
    return MethodScores(name, by_seed, np.linspace(-1, 1, 8), {f"P{i}": 0.5 for i in range(8)}, trained)


def test_seeds_in_common_vary_in_their_differences_and_others_on_their_own():
    a, b = seeds_of("a", 0.5, 0.7), seeds_of("b", 0.4, 0.5)
    assert _spreads(a, b) == (SeedSpread(pytest.approx(0.005), 2),)
    assert _spreads(a, seeds_of("b", 0.4, 0.5, first=1)) == (
        SeedSpread(pytest.approx(0.02), 2), SeedSpread(pytest.approx(0.005), 2)
    )  # fmt: skip
    assert _spreads(seeds_of("a", 0.5), seeds_of("b", 0.4)) == (SeedSpread(0, 1), SeedSpread(0, 1))
    assert _spreads(a, seeds_of("b", 0.4, trained=False)) == (SeedSpread(pytest.approx(0.02), 2),)


def test_an_interval_over_retraining_and_needed_seeds_take_two_seeds_or_more():
    several = (((0.9,), (0.5,)), ((0.9, 0.7), (0.5, 0.6)))
    one, two = (
        _all_pairs("auprc@all/pooled", [seeds_of("a", *a), seeds_of("b", *b)], 1.0, 8).pairs[0] for a, b in several
    )
    assert (one.retrained, one.seeds_needed) == (None, None)
    assert two.retrained is not None
    assert two.retrained[0] < two.difference < two.retrained[1]
    assert two.seeds_needed == 6  # a variance of 0.045 over (0.25 / 2.80)^2


def test_no_fewer_patients_are_needed_than_sign_flips_take_after_the_adjustment():
    methods = [seeds_of("a", 0.9), seeds_of("b", 0.5), seeds_of("c", 0.1)]  # of equal replicates: two would do
    needed = [
        [pair.patients_needed for pair in _all_pairs("auprc@all/pooled", methods[:n], 1.0, 8).pairs] for n in (2, 3)
    ]
    assert needed == [[6], [7, 7, 7]]  # 2^-5 < 0.05 and 2^-6 < 0.05 / 3


def test_a_difference_within_the_variability_of_training_gives_no_rank():
    comparison = _all_pairs("auprc@all/pooled", [seeds_of("a", 0.9, 0.1), seeds_of("b", 0.4, 0.5)], 1.0, 8)
    assert (comparison.pairs[0].p < 0.05, comparison.pairs[0].shown) == (True, False)
    assert [str(rank) for rank in comparison.ranks] == ["1–2", "1–2"]


@pytest.mark.parametrize(
    ("seeds", "caution"), [(5, ""), (2, "; 2 seeds per trained method"), (1, "; 1 seed per trained")]
)
def test_seeds_are_too_few_for_trained_methods_only(seeds, caution):
    trained, baseline = seeds_of("a", *np.linspace(0.6, 0.61, seeds)), seeds_of("b", 0.5, trained=False)
    comparison = _all_pairs("auprc@all/pooled", [trained, baseline], 1.0, 8)
    said = sentence(comparison.pairs[0], comparison)
    assert caution in said
    assert ("per trained" in said) is bool(caution)


def test_scores_of_seeds_are_averaged_per_patient_and_per_replicate(tmp_path):
    runs = [write_run(tmp_path, made_record(seed=seed)) for seed in range(2)]
    for run, rows in zip(runs, ("P00,0.2\nP01,nan", "P00,0.6\nP01,0.5"), strict=True):
        run.metrics.write_text(f"subject,auprc\n{rows}\n")
    scores = scores_of("ae", [(run, run.read_record()) for run in runs], "auprc", KEYS[0])
    np.testing.assert_allclose(scores.replicates, sum(np.load(run.replicates)[:, 0] for run in runs) / 2)
    np.testing.assert_array_equal([scores.patients[name] for name in ("P00", "P01")], [0.4, np.nan])


def test_replicates_of_other_patients_are_refused():
    other = made_record(jackknife={"rows": "c" * 64, "metrics": [*KEYS]})
    with pytest.raises(ConfigError, match="order of the patients"):
        require_same([made_record(), other])


@pytest.mark.parametrize(
    ("p", "retrained", "shown"),
    [(0.01, None, True), (0.01, (0.1, 0.3), True), (0.01, (-0.1, 0.3), False), (0.05, None, False)],
)
def test_a_difference_is_shown_over_patients_and_over_retraining_where_there_are_seeds(p, retrained, shown):
    unknown = dict.fromkeys(
        ("patient_difference", "patient_p", "shift", "wilcoxon_p", "patients_needed", "seeds_needed")
    )
    pair = PairComparison(
        first="a", second="b", difference=0.2, low=0.1, high=0.3, p=p, retrained=retrained, n_patients=9, **unknown
    )
    assert pair.shown is shown


def test_a_metric_at_a_threshold_takes_its_columns(scored: Scored):
    better, worse = runs_of(scored, strong=3.0, weak=0.5)
    [pair] = compare([better, worse], metric="dice@hFPR5").pairs
    found = {row.name: row for row in better.read_record().metrics if row.policy == "hFPR5"}
    assert pair.difference > 0
    assert pair.patient_difference is not None
    assert found["dice"].value > 0


def test_where_lower_is_better_the_lower_value_comes_first(scored: Scored):
    comparison = compare(runs_of(scored, strong=3.0, weak=0.5), metric="fpr@valDice")
    assert comparison.methods[0].mean < comparison.methods[1].mean


def test_runs_on_other_patients_or_metric_code_are_refused_with_a_way_out(scored: Scored):
    first, second = runs_of(scored, one=1.0, other=1.0)
    everybody = scored.run_of(scored.submit(scored.write("all", range(11), noisy), "all"))
    with pytest.raises(ConfigError, match="test patients"):
        compare([first, everybody])
    record = second.read_record()
    second.record.write_text(json.dumps(second.seal(record.model_copy(update={"metrics_version": 0})).to_json()))
    with pytest.raises(ConfigError, match=r"metrics version.*rescore"):
        compare([first, second])


def test_one_method_alone_cannot_be_compared(scored: Scored):
    [run] = runs_of(scored, one=1.0)
    with pytest.raises(ConfigError, match="at least two"):
        compare([run])


def test_the_command_gives_a_document_with_the_answer_in_words(scored: Scored, capsys):
    names = [str(run.path) for run in runs_of(scored, strong=3.0, weak=0.5)]
    assert _run(["compare", *names, "--runs", str(scored.runs), "--json"], debug=False) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["pairs"][0]["shown"]
    assert document["pairs"][0]["sentence"].startswith("strong is significantly better than weak")
    assert np.isfinite(document["pairs"][0]["p"])


def with_task(record: RunRecord, **change: object) -> RunRecord:
    return record.model_copy(update={"task": record.task.model_copy(update=change)})


@pytest.mark.parametrize(
    ("change", "aspect"),
    [({"slices": (0, 2)}, "slices"), ({"pair": ("t2", "flair")}, "pair"), ({"modalities": ("t1",)}, "modalities")],
)
def test_runs_that_count_other_voxels_are_refused(scored: Scored, change, aspect):
    first, second = (run.read_record() for run in runs_of(scored, one=1.0, other=1.0))
    require_same([first, second])
    with pytest.raises(ConfigError, match=aspect):
        require_same([first, with_task(second, **change)])


def test_runs_of_another_split_of_the_same_test_patients_are_refused(scored: Scored):
    first, second = (run.read_record() for run in runs_of(scored, one=1.0, other=1.0))
    split = second.task.split.model_copy(update={"digest": "0" * 64})
    with pytest.raises(ConfigError, match="split"):
        require_same([first, with_task(second, split=split)])


def test_one_method_on_other_working_slices_is_another_contestant(scored: Scored):
    first = runs_of(scored, one=1.0)[0].read_record()
    wide = with_task(first, margin=7)
    assert setting_name(first, [first, wide]) != setting_name(wide, [first, wide]) == "one (margin=7)"
