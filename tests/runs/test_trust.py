"""What a finished run holds is compared with what was written, number by number and file by file."""

import math
from pathlib import Path

import numpy as np
import pytest

from tests.made_results import made_experiment, made_failure, made_record, write_run
from uad_bench.data.split import Split
from uad_bench.digests import digest_file
from uad_bench.errors import VerificationError
from uad_bench.files import write_json
from uad_bench.runs.checkpoints import Manifest, StoredMap, save_checkpoint
from uad_bench.runs.events import Fit, Fitted, Imported, Reconstructed, Repaired, Scored
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import (
    Finding,
    Verification,
    _check_log_against,
    _check_patients,
    check_roles,
    differs,
    require_stored_maps,
    untouched_record,
)
from uad_bench.runs.origin import Origin
from uad_bench.runs.record import WeightsOfRun, carried_thresholds, record_digest
from uad_bench.runs.score_maps import save_map
from uad_bench.runs.trust import damaged, repair, unscored


@pytest.mark.parametrize(
    ("stored", "again", "found"),
    [(None, math.nan, 0), (math.nan, math.nan, 0), (0.5, 0.5, 0), (0.5, 0.6, 1), (None, 0.5, 1), (0.5, math.nan, 1)],
)
def test_a_stored_number_differs_unless_both_are_equal_or_undefined(stored, again, found):
    assert len(list(differs("record.json", stored, again))) == found


def test_a_changed_table_is_damage_and_so_is_a_changed_record(tmp_path):
    run = write_run(tmp_path, made_record())
    assert damaged(run) == []
    run.metrics.write_text("subject,auprc\n")
    assert damaged(run) == ["metrics.csv"]
    run.record.write_text(run.record.read_text().replace("0.6", "0.7"))
    assert damaged(run) == ["record.json"]


def test_maps_are_those_of_the_manifest_or_refused(tmp_path):
    run = Run(tmp_path)
    run.maps.mkdir()
    for name in ("P0", "P1"):
        save_map(run.map(name), np.zeros((2, 2, 2), np.float32))
    require_stored_maps(run, ["P0"])  # nothing is known without a manifest
    stored = StoredMap(sha256=digest_file(run.map("P0")), shape=(2, 2, 2), bytes=run.map("P0").stat().st_size)
    write_json(run.manifest, Manifest(maps={"P0": stored}).to_json())
    require_stored_maps(run)
    require_stored_maps(run, ["P0", "absent"])
    with pytest.raises(VerificationError, match=r"P1.safetensors: was changed"):
        require_stored_maps(run, ["P0", "P1"])
    save_map(run.map("P0"), np.ones((2, 2, 2), np.float32))
    with pytest.raises(VerificationError, match=r"P0.safetensors: was changed"):
        require_stored_maps(run)


def test_a_threshold_is_carried_only_from_weights_that_have_one():
    bare = WeightsOfRun(run="a/b/seed0-1", checkpoint="c" * 64, further=False)
    assert carried_thresholds(None) == carried_thresholds(bare) == {}
    assert carried_thresholds(bare.model_copy(update={"hfpr5": 1.5})) == {"hFPR5-origin": 1.5}


def test_roles_are_those_of_the_split_and_of_the_experiment(tmp_path):
    digest = Split("made", ("T0",), ("V0",), ("P0", "P1")).digest

    def findings(split: str, asked: str, train: list[str]) -> list[str]:
        task = {"split": {"name": "made", "digest": split, "note": ""}}
        record = made_record(task=task, subjects={"train": train, "val": ["V0"], "test": ["P0", "P1"]})
        run = Run(tmp_path)
        write_json(run.experiment, made_experiment(splits=[asked]).to_json())
        return [finding.where for finding in check_roles(run, record)]

    assert findings(digest, digest, ["T0"]) == []
    assert findings(digest, digest, ["T1"]) == ["record.json subjects", "experiment.json splits"]
    assert findings(digest, "0" * 64, ["T0"]) == ["experiment.json splits"]
    assert findings(digest, digest, ["P0"]) == ["record.json subjects"]  # a patient in two roles


@pytest.mark.parametrize(
    ("scored", "repaired", "fits", "complaints"),
    [
        (1, 0, 1, 0),
        (1, 0, 0, 0),
        (2, 0, 1, 1),
        (2, 1, 1, 0),
        (2, 0, 2, 0),
        (2, 0, 0, 1),
        (3, 1, 2, 0),
        (4, 1, 2, 1),
        (0, 0, 1, 1),
    ],
)
def test_a_map_is_stored_once_and_again_only_after_a_repair_or_another_training(scored, repaired, fits, complaints):
    record = made_record(subjects={"train": [], "val": [], "test": ["P0"]})
    stored = Imported(subject="P0", sha256="0" * 64, bytes=1, shape=(1, 1, 1))
    fit, repair = Fit(seconds=1.0, slices=1), Repaired(file="maps/P0.safetensors")
    events = [*[fit] * fits, *[stored] * scored, *[repair] * repaired, Repaired(file="checkpoint.safetensors")]
    assert len(list(_check_patients(events, record))) == complaints


def test_a_difference_outweighs_numbers_that_cannot_be_recomputed():
    def code(*findings: Finding, unverifiable: str = "") -> int:
        return Verification("r", 0, findings, unverifiable).exit_code

    found = Finding("record.json", "differs")
    assert [code(), code(unverifiable="no maps"), code(found), code(found, unverifiable="no maps")] == [0, 3, 5, 5]


def test_changed_results_of_a_later_evaluation_and_changed_folds_are_refused(tmp_path: Path):
    run = write_run(tmp_path, made_record())
    (run.path / "rescored").mkdir()
    rescored = {"metrics": [], "digest": record_digest({"metrics": []})}
    write_json(run.path / "rescored/none.json", rescored)
    assert untouched_record(run) == run.read_record()
    write_json(run.path / "rescored/none.json", {**rescored, "metrics": [1]})
    with pytest.raises(VerificationError, match=r"rescored/none\.json: was changed"):
        untouched_record(run)
    write_json(run.path / "rescored/none.json", rescored)
    fold = Run(run.path / "fold0").create()
    fold.record.write_text(run.record.read_text().replace("0.6", "0.7"))
    with pytest.raises(VerificationError, match=r"fold0: record\.json: was changed"):
        untouched_record(run)


def test_the_manifest_has_the_maps_and_the_weights_that_were_logged(tmp_path: Path):
    run = Run(tmp_path)
    run.append(Fitted(checkpoint="c" * 64))
    run.append(Imported(subject="P0", sha256="0" * 64, bytes=1, shape=(1, 1, 1)))
    stored = StoredMap(sha256="0" * 64, bytes=1, shape=(1, 1, 1))

    def findings(*names: str, checkpoint: str = "c" * 64) -> list[str]:
        manifest = Manifest(maps=dict.fromkeys(names, stored), checkpoint=checkpoint)
        return [finding.where for finding in _check_log_against(run, manifest)]

    assert findings("P0") == []
    assert findings() == ["MANIFEST.json P0"]
    assert findings("P0", "P1") == ["MANIFEST.json P1"]
    assert findings("P0", checkpoint="d" * 64) == ["MANIFEST.json checkpoint"]


def test_a_repaired_run_is_unfinished_and_its_log_names_what_was_removed(tmp_path: Path):
    run = write_run(tmp_path, made_record())
    save_map(run.map("P00"), np.zeros((2, 2, 2), np.float32))
    stored = StoredMap(sha256="0" * 64, shape=(2, 2, 2), bytes=1)
    write_json(run.manifest, Manifest(maps={"P00": stored}).to_json())
    run.append(Reconstructed(subject="P00", sha256="0" * 64, bytes=1, shape=(1, 1, 1)))
    run.reconstructions.mkdir()
    run.reconstruction("P00").write_bytes(b"changed")
    removed = ["maps/P00.safetensors", "reconstructions/P00.safetensors"]
    assert damaged(run) == removed[:1]  # of another size
    assert repair(run) == removed
    assert not run.finished
    assert not any(path.exists() for path in (run.manifest, run.map("P00"), run.reconstruction("P00")))
    assert [event.file for event in run.read_events() if isinstance(event, Repaired)] == removed


def test_maps_of_other_weights_are_scored_again(tmp_path: Path):
    run = Run(tmp_path).create()
    run.checkpoint.write_bytes(b"weights")
    for name, checkpoint in (("P0", "0" * 64), ("P1", digest_file(run.checkpoint))):
        run.append(Fitted(checkpoint=checkpoint))
        run.append(Scored(subject=name, seconds=1, slices=1, sha256="0" * 64, bytes=1, shape=(1, 1, 1)))
        run.map(name).touch()
    assert unscored(run, ["P0", "P1", "P2"]) == ["P0", "P2"]


def test_weights_bring_their_threshold_only_where_they_are_applied_unchanged(tmp_path: Path):
    run = write_run(tmp_path, made_record())
    save_checkpoint(run.checkpoint, {}, training_set={})
    assert [Origin(run, further).named_weights.hfpr5 for further in (False, True)] == [0.5, None]


def test_every_table_of_a_finished_run_is_sealed_and_a_failed_run_is_not_finished(tmp_path: Path):
    run = write_run(tmp_path, made_record())
    assert {"metrics.csv", "replicates.npy", "sweep.csv"} <= set(run.read_record().files)
    failed = Run(tmp_path / "failed").create()
    failed.finish(made_failure())
    assert (failed.failed, failed.finished) == (True, False)
