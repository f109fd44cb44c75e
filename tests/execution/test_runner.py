"""One method on one split, or on folds: what is done, redone, and never done twice."""

import json
import locale
import time
from pathlib import Path

import pytest

from tests.tiny_bench import TinyBench, gather_tiny, result_files
from uad_bench.benchmark.runner import Runner
from uad_bench.errors import ConfigError

GATED = """
import pathlib
if batch.keys[0].subject_id == {subject!r}:
    pathlib.Path("{gate}").stat()
return batch.image[:, 0]
"""


def test_a_finished_run_is_read_and_not_redone(quick: TinyBench):
    entry = quick.write("once")
    first = quick.run(entry)
    assert quick.run(entry) == first
    assert len(quick.events(entry, "start")) == 1


def test_a_failed_run_is_tried_again_and_its_finished_maps_are_kept(quick: TinyBench, tmp_path: Path):
    gate = tmp_path / "gate"
    entry = quick.write("flaky", score=GATED.format(subject=quick.cohort.splits[0].test[-1], gate=gate))
    assert quick.run(entry)["reason"] == "crash"
    gate.touch()
    assert quick.run(entry)["status"] == "ok"
    assert len(quick.events(entry, "fit")) == 1
    assert len(quick.events(entry, "scored")) == 4


def test_the_record_says_code_versions_data_config_hardware_seed_and_claim(quick: TinyBench):
    record = quick.run(quick.write("told"), seed=3)
    assert record["seed"] == 3
    assert record["task"]["data_digest"] == quick.cohort.digest
    assert len(record["method"]["source"]) == 64
    assert record["method"]["params"] == {"scale": 1.0}
    assert record["method"]["deterministic"] is True
    assert {"uad_bench", "code", "python", "packages", "cpu", "memory_mib", "settings"} <= record["environment"].keys()


def test_no_path_of_this_machine_is_in_a_record_not_even_of_a_failure(quick: TinyBench, tiny_data: Path):
    for fit in ("pass", f"open({str(tiny_data / 'absent')!r})"):
        text = json.dumps(quick.run(quick.write("told", fit=fit)))
        assert not [place for place in (quick.folder, tiny_data, Path.home(), Path.cwd()) if f"{place}/" in text]


def test_the_manifest_comes_after_all_maps_and_states_their_digests_and_sizes(quick: TinyBench):
    entry = quick.write("listed")
    quick.run(entry)
    run = quick.folder_of(entry)
    manifest = json.loads(run.manifest.read_text())
    digests = result_files(run)
    assert manifest["checkpoint"] == digests["checkpoint.safetensors"]
    for subject, listed in manifest["maps"].items():
        file = run.map(subject)
        assert (listed["sha256"], listed["bytes"]) == (digests[f"maps/{file.name}"], file.stat().st_size)
        assert run.manifest.stat().st_mtime_ns >= file.stat().st_mtime_ns


def test_another_time_zone_locale_and_clock_change_no_byte(quick: TinyBench, monkeypatch: pytest.MonkeyPatch):
    entry = quick.write("steady", score="import torch; return batch.image[:, 0] + torch.rand(1)")
    quick.run(entry)
    here = result_files(quick.folder_of(entry))
    quick.runner = Runner(root=quick.folder / "elsewhere")
    before = locale.setlocale(locale.LC_ALL)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Pacific/Kiritimati")
        patch.setenv("LC_ALL", "C")
        patch.setattr(time, "time", lambda: 0.0)
        time.tzset()
        locale.setlocale(locale.LC_ALL, "C")
        quick.run(entry)
        locale.setlocale(locale.LC_ALL, before)
    time.tzset()
    assert result_files(quick.folder_of(entry)) == here


def test_a_method_that_needs_what_the_task_lacks_is_refused(quick: TinyBench):
    entry = quick.write("greedy")
    assert entry.file
    entry.file.write_text(entry.file.read_text().replace('("flair",)', '("pet",)'))
    with pytest.raises(ConfigError, match="method greedy needs pet; the task has flair, t2"):
        quick.run(entry)


def test_folds_are_kept_when_a_later_one_fails_and_go_on_there(quick: TinyBench, tiny_data: Path, tmp_path: Path):
    quick.cohort = gather_tiny(tiny_data, folds=2)
    gate = tmp_path / "gate"
    entry = quick.write("folded", score=GATED.format(subject=quick.cohort.splits[1].test[0], gate=gate))
    failed = quick.run(entry)
    run = quick.folder_of(entry)
    kept = [fold.path.name for fold in run.folds if fold.finished]
    assert (failed["status"], failed["metrics"]) == ("failed", [])
    gate.touch()
    record = quick.run(entry)
    assert (record["status"], record["n_folds"]) == ("ok", 2)
    for name in kept:
        events = [json.loads(line)["event"] for line in (run.path / name / "events.jsonl").read_text().splitlines()]
        assert events.count("fit") == 1


def test_what_stops_a_run_is_in_its_log(quick: TinyBench, monkeypatch: pytest.MonkeyPatch):
    entry = quick.write("stopped")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("uad_bench.benchmark.runner.judge", stop)
    with pytest.raises(KeyboardInterrupt):
        quick.run(entry)
    (event,) = quick.events(entry, "stopped")
    assert event["error"] == "KeyboardInterrupt"

    with quick.folder_of(entry).lock() as dead:  # it is free again, and nobody died
        assert dead == ""


def test_a_warning_of_any_fold_is_in_the_record_over_folds_once(quick: TinyBench, tiny_data: Path):
    quick.cohort = gather_tiny(tiny_data, folds=2)
    first = quick.cohort.splits[0].test[0]
    record = quick.run(quick.write("flat", score=f"return batch.image[:, 0] * (batch.keys[0].subject_id != {first!r})"))
    assert [w for w in record["warnings"] if w["kind"] == "constant"] == [{"kind": "constant", "count": 1}]
