"""Runs become rows: seeds together, settings apart, baselines always there."""

from dataclasses import replace

import pytest

from tests.made_results import made_board, made_experiment, made_failure, made_metric, made_result
from uad_bench.boards.board import make_boards
from uad_bench.boards.result import MetricKey, Result
from uad_bench.errors import ConfigError
from uad_bench.runs.record import WeightsOfRun

BASELINES = ("random", "intensity")
AUPRC = MetricKey("auprc")


def board(*results):
    return make_boards(made_board(*results), baselines=BASELINES)[0]


def row(made, label):
    return next(row for row in made.rows if row.label == label)


def test_seeds_of_a_method_are_one_row_with_their_mean_and_spread():
    found = row(board(*(made_result("ae", seed, auprc=0.6 + 0.01 * seed) for seed in range(3))), "ae")
    number = found.number(AUPRC)
    assert number.value == pytest.approx(0.61)
    assert number.spread == pytest.approx(0.01)
    assert number.low < 0.61 < number.high


def test_a_row_with_fewer_seeds_is_ranked_on_those_it_has_and_marked():
    made = board(*(made_result("ae", seed) for seed in range(3)), made_result("vae", 0))
    assert row(made, "vae") in made.ranking.rows
    assert (len(row(made, "vae").sound), row(made, "vae").asked, row(made, "vae").complete) == (1, 3, False)


def test_baselines_of_one_seed_are_compared_with_methods_of_several():
    seeds = [made_result("ae", seed, auprc=0.8) for seed in range(2)]
    made = make_boards(
        [*seeds, made_result("random", auprc=0.1), made_result("intensity", auprc=0.5)], baselines=BASELINES
    )[0]
    assert made.best_baseline.label == "intensity"
    assert made.placement(row(made, "ae")).better is True
    assert row(made, "intensity").complete


def test_without_replicates_a_single_seed_keeps_its_recorded_interval_and_several_have_none():
    one, two = (
        row(board(*(replace(made_result("ae", seed), replicates={}) for seed in range(n))), "ae").number(AUPRC)
        for n in (1, 2)
    )
    assert (one.low, one.high) == (pytest.approx(0.55), pytest.approx(0.65))
    assert (two.low, two.high) == (None, None)


def test_a_failed_seed_leaves_the_row_unranked():
    made = board(made_result("ae", 0), Result(made_failure("ae", 1)))
    assert row(made, "ae") not in made.ranking.rows


def external(method):
    result = made_result(method)
    facts = result.record.method.model_copy(update={"origin": "external maps", "profile": "external"})
    return replace(result, record=result.record.model_copy(update={"method": facts}), experiment=None)


def test_maps_of_others_under_the_name_of_an_upper_bound_are_none_and_ranked():
    made = make_boards(made_board(external("oracle-net")), baselines=BASELINES, bounds=("oracle-net",))[0]
    assert made.bounds == ()
    assert row(made, "oracle-net (external)") in made.ranking.rows


def test_maps_of_others_under_the_name_of_a_baseline_are_no_baseline():
    forged = external("intensity")
    with pytest.raises(ConfigError, match="trivial baselines intensity"):
        make_boards([made_result("random"), forged], baselines=BASELINES)
    made = make_boards([made_result("random"), made_result("intensity"), forged], baselines=BASELINES)[0]
    assert [r.label for r in made.rows if r.baseline] == ["intensity", "random"]
    assert row(made, "intensity (external)") in made.ranking.rows


def test_a_failed_seed_is_counted_and_its_numbers_are_not():
    made = board(made_result("ae", 0), made_result("ae", 1), Result(made_failure("ae", 2)))
    assert (len(row(made, "ae").sound), row(made, "ae").complete) == (2, False)
    assert row(made, "ae").number(AUPRC).value == pytest.approx(0.6)


def test_rows_without_a_rank_follow_by_their_value_and_failed_ones_are_last():
    seeds = [
        (made_result(name, auprc=auprc), Result(made_failure(name, 1))) for name, auprc in (("a", 0.3), ("z", 0.9))
    ]
    made = board(*seeds[0], *seeds[1], made_result("undefined", auprc=None), Result(made_failure("broken")))
    assert [r.label for r in made.ordered] == ["intensity", "random", "z", "a", "undefined", "broken"]
    assert made.looks == 5  # failed runs were not evaluated


def test_a_board_of_failures_has_rows_and_no_numbers():
    results = [Result(made_failure(name)) for name in ("ae", "random", "intensity")]
    made = make_boards(results, baselines=BASELINES)[0]
    assert [(r.label, r.failure) for r in made.ordered] == [(n, "crash") for n in ("ae", "intensity", "random")]


def test_a_board_without_a_baseline_names_it():
    with pytest.raises(ConfigError, match="trivial baselines intensity, random"):
        make_boards([made_result("ae")], baselines=BASELINES)


def test_other_hyperparameters_are_another_row():
    one, other = made_result("ae"), made_result("ae")
    other = replace(other, experiment=made_experiment(params={"latent": 3}))
    assert [r.label for r in board(one, other).rows if r.label.startswith("ae")] == ["ae", "ae (latent=3)"]


def test_a_repeated_run_replaces_the_older_one():
    old, new = made_result("ae", auprc=0.1), made_result("ae", auprc=0.7, created="2026-02-01T00:00:00Z")
    made = board(new, old)
    assert row(made, "ae").number(AUPRC).value == pytest.approx(0.7)
    assert made.looks == 4  # both have read the test labels


def test_seeds_of_older_code_do_not_mix_with_those_of_newer():
    old = [replace(made_result("ae", seed), experiment=made_experiment(source="old")) for seed in range(3)]
    new = replace(made_result("ae", 0, created="2026-02-01T00:00:00Z"), experiment=made_experiment(source="new"))
    assert [result.seed for result in row(board(*old, new), "ae").results] == [0]


def test_a_baseline_is_one_row_whatever_the_budget():
    other = made_result("intensity", auprc=0.4, budget={"steps": 99, "batch_size": 1}, created="2026-02-01T00:00:00Z")
    assert [r.label for r in board(other, made_result("ae")).rows] == ["ae", "intensity", "random"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"margin": 0}, "margin=0"),
        ({"size": 64}, "size=64"),
        ({"scaling": "other"}, "scaling=other"),
        ({"field_of_view": 99.0}, "field_of_view=99.0"),
        ({"centre": "image"}, "centre=image"),
        ({"resample": "adaptive"}, "resample=adaptive"),
    ],
)
@pytest.mark.parametrize("method", ["ae", "intensity"])
def test_a_run_on_other_working_slices_is_another_row_and_replaces_none(method, changes, told):
    newer = made_result(method, auprc=0.5, task=changes, created="2026-02-01T00:00:00Z")
    made = board(made_result("ae"), newer)
    (older,) = (r for r in made.rows if r.label.startswith(method) and told not in r.label and "-" not in r.label)
    assert older.number(AUPRC).value == (0.6 if method == "ae" else 0.4)
    assert row(made, f"{method} ({told})").number(AUPRC).value == 0.5


def test_a_run_over_folds_is_another_row():
    made = board(made_result("ae"), made_result("ae", n_folds=3, created="2026-02-01T00:00:00Z"))
    assert {r.label for r in made.rows} == {"ae", "ae (folds=3)", "intensity", "random"}


def test_a_run_from_other_weights_is_another_row():
    own = made_result("ae")
    weights = WeightsOfRun(run="other/ae/seed0-89abcdef", checkpoint="c" * 64, further=False)
    method = own.record.method.model_copy(update={"weights": weights})
    made = board(own, replace(own, record=own.record.model_copy(update={"method": method})))
    assert [r.label for r in made.rows][:2] == ["ae", "ae from other/ae/seed0-89abcdef"]


def test_a_run_that_selected_its_weights_is_another_row_and_says_so():
    selecting = made_result("ae", auprc=0.5)
    method = selecting.record.method.model_copy(update={"select": 100})
    selecting = replace(selecting, record=selecting.record.model_copy(update={"method": method}))
    made = board(made_result("ae"), selecting)
    assert (row(made, "ae").number(AUPRC).value, row(made, "ae (select=100)").number(AUPRC).value) == (0.6, 0.5)


def test_equal_maps_of_all_seeds_are_marked():
    same = [replace(made_result("ae", seed), maps={"P00": "x"}) for seed in range(2)]
    made = board(*same, *(made_result("vae", seed) for seed in range(2)))
    assert row(made, "ae").deterministic
    assert not row(made, "vae").deterministic
    assert not row(made, "intensity").deterministic  # one seed shows nothing


@pytest.mark.parametrize(
    ("changes", "aspect"),
    [
        ({"task": {"protocol": "largest-slice"}}, "protocol"),
        ({"task": {"protocol_digest": "e" * 64}}, "protocol"),
        ({"task": {"data_digest": "e" * 64}}, "data"),
        ({"task": {"pair": ["t2", "flair"]}}, "pair"),
        ({"task": {"slices": [0, 9]}}, "slices"),
        ({"task": {"modalities": ["flair", "t2", "t1"]}}, "modalities of the gate"),
        ({"metrics_version": 1}, "metrics version"),
        ({"subjects": {"train": [], "val": [], "test": ["P00"]}}, "test patients"),
        ({"subjects": {"train": [], "val": [], "test": [f"X{i}" for i in range(20)]}}, "test patients"),
    ],
)
def test_runs_that_differ_never_share_a_table(changes, aspect):
    with pytest.raises(ConfigError, match=rf"{aspect}.*made/(ae|random).*made/(ae|random)"):
        board(made_result("ae", **changes))


def test_maps_after_the_common_chain_have_a_board_of_their_own():
    def both(method, raw, filtered):
        metrics = [made_metric("auprc", raw), made_metric("auprc", filtered, chain="common")]
        return made_result(method, auprc=raw, metrics=metrics)

    raw, common = make_boards(
        [both("random", 0.1, 0.1), both("intensity", 0.4, 0.7), both("ae", 0.6, 0.65)], baselines=BASELINES
    )
    assert (raw.chain, common.chain) == ("none", "common")
    assert (raw.ranking.reason, common.ranking.reason) == (None, "no_replicates")
    assert [r.label for r in raw.ordered] == ["ae", "intensity", "random"]
    assert [r.label for r in common.ordered] == ["intensity", "ae", "random"]
