"""The doctor sees everything at once and stops at nothing."""

import json
import shutil

import numpy as np
import pytest

from uad_bench.config import load_task
from uad_bench.data.cohort import gather
from uad_bench.data.doctor import examine, examine_task
from uad_bench.datasets.brats import Brats
from uad_bench.datasets.folder import Folder
from uad_bench.errors import UadBenchError


@pytest.fixture
def look(cohort, cache_root):
    def look(modalities=None):
        document = examine(Brats(cohort.root).subjects, modalities, cache=cache_root)
        json.dumps(document, allow_nan=False)
        return document

    return look


def messages(document, level):
    return [finding["message"] for finding in document["findings"] if finding["level"] == level]


def test_a_sound_cohort_is_usable(look):
    document = look()
    assert document["usable"]
    assert document["modalities"] == ["flair", "t1"]
    assert document["summary"]["patients"] == document["summary"]["sound"] == 6
    assert document["summary"]["orientations"] == {"LPS": 6}
    assert messages(document, "refused") == []


def test_a_patient_row_holds_what_was_measured(look):
    row = look()["patients"][0]
    assert row["id"] == "P0"
    assert row["shape"] == [24, 28, 14]
    assert row["label_values"] == [0, 2]
    assert row["anomaly_ml"] == 0.032
    assert row["anomaly_slices"] == 2
    assert row["skull"] == "stripped"
    assert row["problems"] == []


def test_every_broken_file_is_listed_and_the_rest_still_measured(cohort, look):
    (cohort.root / "P0/P0_flair.nii.gz").write_bytes(b"nothing")
    (cohort.root / "P1/P1_t1.nii.gz").unlink()
    cohort.save(cohort.root / "P2/P2_seg.nii.gz", cohort.lesion()[1:])
    document = look()
    assert not document["usable"]
    assert [row["id"] for row in document["patients"] if row["left_out"]] == ["P0", "P1", "P2"]
    assert len(messages(document, "refused")) == 3
    assert document["summary"]["sound"] == 3


def test_duplicates_are_named(cohort, look):
    shutil.copy(cohort.root / "P0/P0_flair.nii.gz", cohort.root / "P5/P5_flair.nii.gz")
    document = look()
    assert not document["usable"]
    assert messages(document, "refused") == ["flair of P0 and P5: identical voxels"]
    assert document["duplicates"][0]["equal"]


def test_unusual_patients_are_warnings(cohort, look):
    cohort.save(cohort.root / "P0/P0_seg.nii.gz", np.zeros(cohort.shape, np.uint8))
    (cohort.root / "P1/P1_seg.nii.gz").unlink()
    cohort.save(cohort.root / "P2/P2_seg.nii.gz", cohort.lesion() * 3)
    document = look()
    text = "\n".join(messages(document, "warning"))
    assert document["usable"]
    assert "P0: the label is empty" in text
    assert "P1: no label" in text
    assert "P2: label values (6,)" in text


def test_a_whole_head_is_seen(cohort, look):
    cohort.save(cohort.root / "P0/P0_flair.nii.gz", np.full(cohort.shape, 40, np.int16))
    row = look()["patients"][0]
    assert row["skull"] == "whole head"


def test_a_modality_that_few_have_is_noted_not_asked_for(cohort, look):
    cohort.save(cohort.root / "P0/P0_t2.nii.gz", cohort.texture(5))
    document = look()
    assert document["modalities"] == ["flair", "t1"]
    assert "not every patient has t2" in messages(document, "note")[0]


def test_a_modality_asked_for_is_demanded(look):
    assert len(messages(look(("flair", "t2")), "refused")) == 6


def test_an_empty_or_absent_folder_is_a_finding_not_a_crash(tmp_path, cache_root):
    (tmp_path / "empty").mkdir()
    for name, says in (("empty", "no patients found"), ("absent", "no such folder")):
        document = examine(Brats(tmp_path / name).subjects, cache=cache_root)
        assert not document["usable"]
        assert says in messages(document, "refused")[0]


def test_a_folder_that_nobody_described_is_a_finding(tmp_path, cache_root):
    assert "dataset.toml" in messages(examine(Folder(tmp_path).subjects, cache=cache_root), "refused")[0]


@pytest.fixture
def task(tmp_path):
    """Writes a task that reads FLAIR alone, with lines added."""

    def write(*lines):
        path = tmp_path / "own.toml"
        asked = ['dataset = "brats"', 'modalities = ["flair"]', "margin = 0", "budget = {steps = 1, batch_size = 1}"]
        path.write_text("\n".join([*asked, *lines]))
        return load_task(str(path))

    return write


def verdict(task, cohort):
    document = examine_task(task, cohort.root, report=lambda _: None)
    return document["usable"], messages(document, "refused")


def test_a_cohort_without_labels_is_refused_as_a_run_would_refuse_it(cohort, task):
    for label in cohort.root.glob("*/*seg*"):
        label.unlink()
    with pytest.raises(UadBenchError, match="0 labelled patients") as refusal:
        gather(task(), cohort.root, report=lambda _: None)
    assert verdict(task(), cohort) == (False, [str(refusal.value)])


def test_four_patients_are_too_few_for_a_hash_split(cohort, task):
    shutil.rmtree(cohort.root / "P0")
    shutil.rmtree(cohort.root / "P1")
    usable, [said] = verdict(task(), cohort)
    assert (usable, said[:18]) == (False, "4 labelled patient")


def test_whole_heads_are_refused_unless_the_task_accepts_them(cohort, task):
    for i in range(6):
        cohort.save(cohort.root / f"P{i}/P{i}_flair.nii.gz", cohort.texture(i) + np.int16(5))
    usable, [said] = verdict(task(), cohort)
    assert (usable, "6 of 6 patients, first P0, are not skull-stripped" in said) == (False, True)
    assert verdict(task("whole_head = true"), cohort) == (True, [])


def test_a_split_that_tests_nobody_is_refused(cohort, task, tmp_path):
    (tmp_path / "mine.txt").write_text("train P0\ntrain P1\nval P2\n")
    usable, [said] = verdict(task(f'split = "{tmp_path / "mine.txt"}"'), cohort)
    assert (usable, said[:40]) == (False, "split mine names no patient for test; mo")


def test_slices_without_brain_are_refused(cohort, task):
    usable, [said] = verdict(task("slices = [13, 13]"), cohort)
    assert (usable, "contain no brain of any patient" in said) == (False, True)


def test_a_modality_that_the_task_does_not_read_is_noted_as_that(cohort, task):
    document = examine_task(task(), cohort.root, report=lambda _: None)
    assert (document["usable"], messages(document, "note")) == (True, ["the task does not read t1"])


def test_patients_who_are_refused_are_listed_to_be_pasted_and_then_left_out(cohort, task):
    (cohort.root / "P1/P1_flair.nii.gz").write_bytes(b"nothing")
    document = examine_task(task(), cohort.root, report=lambda _: None)
    assert 'to leave these patients out: exclude = ["P1"] in the task' in messages(document, "note")
    assert verdict(task('exclude = ["P1"]'), cohort) == (True, [])
