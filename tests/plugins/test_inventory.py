"""What `list` prints."""

import io

import pytest
from rich.console import Console

from uad_bench.output.inventory import inventory_table

NAME = "phantom-tiny/intensity-equalised/seed0-2ae0b5a8"


@pytest.mark.parametrize("width", [80, 200])
def test_a_runs_name_is_printed_whole_in_any_window(width):
    row = {"run": NAME, "status": "ok", "AUPRC": "0.563 [0.563, 0.759]", "created": "2026-01-01T00:00:00Z"}
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(inventory_table("runs", [row]))
    text = console.file.getvalue()
    assert NAME in text
    assert "…" not in text


def test_nothing_to_list_is_said():
    assert inventory_table("runs", []) == "no runs"
