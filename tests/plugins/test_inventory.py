"""What `list` prints."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from uad_bench.output.inventory import INVENTORY, inventory_table
from uad_bench.plugins.scaffold import write_method

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


@pytest.mark.parametrize("kind", ["methods", "tasks", "datasets", "protocols"])
def test_lists_fit_80_columns_and_show_name_and_summary(kind):
    rows = INVENTORY[kind](Path("runs"), ())
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(inventory_table(kind, rows))
    lines = console.file.getvalue().splitlines()
    assert lines[0].split() == ["name", "summary"]
    assert len(lines) < 3.2 * len(rows)
    assert all(row["summary"] for row in rows)


def test_a_plugin_is_summarised_by_the_docstring_of_its_class(tmp_path):
    (file, _), _ = write_method("rare-voxels", kind="file", folder=tmp_path)
    summaries = {row["name"]: row["summary"] for row in INVENTORY["methods"](tmp_path, (file,))}
    assert summaries["rare-voxels"]
    assert summaries["rare-voxels"] in file.read_text()


def test_runs_that_differ_in_a_setting_keep_every_word_whole_at_80_columns():
    common = {"size": "12.3 MiB", "status": "failed", "AUPRC": "0.123"}
    names = [f"phantom/intensity-equalised/seed{seed}-0123abcd" for seed in (0, 1)]
    rows = [{"run": name, "settings": "smoothing=2.0, source 91ab", **common} for name in names]
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(inventory_table("runs", rows))
    words = console.file.getvalue().split()
    assert {*names, "status", "AUPRC", "size", "failed", "0.123", "12.3", "MiB", "smoothing=2.0,", "source"} <= {*words}
