"""Known answers through the whole way: maps on disk, references, thresholds, record."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.scored import SHAPE, Scored, brain_of, lesion_of, noisy, reference_of, values
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.detection import _share
from uad_bench.evaluation.evaluation import evaluate
from uad_bench.evaluation.protocol import Protocol
from uad_bench.runs.record import METRICS_VERSION

TEST = range(3, 11)


def pooled(score=noisy) -> tuple[np.ndarray, np.ndarray]:
    """All brain voxels of the test patients."""
    scores, labels = zip(*((score(i)[brain_of(i)], lesion_of(i)[brain_of(i)]) for i in TEST), strict=True)
    return np.concatenate(scores), np.concatenate(labels)


def test_pooled_numbers_are_those_of_scikit_learn_over_brain_voxels(scored: Scored):
    found, (scores, labels) = values(scored.judge_noisy()), pooled()
    assert found["auprc@all/pooled"] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert found["auroc@all/pooled"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found["prevalence@all/pooled"] == labels.mean()


def test_a_perfect_map_is_perfect_and_a_constant_one_is_chance(scored: Scored):
    perfect = values(scored.judge("perfect", lambda i: lesion_of(i).astype(np.float32)))
    assert [perfect[f"{m}/pooled"] for m in ("auprc@all", "auroc@all", "dice@oracle", "dice@hFPR5")] == [1, 1, 1, 1]
    constant = values(scored.judge("constant", lambda _: np.ones(SHAPE, np.float32)))
    base = constant["prevalence@all/pooled"]
    assert constant["auprc@all/pooled"] == pytest.approx(base, abs=1e-15)
    assert constant["auroc@all/pooled"] == 0.5
    assert constant["dice@oracle/pooled"] == pytest.approx(2 * base / (1 + base))


def test_the_background_never_enters(scored: Scored):
    def bright_margin(i: int) -> np.ndarray:
        return np.where(brain_of(i), noisy(i), 1e6).astype(np.float32)

    assert values(scored.judge("margin", bright_margin)) == values(scored.judge_noisy())


def test_any_increasing_map_of_the_scores_changes_no_ranked_number(scored: Scored):
    plain = values(scored.judge_noisy())
    bent = values(scored.judge("bent", lambda i: (np.exp(noisy(i)) * 3e-4).astype(np.float32)))
    for key in ("auprc@all/pooled", "auroc@all/pooled", "dice@oracle/pooled", "dice@hFPR5/pooled", "auprc@all/mean"):
        assert bent[key] == pytest.approx(plain[key], abs=1e-12)


def test_a_gain_of_its_own_for_each_patient_leaves_means_and_lowers_the_pooled_number(scored: Scored):
    plain = values(scored.judge_noisy())
    scaled = values(scored.judge("scaled", lambda i: (np.exp(noisy(i)) * 10.0 ** (i % 4)).astype(np.float32)))
    assert scaled["auprc@all/mean"] == pytest.approx(plain["auprc@all/mean"], abs=1e-12)
    assert scaled["auprc@all/pooled"] < plain["auprc@all/pooled"] - 0.05


def test_swapping_two_names_swaps_the_rows_and_nothing_else(scored: Scored):
    first, second = scored.judge("a", noisy), scored.judge("b", lambda i: noisy(i, seed=1))
    other = Scored(scored.data, scored.folder / "other", scored.count)
    other.folder.mkdir()
    second_as_a, first_as_b = other.judge("a", lambda i: noisy(i, seed=1)), other.judge("b", noisy)
    numbers = ("metrics", "groups", "thresholds", "jackknife", "files", "subjects", "task")
    assert [first[key] for key in numbers] == [first_as_b[key] for key in numbers]
    assert [second[key] for key in numbers] == [second_as_a[key] for key in numbers]


def test_one_far_outlier_does_not_move_the_oracle_dice(scored: Scored):
    def with_outlier(i: int) -> np.ndarray:
        score = noisy(i, strength=3)
        score[1, 1, 0] = 1e30 if i == 5 else score[1, 1, 0]
        return score

    plain, found = (
        values(scored.judge("plain", lambda i: noisy(i, strength=3))),
        values(scored.judge("out", with_outlier)),
    )
    assert found["dice@oracle/pooled"] == pytest.approx(plain["dice@oracle/pooled"], abs=0.01)


def test_scores_that_differ_only_beyond_half_precision_are_told_apart(scored: Scored):
    fine = scored.judge("fine", lambda i: (1 + 1e-6 * lesion_of(i)).astype(np.float32))
    assert values(fine)["auprc@all/pooled"] == 1


def test_a_prediction_at_the_threshold_counts(scored: Scored):
    record = scored.judge("binary", lambda i: lesion_of(i).astype(np.float32))
    assert record["thresholds"]["oracle"] == float.hex(1.0)
    assert values(record)["sensitivity@oracle/pooled"] == 1


def test_the_realised_rate_on_healthy_slices_stands_beside_the_nominal_one(scored: Scored):
    record = scored.judge_noisy()
    threshold = float.fromhex(record["thresholds"]["hFPR5"])
    healthy = np.concatenate([noisy(i)[:, :, [0, 1, 4, 5]][brain_of(i)[:, :, :4]] for i in TEST])
    found = values(record)
    assert found["fpr_healthy@hFPR5/pooled"] == pytest.approx(np.mean(healthy >= threshold))
    assert found["fpr_healthy_ratio@hFPR5/pooled"] == pytest.approx(np.mean(healthy >= threshold) / 0.05)
    assert found["fpr_healthy@hFPR5/p10"] <= found["fpr_healthy@hFPR5/pooled"] <= found["fpr_healthy@hFPR5/p90"]


def test_the_5_percent_threshold_allows_no_more_and_no_lower_score_does(scored: Scored):
    record = scored.judge_noisy()
    threshold = np.float32(float.fromhex(record["thresholds"]["hFPR5"]))
    healthy = np.sort(np.concatenate([noisy(i)[:, :, [0, 1, 4, 5]][brain_of(i)[:, :, :4]] for i in range(3)]))
    assert np.mean(healthy >= threshold) <= 0.05 < np.mean(healthy >= healthy[healthy < threshold][-1])
    assert record["chosen_on"]["hFPR5"]["realised"] == pytest.approx(np.mean(healthy >= threshold))


def test_tertiles_of_lesion_size_hold_all_patients_once(scored: Scored):
    rows = [row for row in scored.judge_noisy()["groups"] if row["name"] == "auprc" and row["aggregation"] == "pooled"]
    assert {row["group"] for row in rows} == {"size=small", "size=middle", "size=large"}
    assert sum(row["n_subjects"] for row in rows) == len(TEST)
    assert all("low" in row for row in rows)


def test_slices_with_anomaly_are_found_by_their_mean(scored: Scored):
    perfect = values(scored.judge("perfect", lambda i: lesion_of(i).astype(np.float32)))
    assert perfect["slice_auroc@all/pooled"] == perfect["slice_auroc_top1pct@all/pooled"] == 1


def test_every_defined_number_of_enough_patients_has_an_interval(scored: Scored):
    rows = scored.judge_noisy()["metrics"]
    bare = {row["name"] for row in rows if row["value"] is not None and "low" not in row}
    few_lesions = {"lesion_sensitivity", "froc_score"}  # two of them: many replicates have none
    assert bare <= {"fpr95", "fpr_healthy", *few_lesions}  # a percentile over patients has none
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows if "low" in row and row["name"] == "auprc")


def test_the_record_says_which_metrics_it_was_computed_by(scored: Scored):
    assert scored.judge_noisy()["metrics_version"] == METRICS_VERSION


def test_maps_may_be_given_in_any_order_and_renamed_patients_keep_their_numbers(scored: Scored, tmp_path: Path):
    record = scored.judge_noisy()
    assert record["subjects"]["test"] == sorted(record["subjects"]["test"])
    assert tmp_path == scored.folder


def test_the_gain_is_undefined_in_replicates_of_patients_without_a_healthy_voxel():
    references = {"P0": reference_of(0), "P1": reference_of(1, anomaly=brain_of(1))}
    cases = Cases(references=references, read=lambda name: noisy(int(name[1:])), protocol=Protocol())
    found = evaluate(cases, val=(), test=("P0", "P1"))
    area, gain = ({e.metric.name: e for e in found.estimates}[name] for name in ("auprc", "auprc_gain"))
    assert area.replicates is not None
    assert gain.metric.value is not None
    assert (gain.metric.low, np.isnan(gain.replicates).tolist()) == (None, [True, False])


def large(i: int) -> np.ndarray:
    """A map of a patient with one lesion of 64 mm³ that is found, and in every second patient a false component."""
    scores = np.random.default_rng(i).uniform(0, 0.1, SHAPE).astype(np.float32)
    scores[1:5, 1:5, 2:6] = 3
    scores[6:10, 6:10, 0:4] = 4 if i % 2 else 0
    return scores


def test_at_one_false_positive_per_two_volumes_all_lesions_are_found_and_at_a_quarter_none():
    lesion = np.zeros(SHAPE, bool)
    lesion[1:5, 1:5, 2:6] = True
    references = {f"P{i}": reference_of(i, anomaly=lesion) for i in range(8)}
    cases = Cases(references=references, read=lambda name: large(int(name[1:])), protocol=Protocol())
    found = evaluate(cases, val=(), test=tuple(references))
    rows = {e.metric.key: e.metric for e in (*found.estimates, *found.groups)}
    at = {k: rows[f"lesion_sensitivity@{k}FP/pooled"].value for k in ("0.25", "0.5", "1", "4")}
    assert at == {"0.25": 0, "0.5": 1, "1": 1, "4": 1}
    assert rows["froc_score@all/pooled"].value == 0.8
    small, other = (rows[f"lesion_sensitivity@1FP/pooled#lesion_ml={name}"] for name in ("under 0.1", "1-10"))
    assert (small.value, small.n_lesions, small.n_subjects) == (1, 8, 8)
    assert (other.undefined, other.n_lesions) == ("no_lesion", 0)


def test_every_lesion_and_false_positive_is_listed_with_its_place_and_scores():
    lesion = np.zeros(SHAPE, bool)
    lesion[1:5, 1:5, 2:6] = True
    references = {f"P{i}": reference_of(i, anomaly=lesion) for i in range(4)}
    cases = Cases(references=references, read=lambda name: large(int(name[1:])), protocol=Protocol())
    found = evaluate(cases, val=(), test=tuple(references)).components
    assert [(row.subject, row.number, row.detected) for row in found.lesions] == [(f"P{i}", 1, True) for i in range(4)]
    assert (found.lesions[0].volume_mm3, found.lesions[0].mean_score, found.lesions[0].shares) == (64, 3, {"oracle": 1})
    assert [row.subject for row in found.false_positives] == ["P1", "P3"]
    one = found.false_positives[0]
    assert (one.volume_mm3, one.x_mm, one.y_mm, one.z_mm, one.slice, one.max_score) == (64, 7.5, 7.5, 1.5, 2, 4)


def test_a_share_of_nothing_is_undefined():
    found = _share(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([4.0, 0.0]))
    assert found[0].tolist() == [0.25, 0.5]
    assert np.isnan(found[1]).all()
    assert _share(np.array([1.0]), np.array([2.0])).tolist() == [0.5]


def test_volumes_are_in_millilitres_of_voxels_that_are_no_cubes():
    anomaly = lesion_of(0)
    reference = replace(reference_of(0), spacing=(0.5, 2.0, 3.0))
    scores = anomaly + 2 * np.roll(anomaly, 4, axis=0)  # 24 false voxels above 24 true ones
    cases = Cases(references={"P0": reference}, read=lambda _: scores.astype(np.float32), protocol=Protocol())
    (subject,) = evaluate(cases, val=(), test=("P0",)).subjects
    assert subject.anomaly_mm3 == 24 * 3
    assert subject.measures["lesion_ml"].value == pytest.approx(0.072)
    assert subject.measures["false_positive_ml@oracle"].value == pytest.approx(0.072)


def test_half_of_the_lesion_free_slices_raise_an_alarm():
    lesion = np.zeros(SHAPE, bool)
    lesion[1:9, 1:9, 5] = True

    def score(name: str) -> np.ndarray:
        scores = np.random.default_rng(int(name[1:])).uniform(0, 0.1, SHAPE).astype(np.float32)
        scores[1:9, 1:9, 5] = 2
        scores[3:8, 3:8, [0, 1]] = 3
        return scores

    references = {f"P{i}": reference_of(i, anomaly=lesion) for i in range(3)}
    cases = Cases(references=references, read=score, protocol=Protocol(), healthy_slices=lambda _: [0, 1, 2, 3])
    rows = {e.metric.key: e.metric for e in evaluate(cases, val=(), test=tuple(references)).estimates}
    assert rows["slice_alarm_rate@oracle/pooled"].value == 0.5
    assert rows["dice@alarm10/pooled"].value == rows["lesion_sensitivity@alarm10/pooled"].value == 0
    assert not any(key.startswith("patient_alarm_rate") for key in rows)


def test_a_healthy_patient_raises_an_alarm_with_a_component_of_50_mm3():
    references = {f"P{i}": reference_of(i, anomaly=lesion_of(i) & (i > 3)) for i in range(8)}

    def score(name: str) -> np.ndarray:
        scores = np.random.default_rng(int(name[1:])).uniform(0, 0.1, SHAPE).astype(np.float32)
        scores[2:6, 2:6, :4] += 5 * (name == "P0")
        return scores + lesion_of(int(name[1:])) * (name > "P3")

    cases = Cases(references=references, read=score, protocol=Protocol())
    rows = {e.metric.key: e.metric for e in evaluate(cases, val=(), test=tuple(references)).estimates}
    found = rows["patient_alarm_rate@oracle/pooled"]
    assert (found.value, found.n_subjects) == (0.25, 4)


def numbers_of(references, read, inputs):
    """Every pooled number of an evaluation with healthy patients, lesions, alarms and input intensities."""
    cases = Cases(
        references=references, read=read, protocol=Protocol(), inputs=inputs, healthy_slices=lambda _: range(SHAPE[2])
    )
    found = evaluate(cases, val=sorted(references)[:4], test=sorted(references))
    rows = [e.metric for e in (*found.estimates, *found.groups)]
    return {row.key: np.nan if row.value is None else row.value for row in rows}


@pytest.mark.parametrize("change", ["increasing", "mirrored", "renamed"])
def test_no_number_depends_on_the_scale_of_scores_on_the_side_of_the_body_or_on_names(change):
    def maps(i):
        box = lesion_of(i) & (i % 3 > 0)
        grey = np.random.default_rng(i).normal(size=SHAPE)
        return box, np.round(noisy(i) + 2 * box, 1).astype(np.float32), (grey + box).astype(np.float32)

    def numbers(rename, mirror=np.array, increase=np.array):
        made = {rename(i): maps(i) for i in range(9)}
        references = {name: reference_of(0, anomaly=mirror(box)) for name, (box, _, _) in made.items()}
        return numbers_of(references, lambda name: mirror(increase(made[name][1])), lambda name: mirror(made[name][2]))

    plain = numbers(lambda i: f"P{i}")
    assert {"matched_auroc@all/pooled", "froc_score@all/pooled", "dice@alarm10/pooled"} <= plain.keys()
    assert {"patient_alarm_rate@hFPR5/pooled", "slice_alarm_rate@hFPR5/pooled"} <= plain.keys()
    if change == "increasing":
        other = numbers(lambda i: f"P{i}", increase=lambda scores: np.exp(scores / 4).astype(np.float32))
        plain, other = ({k: v for k, v in n.items() if "slice_au" not in k} for n in (plain, other))  # means of scores
    elif change == "mirrored":
        other = numbers(lambda i: f"P{i}", mirror=lambda volume: volume[::-1])
    else:
        other = numbers(lambda i: f"P{(i + 2) % 4 if i < 4 else 12 - i}")  # of validation patients among each other
    assert other == pytest.approx(plain, rel=1e-9, nan_ok=True)
