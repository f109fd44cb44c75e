"""A suite is the product of its lists, and every shipped one names what exists."""

from pathlib import Path

import pytest

from uad_bench.benchmark.request import Request
from uad_bench.errors import ConfigError
from uad_bench.plugins.registry import baseline_methods, methods
from uad_bench.resources import resource_names
from uad_bench.suites.suite import Suite, cells_of, load_suite

COMMON = Request(method="")
PAPER_PAIRS = {"flair:t2", "flair:t1", "t2:flair", "t2:t1", "t1:t2", "t1:flair"}


def make(**changes) -> Suite:
    return Suite(**{"name": "s", "methods": ["ae", "vae"], "tasks": ["phantom-tiny"], "baselines": False, **changes})


@pytest.mark.parametrize("name", resource_names("configs/suites", ".toml"))
def test_every_shipped_suite_names_methods_and_tasks_that_exist(name):
    cells = cells_of(load_suite(name), COMMON)
    assert {cell.request.method for cell in cells} <= set(methods())
    assert len({cell.name for cell in cells}) == len(cells)


def test_the_papers_suite_is_six_methods_by_six_pairs_by_five_seeds():
    cells = [c for c in cells_of(load_suite("brats21-paper"), COMMON) if c.request.method not in baseline_methods()]
    assert len(cells) == 6 * 6 * 5
    assert {cell.request.pair for cell in cells} == PAPER_PAIRS
    assert {cell.request.profile for cell in cells} == {"published"}


def test_smoke_holds_every_built_in_method_that_needs_no_extra():
    held = {cell.request.method for cell in cells_of(load_suite("smoke"), COMMON)}
    assert set(methods()) - held == {"fae", "patchcore", "rd"}


def test_cells_are_the_product_of_the_lists():
    cells = cells_of(make(pairs=["flair:t2", "t2:flair"], seeds=[0, 1, 2]), COMMON)
    assert len(cells) == 2 * 2 * 3
    assert len({(c.request.method, c.request.pair, c.request.seed) for c in cells}) == 12


def test_baselines_are_added_once_a_pair_and_without_the_methods_settings():
    suite = make(baselines=True, seeds=[3, 4], pairs=["flair:t2", "t2:flair"], settings=["latent=8", "task.margin=1"])
    added = [cell.request for cell in cells_of(suite, COMMON) if cell.request.method in baseline_methods()]
    assert len(added) == 2 * len(baseline_methods())
    assert {request.settings for request in added} == {("task.margin=1",)}
    assert {request.seed for request in added} == {3}


def test_sizes_of_the_training_set_are_cells_that_start_from_another_run():
    suite = make(methods=["ae"], train_patients=[0, 5], start_from={"ae": "phantom/ae/seed0"}, settings=["latent=8"])
    none, five = cells_of(suite, COMMON)
    assert (none.name, five.name) == ("phantom-tiny-ae-0patients-seed0", "phantom-tiny-ae-5patients-seed0")
    assert five.request.settings == ("latent=8", "task.train_patients=5")
    assert {cell.request.start_from for cell in (none, five)} == {"phantom/ae/seed0"}
    assert "--from" in none.arguments()


def test_a_cell_asked_for_twice_is_refused():
    with pytest.raises(ConfigError, match="duplicate cell"):
        cells_of(make(seeds=[1, 1]), COMMON)


def test_a_suite_without_a_seed_is_refused(suite_files):
    with pytest.raises(ConfigError, match="seeds"):
        load_suite(str(suite_files.write("ae", seeds="[]")))


def test_a_wrong_key_is_named_with_its_neighbour(suite_files):
    with pytest.raises(ConfigError, match="seeds"):
        load_suite(str(suite_files.write("ae", seds="[0]")))


def test_the_command_of_a_cell_repeats_its_request(tmp_path):
    suite = make(pairs=["flair:t2"], seeds=[7], folds=3, profile="published", settings=["a=1"])
    cell, _ = cells_of(suite, Request(method="", device="cpu", runs=tmp_path, plugins=(tmp_path / "p.py",)))
    words = cell.command()[3:]
    options = dict(zip(words[1:-2:2], words[2:-2:2], strict=True))
    assert words[0] == "run"
    assert words[-2:] == ["--no-baselines", "--json"]
    assert options == {
        "--method": "ae", "--task": "phantom-tiny", "--pair": "flair:t2", "--profile": "published", "--device": "cpu",
        "--runs": str(tmp_path), "--seed": "7", "--folds": "3", "--set": "a=1", "--plugin": str(tmp_path / "p.py"),
    }  # fmt: skip


def test_plugin_files_of_a_suite_are_found_beside_it(tmp_path):
    (tmp_path / "mine.toml").write_text('methods = ["ae"]\ntasks = ["phantom-tiny"]\nplugins = ["my_method.py"]\n')
    assert load_suite(str(tmp_path / "mine.toml")).plugins == [tmp_path / "my_method.py"]


def test_each_task_of_a_suite_may_have_its_own_data_folder(tmp_path):
    file = tmp_path / "two.toml"
    lines = [
        'methods = ["ae"]',
        'tasks = ["brats", "lgg"]',
        "baselines = false",
        "[data]",
        'brats = "/d/brats"',
        'lgg = "lgg"',
    ]
    file.write_text("\n".join(lines))
    cells = cells_of(load_suite(str(file)), COMMON)
    assert [cell.request.data for cell in cells] == [Path("/d/brats"), tmp_path / "lgg"]
    file.write_text("\n".join(lines).replace('lgg = "lgg"', 'lg = "lgg"'))
    with pytest.raises(ConfigError, match="unknown task in the data of suite two 'lg'; did you mean 'lgg'"):
        load_suite(str(file))
