"""Stored maps under other protocols and chains: no inference, the record untouched, groups by any column."""

import json

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score

from tests.scored import Scored, brain_of, lesion_of, noisy, values
from uad_bench.cli.app import _run
from uad_bench.errors import ConfigError, VerificationError
from uad_bench.evaluation.protocol import load_protocol
from uad_bench.evaluation.replay import Replay
from uad_bench.evaluation.rescore import Rescoring, _replayed, _rules, crosswalk, is_current, read_rescored, rescore
from uad_bench.metrics.uncertainty import t_interval
from uad_bench.runs.folder import Run
from uad_bench.runs.record import METRICS_VERSION
from uad_bench.runs.score_maps import read_map, save_map

TEST = range(3, 11)


@pytest.fixture
def run(scored: Scored) -> Run:
    return scored.run_of(scored.judge_noisy())


def test_the_raw_numbers_of_a_rescoring_are_those_of_the_record_and_the_record_stays(run: Run, scored: Scored):
    before = run.record.read_bytes()
    document, record = rescore(run, data=scored.data), run.read_record()
    again = {key: value for key, value in values(document).items() if key in values(record)}
    assert again == values(record)
    assert run.record.read_bytes() == before
    assert (run.path / "rescored" / "volume-none.json").exists()


def test_the_common_chain_filters_before_the_threshold_and_drops_small_components_after(run: Run, scored: Scored):
    document = rescore(run, data=scored.data, chain="common")
    filtered = [ndimage.median_filter(read_map(run.map(f"P{i}")), 5) for i in TEST]
    scores = np.concatenate([f[brain_of(i)] for f, i in zip(filtered, TEST, strict=True)])
    labels = np.concatenate([lesion_of(i)[brain_of(i)] for i in TEST])
    assert values(document)["auprc@all/pooled"] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert {row.chain for row in document.metrics} == {"common"}
    threshold = document.thresholds["hFPR5"]
    marked = [_large((f >= threshold) & brain_of(i)) for f, i in zip(filtered, TEST, strict=True)]
    hit = sum((m & lesion_of(i)).sum() for m, i in zip(marked, TEST, strict=True))
    total = sum(m.sum() + lesion_of(i).sum() for m, i in zip(marked, TEST, strict=True))
    assert values(document)["dice@hFPR5/pooled"] == pytest.approx(2 * hit / total)


@pytest.mark.parametrize("compute", [rescore, lambda run, data: crosswalk(run, ["volume"], data=data)])
def test_maps_that_were_changed_after_scoring_are_refused(run: Run, scored: Scored, compute):
    save_map(run.map("P4"), -read_map(run.map("P4")))
    with pytest.raises(VerificationError, match=r"P4\.safetensors: was changed after it was scored"):
        compute(run, data=scored.data)


def test_a_perfect_map_has_perfect_lesions_and_surfaces(scored: Scored):
    run = scored.run_of(
        scored.judge("perfect", lambda i: np.where(lesion_of(i), 10, noisy(i, strength=0)).astype(np.float32))
    )
    found = values(rescore(run, data=scored.data))
    assert found["nsd2@valDice/mean"] == found["lesion_f1_any@valDice/mean"] == 1 or found["dice@valDice/pooled"] < 1


def test_groups_by_a_column_hold_their_patients_and_their_own_numbers(run: Run, scored: Scored):
    rows = rescore(run, data=scored.data, by="sex").groups
    women = [i for i in TEST if i % 2 == 0]
    scores, labels = (np.concatenate([of(i)[brain_of(i)] for i in women]) for of in (noisy, lesion_of))
    found = next(r for r in rows if r.group == "sex=F" and r.name == "auprc" and r.aggregation == "pooled")
    assert found.n_subjects == len(women)
    assert found.value == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert found.low < found.value < found.high


def test_a_column_that_is_not_there_is_named_with_those_that_are(run: Run, scored: Scored):
    with pytest.raises(ConfigError, match="sex"):
        rescore(run, data=scored.data, by="sexx")


def test_the_largest_slice_holds_one_slice_a_patient(run: Run, scored: Scored):
    document = rescore(run, data=scored.data, protocol="largest-slice")
    scores, labels = (np.concatenate([of(i)[:, :, 2][brain_of(i)[:, :, 2]] for i in TEST]) for of in (noisy, lesion_of))
    assert values(document)["auprc@all/pooled"] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_stored_replicates_come_back_with_their_numbers(run: Run, scored: Scored):
    assert read_rescored(run, "volume", "common") is None
    rescore(run, data=scored.data, chain="common")
    found = read_rescored(run, "volume", "common")
    assert found is not None
    row = found[0].find("auprc", chain="common")
    replicates = found[1]["auprc@all/pooled"]
    interval = t_interval(row.value, replicates, n_patients=row.n_subjects, proportion=True)
    assert (interval.low, interval.high) == (row.low, row.high)


@pytest.mark.parametrize(("version", "changed", "current"), [(None, "", True), (1, "", False), (None, "x", False)])
def test_results_of_another_metrics_version_or_protocol_file_are_not_current(version, changed, current):
    rules = {"rules": _rules(load_protocol("volume")) + changed, "metrics_version": version or METRICS_VERSION}
    assert is_current(Rescoring(schema=1, run="r", protocol="volume", chain="none", **rules)) is current


@pytest.mark.parametrize(("found", "stored"), [(0.5, 0.5), (float("nan"), None)])
def test_a_threshold_that_a_paper_does_not_have_is_none(found, stored):
    assert _replayed(Replay("mmccd", found, ())).thresholds == {"published": stored}


def test_one_run_fills_the_cross_walk_and_gaps_say_why(run: Run, scored: Scored):
    entries = {e.protocol: e for e in crosswalk(run, ["volume", "mmccd", "anoddpm", "dae"], data=scored.data)}
    dice = {name: next(m for m in e.metrics if m.name == "dice") for name, e in entries.items()}
    assert dice["mmccd"].value is not None
    for name in ("anoddpm", "dae"):  # a threshold in another unit
        assert dice[name].undefined.startswith("n/a (")


def test_both_commands_print_a_document(run: Run, scored: Scored, capsys):
    common = [str(run.path), "--data", str(scored.data), "--runs", str(scored.runs), "--json"]
    assert _run(["rescore", *common, "--chain", "common"], debug=False) == 0
    assert json.loads(capsys.readouterr().out)["chain"] == "common"
    assert _run(["crosswalk", *common, "--protocol", "mmccd", "--protocol", "volume"], debug=False) == 0
    assert [e["protocol"] for e in json.loads(capsys.readouterr().out)["protocols"]] == ["mmccd", "volume"]


def _large(mask: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    return np.isin(labels, [k for k in range(1, count + 1) if (labels == k).sum() > 20])
