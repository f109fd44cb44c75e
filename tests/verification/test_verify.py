"""Verification recomputes by another road: sound runs pass, and each kind of tampering is found and named."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.scored import Scored, noisy
from uad_bench.cli.app import _run
from uad_bench.files import read_json, write_json
from uad_bench.fingerprint import digest_file
from uad_bench.storage.records import record_digest
from uad_bench.storage.runs import Run
from uad_bench.verification.verify import verify_run


@pytest.fixture
def run(scored: Scored) -> Run:
    return scored.run_of(scored.judge("noisy"))


def test_a_sound_run_passes_with_every_number_recomputed(run: Run, scored: Scored):
    result = verify_run(run, data=scored.data)
    assert (result.findings, result.exit_code) == ((), 0)
    assert result.numbers > len(run.read_record()["metrics"]) + 8 * 20


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


def change_a_replicate(run: Run) -> None:
    values = np.load(run.replicates)
    values[7, 0] += 1e-6
    np.save(run.replicates, values)


def change_the_manifest(run: Run) -> None:
    manifest = read_json(run.manifest)
    manifest["maps"]["P5"]["sha256"] = "0" * 64
    write_json(run.manifest, manifest)


@pytest.mark.parametrize(
    ("tamper", "name"),
    [
        (flip_a_bit, "maps/P5.npy"),
        (change_a_digit_of_the_record, "record.json"),
        (change_a_digit_of_the_table, "metrics.csv"),
        (change_the_last_digit_of_the_sweep, "sweep.csv"),
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


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (raise_a_value, "auprc@all/pooled"),
        (raise_a_group, "#size="),
        (widen_an_interval, "auroc@all/pooled high"),
        (move_a_threshold, "threshold hFPR5"),
        (undefine_a_value, "precision@"),
    ],
)
def test_a_forged_record_with_fitting_digests_is_found_by_the_maps(
    run: Run, scored: Scored, change: Callable[[dict], None], name: str
):
    forge(run, change)
    findings = verify_run(run, data=scored.data).findings
    assert any(name in finding.where for finding in findings), findings


def test_a_forged_table_with_fitting_digests_is_found_by_the_maps(run: Run, scored: Scored):
    change_a_digit_of_the_table(run)
    forge(run, lambda _: None)
    findings = verify_run(run, data=scored.data).findings
    assert [finding.where.partition(" ")[0] for finding in findings] == ["metrics.csv"]


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


def test_numbers_of_another_metrics_version_are_refused(run: Run, scored: Scored):
    forge(run, lambda record: record.update(metrics_version=0))
    assert any("rescore" in finding.what for finding in verify_run(run, data=scored.data).findings)


def test_other_data_than_the_run_had_are_refused(run: Run, scored: Scored, tmp_path: Path):
    from tests.scored import write_cohort
    from uad_bench.errors import DataError

    with pytest.raises(DataError, match="not in the data"):
        verify_run(run, data=write_cohort(tmp_path / "fewer", 5))


def test_a_failed_run_has_nothing_to_verify_and_is_no_failure_of_the_folder(run: Run, scored: Scored, capsys):
    scored.judge("bad", lambda i: noisy(i)[:5])
    assert _run(["verify", str(scored.runs), "--data", str(scored.data), "--json"], debug=False) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [result["verified"] for result in results] == [True, True]
    assert run.path.is_dir()
