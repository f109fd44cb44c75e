"""Slices in a terminal mark what the threshold marks, and show real patients only when asked to."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.tiny_bench import gather_tiny
from uad_bench.cli.app import app
from uad_bench.errors import ConfigError
from uad_bench.output.slice_choice import find_slices
from uad_bench.output.slice_drawing import PatientSlice, SliceView, border, shrink
from uad_bench.runs.tables import read_patients

GRID = np.indices((40, 40))
MARKED, ANOMALY = GRID[1] < 20, GRID[0] < 20  # the left half and the upper half
ONE = PatientSlice("P\x1b[31m1: worst", "slice z 4", np.full((40, 40), 128, np.uint8), MARKED, ANOMALY, 1.0)


def shown(*slices, width=42, colours=None):
    console = Console(file=io.StringIO(), width=width, color_system=colours, force_terminal=colours is not None)
    console.print(SliceView(slices))
    return console.file.getvalue()


@pytest.fixture
def tiny_run(quick):
    entry = quick.write("bright")
    assert quick.run(entry)["status"] == "ok"
    return quick.folder_of(entry)


@pytest.fixture
def folded_run(quick, tiny_data):
    quick.cohort = gather_tiny(tiny_data, folds=2)
    entry = quick.write("bright")
    quick.run(entry)
    return quick.folder_of(entry)


@pytest.mark.parametrize("size", [(2, 2), (3, 5), (8, 8)])
def test_shrinking_and_growing_keep_the_mean(size):
    image = np.random.default_rng(0).random((4, 6))
    assert shrink(image, *size).shape == size
    assert shrink(image, *size).mean() == pytest.approx(image.mean())


def test_a_pixel_is_the_mean_of_what_it_covers():
    assert shrink(np.array([[0.0, 2.0, 4.0], [0.0, 2.0, 4.0]]), 1, 2).tolist() == [pytest.approx([2 / 3, 10 / 3])]


def test_the_border_of_a_block_is_its_rim():
    mask = np.zeros((5, 5), bool)
    mask[1:4, 1:4] = True
    expected = mask.copy()
    expected[2, 2] = False
    assert (border(mask) == expected).all()


def test_without_colours_letters_tell_hits_false_alarms_and_misses():
    lines = [line[22:] for line in shown(ONE).splitlines()[2:12]]
    assert lines == ["#" * 10 + "o" * 10] * 5 + ["x" * 10 + ":" * 10] * 5


def test_with_colours_a_marked_pixel_is_tinted_and_the_anomaly_outlined():
    text = shown(ONE, colours="truecolor")
    assert "▀" in text
    assert "38;2;86;180;233" in text  # the outline
    assert "48;2;189;147;51" in text  # 0.4 of grey 128 and 0.6 of the orange
    assert "#" not in text


@pytest.mark.parametrize("colours", [None, "truecolor"])
@pytest.mark.parametrize("width", [30, 80, 200])
def test_slices_fit_their_window(colours, width):
    console = Console(width=width, color_system=colours, force_terminal=True, file=io.StringIO())
    lines = console.render_lines(SliceView([ONE]), pad=False)
    assert max(sum(len(part.text) for part in line) for line in lines) <= width


def test_a_name_cannot_colour_the_terminal():
    assert "\x1b" not in shown(ONE)


def test_the_worst_the_median_and_the_best_patient_are_drawn_with_their_dice(tiny_run, tiny_data):
    recorded = read_patients(tiny_run)
    dice = dict(zip(recorded.names, recorded.values["dice@hFPR5"], strict=True))
    slices = find_slices(tiny_run, data=tiny_data, images=True)
    titles = [one.title for one in slices]
    assert titles[0].startswith(f"{min(dice, key=dice.get)}: worst")
    assert f"best patient, Dice {max(dice.values()):.3f}" in titles[-1]
    assert all("slice z 4," in one.place for one in slices)  # the only one with an anomaly
    assert all(one.anomaly.sum() == 9 for one in slices)


def test_what_is_marked_is_what_the_policy_marks(tiny_run, tiny_data):
    threshold = float.fromhex(tiny_run.read_record()["thresholds"]["hFPR5"])
    for one in find_slices(tiny_run, data=tiny_data, images=True):
        scores = np.load(tiny_run.map(one.title.split(":")[0]))[..., 4]
        assert one.marked.sum() == (scores >= threshold).sum()


def test_over_folds_the_slice_is_of_the_fold_that_tested_the_patient(folded_run, tiny_data):
    for one in find_slices(folded_run, data=tiny_data, images=True):
        fold = next(f for f in folded_run.folds if one.title.split(":")[0] in f.read_record()["subjects"]["test"])
        threshold = float.fromhex(fold.read_record()["thresholds"]["hFPR5"])
        assert one.place.endswith(f"tested in {fold.path.name}")
        assert one.marked.sum() == (np.load(fold.map(one.title.split(":")[0]))[..., 4] >= threshold).sum()


def test_real_patients_are_not_drawn_unless_asked_for(tiny_run, tiny_data):
    with pytest.raises(ConfigError, match="--with-images"):
        find_slices(tiny_run, data=tiny_data, images=None)


def test_a_run_without_its_maps_is_refused_in_a_sentence(tiny_run, tiny_data):
    for path in tiny_run.maps.iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match="is not here; run the method again"):
        find_slices(tiny_run, data=tiny_data, images=True)


def test_an_image_wider_than_high_is_drawn_so():
    lines = shown(replace(ONE, aspect=2.0)).splitlines()
    assert len(lines) == 2 + 5 + 3


def test_slices_are_drawn_on_request_and_a_sweep_over_folds_names_a_fold(folded_run, tiny_data, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    asked = ["show", str(folded_run.path)]
    drawn = CliRunner().invoke(app, [*asked, "--slices", "--with-images", "--data", str(tiny_data)])
    assert "worst" in drawn.stdout
    assert "# hit" in drawn.stdout
    assert max(map(len, drawn.stdout.splitlines())) <= 80
    assert "such as " + str(folded_run.folds[0].path) in str(CliRunner().invoke(app, [*asked, "--sweep"]).exception)
