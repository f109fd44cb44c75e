"""One conclusion over several tasks, counting patients once."""

import numpy as np
import pytest
from scipy import stats

from tests.made_results import jackknife_spread, made_metric, made_result
from uad_bench.boards.board import make_boards
from uad_bench.boards.overall import _as_gain, compare_over_tasks, patient_groups
from uad_bench.boards.overall_result import OverallPair
from uad_bench.errors import ConfigError
from uad_bench.metrics.stouffer import nemenyi_difference, signed_z, stouffer_p
from uad_bench.metrics.uncertainty import t_interval
from uad_bench.output.overall_table import overall_sheets, summary
from uad_bench.output.publishing import compare_tasks
from uad_bench.output.report.building import overall_page


def board(task, auprc, *, patients=("P0", "P1", "P2", "P3", "P4", "P5"), dataset="phantom"):
    """A board of methods with these AUPRC, at a prevalence of 0.02."""
    results = []
    for name, value in auprc.items():
        gain = made_metric("auprc_gain", (value - 0.02) / 0.98)
        metrics = [made_metric("auprc", value), made_metric("prevalence", 0.02), gain]
        changes = {"task": {"name": task, "dataset": dataset}, "subjects": {"test": [*patients]}, "metrics": metrics}
        results.append(made_result(name, auprc=value, **changes))
    return make_boards(results, baselines=())[0]


def boards():
    """Two tasks on the same patients and one on others."""
    return {
        "t1": board("t1", {"a": 0.60, "b": 0.59, "c": 0.3}),
        "t2": board("t2", {"a": 0.61, "b": 0.60, "c": 0.4}),
        "other": board("other", {"a": 0.50, "b": 0.52, "c": 0.1}, patients=[f"Q{i}" for i in range(9)]),
    }


def test_tasks_that_share_a_patient_even_through_a_third_task_are_one_group():
    tested = {task: frozenset(names) for task, names in zip("abcde", ("xy", "z", "w", "yz", "z"), strict=True)}
    assert patient_groups(tested) == (("c",), ("a", "b", "d", "e"))


def test_the_combined_p_is_scipys_stouffer_over_groups_with_the_root_of_their_patients_as_weights():
    overall = compare_over_tasks(boards())
    pair = overall.pair("a", "b")
    raw = np.array([effect.p for effect in pair.effects])
    above = np.array([effect.difference > 0 for effect in pair.effects])
    one_sided = np.where(above, raw / 2, 1 - raw / 2)
    grouped = [stats.norm.sf(stats.norm.isf(one_sided[:2]).mean()), one_sided[2]]
    found = stats.combine_pvalues(grouped, method="stouffer", weights=np.sqrt([6, 9])).pvalue
    unadjusted = 2 * min(found, 1 - found)
    others = [overall.pair("a", "c").p, overall.pair("b", "c").p]
    assert max(others) < unadjusted  # so the pair is the last in Holm's order and not multiplied
    assert pair.p == pytest.approx(unadjusted, rel=1e-9)


def test_under_the_null_the_combined_p_is_uniform():
    generator = np.random.Generator(np.random.PCG64(1))
    p, signs = generator.uniform(size=(2000, 4)), generator.choice((-1.0, 1.0), size=(2000, 4))
    found = [stouffer_p(signed_z(*case), np.sqrt([12.0, 45, 12, 30])) for case in zip(p, signs, strict=True)]
    assert stats.kstest(found, "uniform").pvalue > 0.05
    assert abs(np.mean(np.array(found) < 0.05) - 0.05) < 0.015


def test_effects_of_opposite_direction_cancel():
    z = signed_z(np.array([0.01, 0.01]), np.array([0.3, -0.3]))
    assert stouffer_p(z, np.ones(2)) == pytest.approx(1)


def test_the_critical_difference_is_that_of_demsars_example():
    assert nemenyi_difference(4, 14) == pytest.approx(1.25, abs=0.01)  # Demsar 2006, section 3.2.3: q = 2.569


def test_each_group_of_patients_counts_once_in_the_mean_rank():
    by_name = {method.name: method for method in compare_over_tasks(boards()).methods}
    assert by_name["a"].ranks == {"t1": 1, "t2": 1, "other": 2}
    assert by_name["a"].mean_rank == by_name["b"].mean_rank == 1.5
    assert by_name["c"].mean_rank == by_name["c"].low == by_name["c"].high == 3


def test_sentences_count_the_tasks_and_name_those_where_it_is_reversed():
    overall = compare_over_tasks(boards())
    assert overall.pair("a", "c").sentence.startswith(
        "a is better than c on 3 of 3 tasks, significantly on 3; worse on none; combined p"
    )
    both = [sentence for sentence in summary(overall) if "a is better than b" in sentence or "b is better" in sentence]
    assert "worse on other" in both[0] or "worse on t1, t2" in both[0]
    assert overall.ties == (("a", "b"),)


def test_a_method_that_lacks_a_task_is_compared_where_it_has_results_but_has_no_mean_rank():
    all_of_them = boards()
    all_of_them["t2"] = board("t2", {"a": 0.61, "c": 0.4})
    overall = compare_over_tasks(all_of_them)
    partial = next(method for method in overall.methods if method.name == "b")
    assert (partial.mean_rank, partial.ranks, [*partial.gains]) == (None, {}, ["t1", "other"])
    assert [effect.task for effect in overall.pair("a", "b").effects] == ["t1", "other"]


def test_a_sentence_counts_better_worse_and_significant_tasks():
    effects = [
        {"task": task, "difference": difference, "low": -1, "high": 1, "p": p}
        for task, difference, p in (("x", 0.1, 0.01), ("y", 0.2, 0.2), ("z", 0.0, 0.01), ("w", -0.1, 0.01))
    ]
    pair = OverallPair(first="a", second="b", effects=effects, difference=0.1, low=0, high=0.2, p=0.5)
    assert pair.sentence.startswith("a is better than b on 2 of 4 tasks, significantly on 1; worse on w; combined p")


def test_a_method_with_one_task_alone_is_not_among_the_methods():
    made = boards() | {"last": board("last", {"a": 0.5, "b": 0.4, "alone": 0.6}, patients=["Z0", "Z1", "Z2"])}
    assert {method.name for method in compare_over_tasks(made).methods} == {"a", "b", "c"}


def test_deviations_in_the_unit_of_the_gain_are_larger_the_rarer_healthy_voxels_are():
    result = made_result("a", metrics=[made_metric("auprc", 0.6), made_metric("prevalence", 0.2)])
    (row,) = make_boards([result], baselines=())[0].rows
    assert _as_gain(np.array([0.4]), row).tolist() == [0.5]


def test_one_task_is_refused_in_a_sentence():
    with pytest.raises(ConfigError, match="at least two tasks"):
        compare_over_tasks({"t1": boards()["t1"]})


def test_a_pair_begins_with_the_better_method_and_has_the_central_draws_of_its_mean_difference():
    made = boards()
    pair = compare_over_tasks(made).pair("a", "b")
    drawn = {}
    for task, each in made.items():
        draws = dict(zip((row.label for row in each.ranking.rows), each.ranking.draws, strict=True))
        drawn[task] = (draws["b"] - draws["a"]) / 0.98
    low, high = np.quantile(((drawn["t1"] + drawn["t2"]) / 2 + drawn["other"]) / 2, [0.025, 0.975])
    assert (pair.first, pair.difference) == ("b", pytest.approx(0.005 / 0.98))
    assert (pair.low, pair.high) == (pytest.approx(low), pytest.approx(high))


def test_a_difference_on_one_task_has_the_interval_over_its_patients():
    effect = compare_over_tasks(boards()).pair("a", "c").effects[-1]
    one, other = (jackknife_spread(0.01, n=9, seed=[*name.encode()]) for name in "ac")
    interval = t_interval(0.4 / 0.98, (one - other) / 0.98, n_patients=9)
    assert (effect.low, effect.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_the_smallest_p_of_three_pairs_is_three_times_that_of_the_pair_alone_and_tasks_of_a_group_count_once():
    values = {"a": 0.60, "b": 0.59, "c": 0.58}
    few = {name: values[name] for name in "ac"}
    three, alone = (compare_over_tasks({t: board(t, kept) for t in ("t1", "t2")}) for kept in (values, few))
    assert three.pair("a", "c").p == pytest.approx(3 * alone.pair("a", "c").p)
    assert three.nemenyi == nemenyi_difference(3, 1)


def test_equal_ids_in_two_datasets_are_different_patients():
    auprc = {"a": 0.6, "b": 0.5}
    overall = compare_over_tasks({"t1": board("t1", auprc), "t2": board("t2", auprc, dataset="other")})
    assert (overall.groups, overall.patients) == ((("t1",), ("t2",)), (6, 6))


def test_two_methods_on_two_tasks_are_enough_and_one_is_refused():
    made = {"t1": board("t1", {"a": 0.6, "b": 0.5}), "t2": board("t2", {"a": 0.6, "b": 0.5})}
    assert [method.name for method in compare_over_tasks(made).methods] == ["a", "b"]
    made["t2"] = board("t2", {"a": 0.6, "c": 0.5})
    with pytest.raises(ConfigError, match="fewer than two methods have results on two of the tasks t1, t2"):
        compare_over_tasks(made)


def test_the_shipped_boards_can_be_compared_and_shown(tmp_path):
    overall, origin = compare_tasks(tmp_path, ("brats-t2", "lgg"))
    assert overall.groups == (("brats-t2",), ("lgg",))
    assert overall.patients == (12, 45)
    assert "shipped" in origin
    page = overall_page(overall)
    assert page.count("<svg") == 2
    assert all(cell.text in page for row in overall_sheets(overall)[0].rows for cell in row)
    assert overall.to_json()["methods"][0]["name"] == overall.methods[0].name


def test_tasks_on_the_same_patients_are_never_more_evidence_than_their_mean_z_allows():
    generator = np.random.Generator(np.random.PCG64(2))
    shared = generator.normal(size=(4000, 1))
    for correlation in (0.0, 0.5, 1.0):
        own = generator.normal(size=(4000, 4))
        z = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
        found = [stouffer_p(np.array([row.mean()]), np.ones(1)) for row in z]
        assert np.mean(np.array(found) < 0.05) < 0.05 + 0.012
