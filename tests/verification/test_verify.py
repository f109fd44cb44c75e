"""Verification recomputes by another road: sound runs pass, and each kind of tampering is found and named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.scored import Scored, noisy
from uad_bench.cli.app import _run
from uad_bench.data.cache import cache_root
from uad_bench.digests import digest_file
from uad_bench.evaluation.rescore import rescore
from uad_bench.files import read_json, write_json
from uad_bench.runs.events import End, LabelAccess, Start
from uad_bench.runs.folder import Run
from uad_bench.runs.record import record_digest
from uad_bench.verification.claims import _parameters
from uad_bench.verification.verify import verify_run


@pytest.fixture
def run(scored: Scored) -> Run:
    return scored.run_of(scored.judge_noisy())


def test_a_sound_run_passes_with_every_number_recomputed(run: Run, scored: Scored):
    result = verify_run(run, data=scored.data)
    assert (result.findings, result.exit_code) == ((), 0)
    assert result.numbers > len(run.read_record().metrics) + 8 * 20


def flip_a_bit(run: Run) -> None:
    path = run.map("P5")
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)


def change_a_digit_of_the_record(run: Run) -> None:
    text = run.record.read_text()
    at = text.index('"value": 0.') + len('"value": 0.') + 5
    run.record.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])


def change_a_digit_of_the_table(run: Run) -> None:
    text = run.metrics.read_text()
    at = text.index("0.", text.index("\n")) + 4
    run.metrics.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])


def change_the_last_digit_of_the_sweep(run: Run) -> None:
    text = run.sweep.read_text()
    run.sweep.write_text(text[:-2] + str((int(text[-2]) + 1) % 10) + "\n")


def hide_a_missed_lesion(run: Run) -> None:
    run.lesions.write_text(run.lesions.read_text().replace("P4,1,", "P3,1,"))


def change_a_replicate(run: Run) -> None:
    values = np.load(run.replicates)
    values[1, 0] += 1e-6
    np.save(run.replicates, values)


def change_the_manifest(run: Run) -> None:
    manifest = read_json(run.manifest)
    manifest["maps"]["P5"]["sha256"] = "0" * 64
    write_json(run.manifest, manifest)


@pytest.mark.parametrize(
    ("tamper", "name"),
    [
        (flip_a_bit, "maps/P5.safetensors"),
        (change_a_digit_of_the_record, "record.json"),
        (change_a_digit_of_the_table, "metrics.csv"),
        (change_the_last_digit_of_the_sweep, "sweep.csv"),
        (hide_a_missed_lesion, "lesions.csv"),
        (change_a_replicate, "replicates.npy"),
        (change_the_manifest, "MANIFEST.json"),
    ],
)
def test_one_changed_bit_or_digit_is_named_and_exits_5(
    run: Run, scored: Scored, tamper: Callable[[Run], None], name: str
):
    tamper(run)
    result = verify_run(run, data=scored.data)
    assert result.exit_code == 5
    assert any(name in finding.where for finding in result.findings)


def forge(run: Run, change: Callable[[dict], None]) -> None:
    """Change the record and make every digest fit again, as someone would who knows how."""
    record = read_json(run.record)
    change(record)
    record["files"] = {name: digest_file(run.path / name) for name in record["files"]}
    write_json(run.record, {**record, "digest": record_digest(record)})


def raise_a_value(record: dict) -> None:
    next(row for row in record["metrics"] if row["name"] == "auprc")["value"] += 1e-6


def raise_a_group(record: dict) -> None:
    next(row for row in record["groups"] if row["name"] == "dice" and row["value"])["value"] += 1e-6


def widen_an_interval(record: dict) -> None:
    next(row for row in record["metrics"] if row["name"] == "auroc")["high"] += 1e-6


def move_a_threshold(record: dict) -> None:
    value = np.float32(float.fromhex(record["thresholds"]["hFPR5"]))
    record["thresholds"]["hFPR5"] = float.hex(float(np.nextafter(value, np.float32(0))))


def undefine_a_value(record: dict) -> None:
    row = next(row for row in record["metrics"] if row["name"] == "precision")
    row["value"], row["undefined"] = None, "empty_pred"


def metric(record: dict, name: str) -> dict:
    return next(row for row in record["metrics"] if row["name"] == name)


def drop_a_metric(record: dict) -> None:
    record["metrics"].remove(metric(record, "fpr95"))


def double_a_metric(record: dict) -> None:
    record["metrics"].append(metric(record, "fpr95"))


def add_a_metric(record: dict) -> None:
    record["metrics"].append({**metric(record, "auroc"), "name": "auroc_pro"})


def drop_a_group(record: dict) -> None:
    record["groups"] = [row for row in record["groups"] if row["group"] != "size=small"]


def drop_an_interval(record: dict) -> None:
    for end in ("low", "high"):
        del metric(record, "auprc")[end]


def give_an_interval(record: dict) -> None:
    metric(record, "fpr95").update(low=0.1, high=0.2)


def narrow_a_group(record: dict) -> None:
    next(row for row in record["groups"] if row["name"] == "dice" and row.get("low"))["low"] += 1e-3


def change_patients(record: dict) -> None:
    metric(record, "auprc")["n_subjects"] = 800


def change_level(record: dict) -> None:
    metric(record, "auprc")["level"] = 0.99


def change_region(record: dict) -> None:
    metric(record, "auprc")["region"] = "all"


def change_realised(record: dict) -> None:
    record["chosen_on"]["hFPR5"]["realised"] = 0.01


def change_rows(record: dict) -> None:
    record["jackknife"]["rows"] = "0" * 64


def change_cuts(record: dict) -> None:
    record["size_cuts_mm3"][0] += 1


@pytest.mark.parametrize(
    "changes",
    [  # made together where one hides no other
        {
            widen_an_interval: "auroc@all/pooled high",
            undefine_a_value: "precision@",
            drop_a_metric: "fpr95@all/pooled",
            add_a_metric: "auroc_pro@all/pooled",
            drop_a_group: "auprc@all/pooled#size=small",
            change_patients: "auprc@all/pooled n_subjects",
            change_realised: "chosen_on hFPR5",
        },
        {raise_a_value: "auprc@all/pooled", raise_a_group: "#size=", double_a_metric: "fpr95@all/pooled"},
        {drop_an_interval: "auprc@all/pooled low", give_an_interval: "fpr95@all/pooled", narrow_a_group: "#size="},
        {
            change_level: "auprc@all/pooled level",
            change_region: "auprc@all/pooled region",
            change_cuts: "size_cuts_mm3",
            move_a_threshold: "threshold hFPR5",
            change_rows: "jackknife rows",
        },
    ],
    ids=lambda changes: next(iter(changes)).__name__,
)
def test_a_forged_record_with_fitting_digests_is_found_by_the_maps(
    run: Run, scored: Scored, changes: dict[Callable[[dict], None], str]
):
    for change in changes:
        forge(run, change)
    findings = verify_run(run, data=scored.data).findings
    for name in changes.values():
        assert any(name in finding.where for finding in findings), (name, findings)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda record: record["method"].update(name="better"), "method name"),
        (lambda record: record["method"].update(profile="paper"), "method profile"),
        (lambda record: record.update(seed=7), "seed"),
        (lambda record: record["budget"].update(steps=10), "budget"),
        (lambda record: record["task"].update(pair=["t1", "t2"]), "task pair"),
        (lambda record: record["task"].update(protocol="largest-slice"), "task protocol"),
        (lambda record: record["task"].update(data_digest="0" * 64), "task data_digest"),
    ],
)
def test_a_record_of_another_experiment_is_found_without_any_map(
    run: Run, scored: Scored, change: Callable[[dict], None], name: str
):
    forge(run, change)
    assert [f.where for f in verify_run(run, data=scored.data).findings] == [f"record.json {name}"]


def test_parameters_that_were_asked_for_cannot_be_told_otherwise():
    assert _parameters({"depth": 3, "default": 1}, {"depth": 2}) == {"method params depth": (3, 2)}


def test_a_single_replicate_in_any_row_that_is_off_by_more_than_rounding_is_found(run: Run, scored: Scored):
    names = ("auprc@all", "auprc_gain@all", "auroc@all", "dice@oracle", "matched_auroc@all", "slice_auroc_top1pct@all")
    names += ("lesion_sensitivity@2FP", "froc_score@all", "dice@hFPR5")
    keys, values = run.read_record().jackknife.metrics, np.load(run.replicates)
    for row, name in enumerate(names):
        values[row % len(values), keys.index(f"{name}/pooled")] += 1e-8
    np.save(run.replicates, values)
    forge(run, lambda _: None)
    found = {f.where.partition(" row ")[2] for f in verify_run(run, data=scored.data).findings}
    assert found >= {f"{row % len(values)} {name}/pooled" for row, name in enumerate(names)}


def drop_a_row_of_the_sweep(run: Run) -> None:
    lines = run.sweep.read_text().splitlines(keepends=True)
    run.sweep.write_text("".join(lines[:5] + lines[6:]))


def drop_a_column(run: Run) -> None:
    rows = [line.rpartition(",")[0] for line in run.metrics.read_text().splitlines()]
    run.metrics.write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize("tamper", [drop_a_column, change_a_digit_of_the_table])
def test_a_table_that_is_forged_or_not_whole_is_found(run: Run, scored: Scored, tamper: Callable[[Run], None]):
    tamper(run)
    drop_a_row_of_the_sweep(run)
    forge(run, lambda _: None)
    findings = verify_run(run, data=scored.data).findings
    assert [finding.where.partition(" ")[0] for finding in findings] == ["metrics.csv", "sweep.csv"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("record.json", '{"metrics": []}'),
        ("record.json", "[]"),
        ("record.json", "{"),
        ("MANIFEST.json", "{}"),
        ("MANIFEST.json", '{"maps": {"P5": 3}, "checkpoint": null}'),
        ("experiment.json", "{}"),
        ("experiment.json", None),
        ("DONE", None),
    ],
)
def test_a_broken_or_missing_file_is_a_finding_that_names_it(run: Run, scored: Scored, name: str, text: str | None):
    (run.path / name).unlink() if text is None else (run.path / name).write_text(text)
    result = verify_run(run, data=scored.data)
    assert result.exit_code == 5
    assert all(finding.where.startswith(name) for finding in result.findings)


def test_nonsense_deep_inside_a_sealed_record_is_a_finding_and_no_traceback(run: Run, scored: Scored):
    forge(run, lambda record: record["thresholds"].update(hFPR5=[]))
    assert verify_run(run, data=scored.data).exit_code == 5


@pytest.mark.slow
def test_rescored_results_and_their_replicates_are_recomputed(run: Run, scored: Scored):
    rescore(run, data=scored.data, chain="common")
    assert verify_run(run, data=scored.data).findings == ()
    path = run.path / "rescored" / "volume-common.npy"
    values = np.load(path)
    values[5, 1] *= 1 + 1e-6
    np.save(path, values)
    assert [f.where for f in verify_run(run, data=scored.data).findings] == ["rescored/volume-common.npy"]


def test_a_damaged_reference_in_the_cache_is_not_believed(
    run: Run, scored: Scored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(cache_root() / "references", tmp_path / "cache" / "references")
    monkeypatch.setenv("UAD_BENCH_CACHE", str(tmp_path / "cache"))  # other tests use the session's
    right = run.read_record().value("auprc")
    for path in cache_root().glob("references/*.npy"):
        bits = np.load(path)
        bits[bits.size // 2 + bits.size // 4] ^= 255
        np.save(path, bits)
    other = scored.run_of(scored.judge("damaged"))
    assert other.read_record().value("auprc") != right
    assert any("auprc@all/pooled" in f.where for f in verify_run(other, data=scored.data).findings)


def test_a_warning_taken_out_of_the_record_is_found_by_the_log(run: Run, scored: Scored):
    run.append(Start())
    run.append(LabelAccess(path="P3"))
    run.append(End(status="ok"))
    (finding,) = verify_run(run, data=scored.data).findings
    assert str(finding) == "record.json warning label_access: is 0, events.jsonl has 1"


def test_a_swapped_patient_of_the_split_is_found_before_any_number(run: Run, scored: Scored):
    def swap(record: dict) -> None:
        record["subjects"]["test"][0] = "P0"
        record["subjects"]["val"][0] = "P10"

    forge(run, swap)
    assert any("subjects" in finding.where for finding in verify_run(run, data=scored.data).findings)


def test_a_run_without_its_maps_is_unverifiable(run: Run, scored: Scored, capsys):
    run.map("P5").unlink()
    result = verify_run(run, data=scored.data)
    assert (result.findings, result.exit_code) == ((), 3)
    arguments = ["verify", str(run.path), "--data", str(scored.data), "--runs", str(scored.runs)]
    assert _run(arguments, debug=False) == 3
    assert "unverifiable" in capsys.readouterr().out


def test_values_of_an_older_metrics_version_are_verified_and_its_intervals_are_said_not_to_be(run: Run, scored: Scored):
    def older(record: dict) -> None:
        record.update(metrics_version=1, metrics=[row for row in record["metrics"] if "matched" not in row["name"]])
        record["metrics"][0].update(value=0.9, low=0.0, high=1.0)

    forge(run, older)
    result = verify_run(run, data=scored.data)
    assert [f.where for f in result.findings] == ["record.json auprc@all/pooled"]
    assert result.numbers > 30
    assert "intervals, replicates and tables, computed under metrics version 1" in result.unchecked[0]


@pytest.mark.parametrize("version", [0, 99])
def test_an_unknown_metrics_version_is_a_finding(run: Run, scored: Scored, version: int):
    forge(run, lambda record: record.update(metrics_version=version))
    assert [f.where for f in verify_run(run, data=scored.data).findings] == ["record.json metrics_version"]


def test_other_data_than_the_run_had_are_refused(run: Run, scored: Scored, tmp_path: Path):
    from tests.scored import write_cohort
    from uad_bench.errors import DataError

    with pytest.raises(DataError, match="not in the data"):
        verify_run(run, data=write_cohort(tmp_path / "fewer", 5))


def test_a_failed_run_has_nothing_to_verify_and_is_no_failure_of_the_folder(scored: Scored, capsys):
    scored.judge("bad", lambda i: noisy(i)[:5])
    assert _run(["verify", str(scored.runs), "--data", str(scored.data), "--json"], debug=False) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [result["verified"] for result in results] == [True]
