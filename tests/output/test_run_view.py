"""One run in the terminal, wide and narrow, piped and failed."""

import io

import pytest
from rich.console import Console

from tests.made_results import made_failure, made_record, write_run
from uad_bench.output.run_view import RunView, draw_bar
from uad_bench.runs.selected import Measurement, SelectedStep
from uad_bench.runs.tables import read_patients


def shown(view, width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(view)
    return console.file.getvalue()


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path, made_record("ae"))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_run_fits_its_window(run, width):
    text = shown(RunView(run.read_record(), read_patients(run)), width)
    assert max(map(len, text.splitlines())) <= width
    assert "0.600 [0.550, 0.650]" in text
    assert "P19" in text


def test_patients_are_sorted_worst_first(run):
    text = shown(RunView(run.read_record(), read_patients(run)), 100)
    values = [float(line.split()[1]) for line in text.splitlines() if line.startswith("P") and line[1:3].isdigit()]
    assert values == sorted(values)
    assert len(values) == 20


def test_the_measurements_of_implants_are_listed_and_the_kept_step_is_marked(run):
    curve = tuple(Measurement(step=step, auprc=auprc) for step, auprc in ((100, 0.21), (200, 0.42), (300, 0.33)))
    selected = SelectedStep(step=200, every=100, patients=("A",), slices=9, curve=curve)
    record = run.read_record().model_copy(update={"selection": selected})
    lines = shown(RunView(record, read_patients(run)), 100).splitlines()
    rows = [line.split() for line in lines if line.split()[:1] in (["100"], ["200"], ["300"])]
    assert [(row[0], row[1], row[-1] == "kept") for row in rows] == [
        ("100", "0.210", False),
        ("200", "0.420", True),
        ("300", "0.330", False),
    ]


@pytest.mark.parametrize(("value", "bar"), [(0.0, ""), (0.5, "█"), (0.25, "▌"), (1.0, "██"), (float("nan"), "")])
def test_a_bar_is_as_long_as_its_value(value, bar):
    assert draw_bar(value, width=2) == bar


def test_a_failed_run_says_why(tmp_path):
    run = write_run(tmp_path, made_failure("ae"))
    assert "FAILED(crash): it fell over" in shown(RunView(run.read_record(), read_patients(run)), 80)


def test_a_name_cannot_colour_the_terminal(tmp_path):
    record = made_record("ae", run="made/ae/seed0-\x1b[31m")
    assert "\x1b" not in shown(RunView(record, read_patients(write_run(tmp_path, made_record()))), 80)
