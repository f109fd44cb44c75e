"""The table that a run ends with."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.made_results import made_failure, made_record
from uad_bench.output.columns import write_value
from uad_bench.output.tables import by_auprc, run_table, size_limits
from uad_bench.runs.metric_rows import MetricRow


def shown(records, width=160):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(run_table(records, runs=Path("runs")))
    return console.file.getvalue()


RECORDS = (made_record("random", auprc=0.02), made_failure("vae"), made_record("ae", auprc=0.6))


def test_rows_are_sorted_best_first_and_failures_last():
    assert [r.method.name for r in by_auprc(RECORDS)] == ["ae", "random", "vae"]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_cell_is_wrapped_or_cut_in_any_window(width):
    lines = shown(RECORDS, width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("0.600 [0.550, 0.650]" in line for line in lines)
    assert "…" not in "".join(lines)


def test_a_failed_row_gives_its_reason_and_a_failed_run_its_message():
    assert "FAILED(crash)" in shown(RECORDS)
    assert "vae: it fell over" in shown([RECORDS[0], RECORDS[1]])


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (None, "–"),
        (MetricRow(name="dice", value=None, n_subjects=2, undefined="no_positive"), "no_positive"),
        (MetricRow(name="dice", value=0.1234, n_subjects=2), "0.123"),
        (MetricRow(name="dice", value=-0.0001, n_subjects=2), "0.000"),
        (MetricRow(name="dice", value=0.5, low=0.4, high=0.6, n_subjects=2), "0.500 [0.400, 0.600]"),
    ],
)
def test_a_number_is_written_with_its_interval_or_the_reason_why_there_is_none(metric, text):
    assert write_value(metric, interval=True) == text


def test_groups_of_lesion_size_say_their_limits_in_millilitres():
    assert (
        size_limits((1500.0, 20_000.0)) == "lesions of a patient: small up to 1.5 mL, middle up to 20 mL, large above"
    )
