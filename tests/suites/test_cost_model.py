"""The cost model by hand, and that the page shows what it computes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uad_bench.benchmark.request import Request
from uad_bench.suites.cost_measurement import measure_method
from uad_bench.suites.cost_model import Harness, Matrix, Work, cell_seconds, makespan, map_bytes, tables

DOCS = Path(__file__).parents[2] / "docs"


def test_a_cell_is_its_operations_over_the_rate_and_what_no_gpu_saves():
    work = Work(steps=1000, batch_size=10, train_gflop_per_slice=30.0, calls_per_slice=5)
    matrix = Matrix(runs=1, volumes=4, slices=25)
    harness = Harness(cell_s=7.0, store_s=0.5, evaluate_s=1.0)
    gflop = 1000 * 10 * 30 + 4 * 25 * 5 * 10
    assert cell_seconds(work, matrix, harness, tflops=2.0) == pytest.approx(gflop / 2000 + 7 + 4 * 1.5)


def test_equal_cells_are_shared_and_a_long_one_bounds_the_whole():
    assert makespan([1.0] * 8, 4) == 2.0
    assert makespan([5.0, 1.0, 1.0, 1.0], 64) == 5.0
    assert makespan([3.0, 3.0, 2.0, 2.0, 2.0], 2) == 7.0


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=40), st.integers(1, 20))
def test_no_schedule_beats_the_mean_load_or_the_longest_cell(seconds, machines):
    bound = max(sum(seconds) / machines, *seconds)
    assert bound * (1 - 1e-9) <= makespan(seconds, machines) <= 2 * bound


def test_the_maps_of_a_run_are_its_volumes():
    tested = Matrix(runs=30, volumes=251, slices=1)
    assert map_bytes(tested, bytes_per_volume=4 * 240 * 240 * 155) == 8.963712e9


def test_a_method_is_measured_as_its_profile_asks():
    measured = measure_method(Request(method="ae", task="phantom-tiny", settings=("task.size=32",)))
    assert measured["train_gflop_per_slice"] > 0
    assert measured["train_cpu_s_per_slice"] > 0
    assert (measured["size"], measured["calls_per_slice"]) == (32, 1)


def test_the_page_shows_the_tables_of_its_measurements():
    page = (DOCS / "scale.md").read_text()
    for table in tables(json.loads((DOCS / "scale.json").read_text())).split("\n\n"):
        assert table in page, "write the output of: python -m uad_bench.suites.cost_model docs/scale.json"
