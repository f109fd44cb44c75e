"""Anybody's maps: what is right becomes a run, what is wrong becomes a FAILED row with its reason."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.scored import SHAPE, Scored, noisy, values
from uad_bench.benchmark.evaluate_maps import MERGED, Submission, evaluate_maps
from uad_bench.cli.app import _run
from uad_bench.config import load_task
from uad_bench.data.cohort import gather
from uad_bench.errors import ConfigError, DataError, LeakError
from uad_bench.runs.folder import find_runs


def test_a_folder_becomes_a_finished_run_and_is_never_judged_twice(scored: Scored):
    record = scored.judge("mine")
    assert record["status"] == "ok"
    assert record["method"]["origin"] == "external maps"
    assert [run.path for run in find_runs(scored.runs)] == [scored.run_of(record).path]
    assert scored.judge("mine") == record


def test_a_record_that_was_changed_is_evaluated_again(scored: Scored):
    record = scored.judge_noisy()
    path = scored.run_of(record).record
    path.write_text(path.read_text().replace(record["created"], "2001-01-01T00:00:00Z"))
    again = scored.judge("noisy")
    assert again["created"] != "2001-01-01T00:00:00Z"
    assert again["metrics"] == record["metrics"]


def test_maps_in_another_orientation_are_turned_back(scored: Scored):
    def write(folder: Path, numbers: range) -> Path:
        folder.mkdir()
        for i in numbers:
            flipped = noisy(i)[::-1, :, ::-1].transpose(1, 0, 2)
            affine = np.array([[0, -1, 0, SHAPE[0] - 1], [1, 0, 0, 0], [0, 0, -1, SHAPE[2] - 1], [0, 0, 0, 1.0]])
            nib.save(nib.Nifti1Image(flipped, affine), folder / f"P{i}.nii.gz")
        return folder

    maps, val = write(scored.folder / "turned", range(3, 11)), write(scored.folder / "turned-val", range(3))
    assert values(scored.submit(maps, "turned", threshold_maps=val)) == values(scored.judge_noisy("mine"))


@pytest.fixture
def lps(scored: Scored, tmp_path: Path) -> Scored:
    """The same patients, stored as LPS."""
    for path in scored.data.rglob("*.nii.gz"):
        array = np.asarray(nib.load(path).dataobj)[::-1, ::-1]
        affine = np.diag([-1.0, -1.0, 1.0, 1.0])
        affine[:2, 3] = np.array(SHAPE[:2]) - 1
        turned = tmp_path / "lps" / path.relative_to(scored.data)
        turned.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, affine), turned)
    return Scored(tmp_path / "lps", tmp_path / "of-lps", scored.count)


def test_arrays_of_scans_that_are_not_stored_as_ras_need_a_word_on_their_axes(lps: Scored):
    with pytest.raises(ConfigError, match=r"LPS.*--npy-orientation scan .* --npy-orientation ras "):
        lps.judge("silent")
    assert not lps.runs.exists()


def test_arrays_of_lps_scans_give_the_same_numbers_in_either_declared_order(scored: Scored, lps: Scored):
    known = values(scored.judge_noisy("mine"))
    assert values(lps.judge("ras", npy_orientation="ras")) == known
    assert values(lps.judge("scan", lambda i: noisy(i)[::-1, ::-1], npy_orientation="scan")) == known
    assert values(lps.judge("ras", lambda i: noisy(i)[::-1, ::-1], npy_orientation="ras")) != known


def test_the_declared_order_is_part_of_what_names_the_run(lps: Scored):
    maps = lps.write("all", range(11), noisy)
    first, second = (lps.submit(maps, "mine", npy_orientation=order) for order in ("ras", "scan"))
    assert first["run"] != second["run"]
    assert values(first) != values(second)


def test_scans_stored_as_ras_need_no_word(scored: Scored):
    assert values(scored.judge_noisy("mine")) == values(scored.judge("mine", npy_orientation="scan"))


@pytest.mark.parametrize("split", [None, "phantom-tiny", "dataset"])
def test_maps_of_the_phantoms_own_test_patients_stand_beside_the_methods(tmp_path: Path, split: str | None):
    cohort = gather(load_task("phantom-tiny"), None, report=lambda _: None)
    for name in cohort.splits[0].test:
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).random(cohort.census[name].shape, np.float32))
    given = Submission(folder=tmp_path, name="mine", task="phantom-tiny", split=split, npy_orientation="ras")
    record = evaluate_maps(given, runs=tmp_path / "runs").to_json()
    assert record["status"] == "ok"
    assert record["task"]["split"]["digest"] == cohort.splits[0].digest
    assert record["task"]["split"]["name"] == cohort.splits[0].name


def test_everybody_is_judged_where_that_is_asked_for(scored: Scored):
    record = scored.submit(scored.write("all", range(11), noisy), "all", split="all")
    assert len(record["subjects"]["test"]) == 11


def test_scores_that_float32_cannot_tell_apart_are_a_warning(scored: Scored, capsys):
    def close(i: int) -> np.ndarray:
        return 1 + noisy(i).astype(np.float64) * 1e-9

    assert {"kind": MERGED, "count": 11} in scored.judge("close", close)["warnings"]
    exact = scored.judge("exact", lambda i: noisy(i).astype(np.float64))
    assert MERGED not in {warning["kind"] for warning in exact["warnings"]}
    arguments = ["evaluate", str(scored.folder / "close-test"), "--name", "cli", "--task", str(scored.task), "--json"]
    arguments += ["--data", str(scored.data), "--runs", str(scored.runs), "--threshold-maps"]
    assert _run([*arguments, str(scored.folder / "close-val")], debug=False) == 0
    assert "distinct scores equal in 11 maps" in " ".join(capsys.readouterr().err.split())


def test_without_threshold_maps_only_the_oracle_has_a_threshold(scored: Scored):
    record = scored.submit(scored.write("all", range(11), noisy), "alone")
    assert record["thresholds"]["hFPR5"] is None
    undefined = [row["undefined"] for row in record["metrics"] if row["policy"] == "hFPR5"]
    assert undefined == ["no_validation"]
    assert len(record["subjects"]["test"]) == 11


def test_a_named_split_judges_its_test_patients_alone(scored: Scored):
    test = scored.submit(scored.write("all", range(11), noisy), "wrong", split="hash")
    assert (test["status"], test["reason"]) == ("failed", "bad_output")
    names = test["subjects"]["test"]
    maps = scored.write("right", range(0), noisy)
    for name in names:
        np.save(maps / f"{name}.npy", noisy(int(name[1:])))
    assert scored.submit(maps, "right", split="hash")["subjects"]["test"] == names


def bad_value(value: float):
    def score(i: int) -> np.ndarray:
        scores = noisy(i)
        scores[4, 5, 2] = value if i == 4 else scores[4, 5, 2]
        return scores

    return score


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_bad_voxel_on_a_lesion_fails_the_run_and_names_the_patient(scored: Scored, value: float):
    record = scored.judge("bad", bad_value(value))
    assert (record["status"], record["reason"], record["metrics"]) == ("failed", "nonfinite", [])
    assert "P4" in record["message"]


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (noisy(4)[:, :, :5], "(12, 12, 5)"),
        (noisy(4)[None], "(1, 12, 12, 6)"),
        (noisy(4).astype(complex), "complex"),
        (noisy(4) > 0, "bool"),
        (noisy(4).astype(str), "<U"),
    ],
)
def test_another_shape_or_type_fails_the_run_and_says_so(scored: Scored, array: np.ndarray, word: str):
    record = scored.judge("odd", lambda i: array if i == 4 else noisy(i))
    assert (record["status"], record["reason"]) == ("failed", "bad_output")
    assert word in record["message"]


def test_objects_are_never_unpickled(scored: Scored):
    maps = scored.write("pickled", range(3, 11), noisy)
    np.save(maps / "P4.npy", np.array([print], object), allow_pickle=True)
    record = scored.submit(maps, "pickled", threshold_maps=scored.write("val", range(3), noisy))
    assert (record["status"], record["reason"]) == ("failed", "bad_output")


def test_an_archive_under_the_name_of_an_array_fails_the_run(scored: Scored):
    maps = scored.write("npz", range(11), noisy)
    np.savez(maps / "P5.npz", noisy(5))
    (maps / "P5.npz").rename(maps / "P5.npy")
    record = scored.submit(maps, "npz")
    assert (record["status"], record["reason"]) == ("failed", "bad_output")
    assert "P5.npy: an archive of arrays (.npz)" in record["message"]


@pytest.mark.parametrize(
    ("make", "said"), [(Path.mkdir, "a folder"), (lambda p: p.symlink_to("x"), "a link to nothing")]
)
def test_what_is_named_like_a_map_and_is_no_file_is_refused(scored: Scored, make, said):
    maps = scored.write("odd", range(11), noisy)
    (maps / "P5.npy").unlink()
    make(maps / "P5.npy")
    with pytest.raises(DataError, match=rf"P5.npy: {said} under the name of a map"):
        scored.submit(maps, "odd")


@pytest.mark.parametrize(
    ("copies", "error"), [(["P4"], DataError), (["P0"], LeakError)], ids=["of one role", "of two roles"]
)
def test_one_scan_under_two_names_is_refused_where_everybody_is_judged(scored: Scored, tmp_path, copies, error):
    scored = replace(scored, data=shutil.copytree(scored.data, tmp_path / "twins"))
    for name in copies:
        for role in ("flair", "t2", "seg"):
            shutil.copy(scored.data / f"P3/P3_{role}.nii.gz", scored.data / f"{name}/{name}_{role}.nii.gz")
    with pytest.raises(error, match="identical voxels"):
        scored.judge("twins", split="all")


def test_missing_unknown_and_doubled_patients_are_all_named(scored: Scored):
    maps = scored.write("wrong", range(4, 11), noisy)
    np.save(maps / "P99.npy", noisy(0))
    nib.save(nib.Nifti1Image(noisy(5), np.eye(4)), maps / "P5.nii.gz")
    record = scored.submit(maps, "wrong", threshold_maps=scored.write("val", range(3), noisy))
    assert record["status"] == "failed"
    for words in ("no map of P3", "P99", "several maps of P5"):
        assert words in record["message"]


def test_a_map_that_lies_elsewhere_is_refused_not_resampled(scored: Scored):
    maps = scored.write("moved", range(3, 11), noisy)
    (maps / "P4.npy").unlink()
    shifted = np.eye(4)
    shifted[0, 3] = 1
    nib.save(nib.Nifti1Image(noisy(4), shifted), maps / "P4.nii.gz")
    record = scored.submit(maps, "moved", threshold_maps=scored.write("val", range(3), noisy))
    assert record["status"] == "failed"
    assert "not on the scan's grid" in record["message"]


def test_an_empty_folder_is_an_error_of_the_data(scored: Scored, tmp_path: Path):
    with pytest.raises(DataError, match="no score maps found"):
        scored.submit(tmp_path, "nothing")


def test_the_command_prints_the_whole_record_and_exits_2_when_a_map_is_bad(scored: Scored, capsys):
    maps, val = scored.write("m", range(3, 11), noisy), scored.write("v", range(3), noisy)
    arguments = ["evaluate", str(maps), "--name", "cli", "--task", str(scored.task), "--data", str(scored.data)]
    arguments += ["--threshold-maps", str(val), "--runs", str(scored.runs), "--json"]
    assert _run(arguments, debug=False) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "ok"
    np.save(maps / "P4.npy", noisy(4)[:5])
    assert _run(arguments, debug=False) == 2
    assert json.loads(capsys.readouterr().out)["reason"] == "bad_output"
