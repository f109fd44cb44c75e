"""A bundle holds what a stranger needs to check a run, and nothing of the machine it was made on."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.tiny_bench import TinyBench
from uad_bench.benchmark.score import Application, apply_run
from uad_bench.console import reporting
from uad_bench.errors import ConfigError, LeakError
from uad_bench.runs.bundle import encode, quantiles, write_bundle
from uad_bench.runs.bundle_check import check_bundle
from uad_bench.runs.folder import Run
from uad_bench.runs.opening import open_run
from uad_bench.runs.origin import Origin


@pytest.fixture
def run(quick: TinyBench) -> Run:
    return quick.folder_of(quick.finished("shared"))


def test_a_bundle_that_was_just_written_is_sound_and_gives_the_record(run: Run, tmp_path: Path):
    write_bundle(run, tmp_path / "a.zip", maps=True)
    assert check_bundle(tmp_path / "a.zip") == run.read_record()


def test_the_same_run_gives_the_same_bytes(run: Run, tmp_path: Path):
    for name in ("a", "b"):
        write_bundle(run, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_image_no_label_and_no_path_of_this_machine_is_in_it(run: Run, tmp_path: Path, tiny_data: Path):
    write_bundle(run, tmp_path / "a.zip", maps=True)
    with ZipFile(tmp_path / "a.zip") as archive:
        names = set(archive.namelist())
        texts = [archive.read(name) for name in names if not name.endswith(".npy")]
    documents = {"record.json", "experiment.json", "MANIFEST.json", "events.jsonl", "bundle.json"}
    tables = {"metrics.csv", "sweep.csv", "froc.csv", "lesions.csv", "false_positives.csv", "replicates.npy"}
    assert {name for name in names if not name.startswith("maps/")} == {*documents, *tables, "levels.npy"}
    for place in (str(tmp_path), str(tiny_data), str(Path.home())):
        assert not any(place.encode() in text for text in texts)


def test_a_readme_loses_its_paths(run: Run, tmp_path: Path):
    write_bundle(run, tmp_path / "a.zip", readme=f"My notes are in {tmp_path}/notes.txt\n")
    with ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("README.md") == b"My notes are in notes.txt\n"


def test_without_maps_none_are_packed(run: Run, tmp_path: Path):
    write_bundle(run, tmp_path / "a.zip")
    with ZipFile(tmp_path / "a.zip") as archive:
        assert not [name for name in archive.namelist() if name.startswith("maps/")]


def test_distinct_scores_come_back_exactly_from_up_to_65536_levels():
    scores = np.float32([[-3e38, -1.5, 0.0], [0.0, 1e-40, 3e38]])
    levels = quantiles(scores)
    assert levels.tolist() == sorted(set(scores.ravel().tolist()))
    np.testing.assert_array_equal(levels[encode(scores, levels)], scores)


def test_a_map_of_equal_scores_has_one_level():
    scores = np.full((2, 2, 2), 3.0, np.float32)
    assert quantiles(scores).tolist() == [3.0]
    assert not encode(scores, quantiles(scores)).any()


def test_of_more_scores_the_levels_are_quantiles_from_the_lowest_to_the_highest_in_unchanged_order():
    scores = np.unique(np.random.default_rng(0).standard_normal(200_000).astype(np.float32))
    levels = quantiles(scores)
    assert (levels.size, levels[0], levels[-1]) == (65_536, scores[0], scores[-1])
    codes = encode(scores, levels)
    assert (np.diff(codes.astype(int)) >= 0).all()
    assert np.bincount(codes).max() <= 7  # a level's own score, and at most 3 between it and either neighbour


def test_levels_are_the_nearest_ranks_and_a_score_in_the_middle_of_two_gets_the_lower(monkeypatch):
    monkeypatch.setattr("uad_bench.runs.bundle.MOST_LEVELS", 4)
    levels = quantiles(np.arange(12, dtype=np.float32))
    assert levels.tolist() == [0, 4, 7, 11]
    assert encode(np.array([2, 2.5, 9], np.float32), levels).tolist() == [0, 1, 2]


def test_outliers_do_not_change_what_the_rounded_scores_detect():
    rng = np.random.default_rng(0)
    anomaly = np.arange(200_000) % 20 == 0
    scores = (rng.standard_normal(anomaly.size) + 2 * anomaly).astype(np.float32)
    scores[::1000] *= np.float32(1e8)
    levels = quantiles(scores)
    rounded = average_precision_score(anomaly, levels[encode(scores, levels)])
    assert rounded == pytest.approx(average_precision_score(anomaly, scores), abs=1e-4)


def test_a_run_with_folds_is_packed_with_them(quick: TinyBench, tiny_data: Path, tmp_path: Path):
    from tests.tiny_bench import gather_tiny

    quick.cohort = gather_tiny(tiny_data, folds=2)
    entry = quick.write("folded")
    quick.run(entry)
    write_bundle(quick.folder_of(entry), tmp_path / "a.zip", maps=True)
    assert check_bundle(tmp_path / "a.zip").n_folds == 2
    with ZipFile(tmp_path / "a.zip") as archive:
        assert {"fold0/record.json", "fold1/record.json"} <= set(archive.namelist())


def test_a_run_that_is_not_finished_is_not_shared(run: Run, tmp_path: Path):
    run.done.unlink()
    with pytest.raises(ConfigError, match="not finished"):
        write_bundle(run, tmp_path / "a.zip")


def test_a_run_without_its_maps_can_be_shared_without_maps(run: Run, tmp_path: Path):
    next(run.maps.iterdir()).unlink()
    with pytest.raises(ConfigError, match="without --maps"):
        write_bundle(run, tmp_path / "a.zip", maps=True)
    assert not (tmp_path / "a.zip").exists()
    write_bundle(run, tmp_path / "a.zip")


def test_weights_are_packed_with_the_signatures_of_their_training_patients(run: Run, tmp_path: Path):
    write_bundle(run, tmp_path / "a.zip", weights=True)
    unpacked = open_run(tmp_path, str(tmp_path / "a.zip"))
    origin = Origin.of(unpacked, further=False)
    assert origin.weights == Origin.of(run, further=False).weights
    assert set(origin.training_set) == set(run.read_record().subjects.train or ())


def test_a_bundle_without_weights_says_how_to_ask_for_them(run: Run, tmp_path: Path):
    write_bundle(run, tmp_path / "a.zip")
    with pytest.raises(ConfigError, match="made with --weights"):
        Origin.of(open_run(tmp_path, str(tmp_path / "a.zip")), further=False)


def test_weights_that_went_missing_are_not_shared(run: Run, tmp_path: Path):
    run.checkpoint.unlink()
    with pytest.raises(ConfigError, match="without --weights"):
        write_bundle(run, tmp_path / "a.zip", weights=True)


def test_applying_the_weights_of_a_bundle_to_its_training_patients_is_refused(
    run: Run, quick: TinyBench, tmp_path: Path, tiny_data: Path
):
    write_bundle(run, tmp_path / "a.zip", weights=True)
    unpacked = open_run(tmp_path, str(tmp_path / "a.zip"))
    asked = Application(
        run=unpacked, data=tiny_data, plugins=(tmp_path / "plugins" / "shared.py",), runs=tmp_path / "other"
    )
    with reporting() as reporter, pytest.raises(LeakError, match="the checkpoint was trained on"):
        apply_run(asked, reporter)
