"""Runs that are not comparable with the others get a table of their own or are listed; the main table remains."""

import numpy as np
import pytest

from tests.made_results import BASELINES, made_board, made_failure, made_record, made_result, write_run
from uad_bench.boards.board import _looks, assemble_boards
from uad_bench.boards.comparable import comparable_groups, list_runs
from uad_bench.boards.result import Result
from uad_bench.boards.run_folder import read_result
from uad_bench.errors import ConfigError
from uad_bench.files import write_json
from uad_bench.output.caption import caption
from uad_bench.output.publishing import build_board, find_sheets, left_out
from uad_bench.output.render import board_sheets
from uad_bench.output.report.report_data import gather_report_data
from uad_bench.runs.checkpoints import Manifest, StoredMap
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.record import NO_NUMBERS

FOLDS = {"task": {"split": {"name": "3 folds", "digest": "9" * 64, "note": ""}}, "n_folds": 3}


def boards(*odd):
    return assemble_boards([*made_board(made_result("ae")), *odd], baselines=BASELINES)


def all_of(**changes):
    return [made_result(name, auprc=0.3, **changes) for name in ("random", "intensity")]


@pytest.mark.parametrize(
    ("changes", "usual", "words"),
    [
        (FOLDS, "split made (55555555)", "split 3 folds (99999999)"),
        ({"task": {"slices": [0, 9]}}, "all slices", "slices 0 to 9"),
        ({"task": {"protocol": "largest-slice"}}, "protocol volume", "protocol largest-slice"),
    ],
)
def test_each_kind_of_runs_has_a_table_whose_title_says_what_differs(changes, usual, words):
    made = boards(*all_of(**changes))
    assert [board_sheets(board)[0].title for board in made] == [f"made: raw maps, {usual}", f"made: raw maps, {words}"]
    assert [[row.label for row in board.ordered] for board in made] == [["ae", "intensity", "random"],
                                                                        ["intensity", "random"]]  # fmt: skip


def test_runs_of_every_kind_count_as_looks_at_the_same_patients():
    assert [board.looks for board in boards(*all_of(**FOLDS))] == [5, 5]


@pytest.mark.parametrize(
    "odd", [made_result(*args, **FOLDS) for args in (["vae"], ["random"])] + [Result(made_failure("vae", **FOLDS))]
)
def test_a_run_without_baselines_beside_it_is_named_and_the_others_keep_their_table(odd):
    (made,) = boards(odd)
    assert [row.label for row in made.ordered] == ["ae", "intensity", "random"]
    assert f"made/{odd.method}/seed0-0123abcd (split 3 folds (99999999))" in " ".join(caption(made))


def test_without_baselines_anywhere_the_error_names_them():
    with pytest.raises(
        ConfigError, match="lacks the trivial baselines intensity, random; one command runs all of them"
    ):
        assemble_boards([made_result("ae"), made_result("ae", **FOLDS)], baselines=BASELINES)


@pytest.fixture
def mixed(tmp_path, monkeypatch):
    """Runs of a task, and two over folds that are newer."""
    monkeypatch.setattr("uad_bench.output.publishing.baseline_methods", lambda: BASELINES)
    for name, auprc in (("random", 0.02), ("intensity", 0.4), ("ae", 0.6)):
        write_run(tmp_path, made_record(name, 0, auprc))
    for name in BASELINES:
        write_run(tmp_path, made_record(name, 0, 0.3, run=f"made/{name}/seed0-99999999", **FOLDS))
    return tmp_path


def test_a_folder_of_both_kinds_is_shown_as_two_tables(mixed):
    sheets, _ = find_sheets(mixed, "made")
    assert [sheet.title.partition(", ")[2][:11] for sheet in sheets] == ["split made ", "split 3 fol"]


def test_a_built_leaderboard_holds_one_kind_and_names_the_others(mixed):
    table, _, *rows = build_board(mixed, "made", mixed / "boards", complete=False)
    assert [path.stem for path in rows] == ["ae-seed0", "intensity-seed0", "random-seed0"]
    assert "made/random/seed0-99999999" in left_out(mixed, "made")
    assert "folds" not in table.read_text()


def test_a_report_shows_one_kind_and_names_the_others(mixed):
    from uad_bench.runs.folder import find_runs

    report_data = gather_report_data(find_runs(mixed, "made"))
    assert [method.name for method in report_data.methods] == ["ae", "intensity", "random"]
    assert "made/random/seed0-99999999" in " ".join(caption(report_data.board))


def test_groups_are_in_the_order_of_their_finished_runs_and_then_of_their_newest():
    def methods(*results):
        return [[result.method for result in group.results] for group in comparable_groups(results)]

    failed = [Result(made_failure(name, **FOLDS)) for name in ("vae", "dae")]
    assert methods(*failed, made_result("ae")) == [["ae"], ["vae", "dae"]]
    days = {"vae": "2026-01-05", "dae": "2026-01-06"}
    folds = [made_result(name, created=day, **FOLDS) for name, day in days.items()]
    others = [made_result(name, created=day) for name, day in (("ae", "2026-01-01"), ("ddpm", "2026-01-09"))]
    assert methods(*folds, *others) == [["ae", "ddpm"], ["vae", "dae"]]


def test_two_runs_are_listed_and_further_ones_are_counted():
    records = [made_record(name) for name in ("ae", "vae", "dae")]
    assert list_runs(records[:2]) == "made/ae/seed0-0123abcd, made/vae/seed0-0123abcd"
    assert list_runs(records) == "made/ae/seed0-0123abcd, made/vae/seed0-0123abcd and 1 more"


def test_looks_are_finished_runs_of_any_group_on_some_of_the_same_patients():
    others = {"subjects": {"train": [], "val": [], "test": ["X0", "P00"]}}
    strangers = {"subjects": {"train": [], "val": [], "test": ["X0", "X1"]}}
    failed = Result(made_failure("vae"), {}, maps={}, command="")
    results = [made_result("ae"), made_result("dae", **others), made_result("ddpm", **strangers), failed]
    (group, *_) = comparable_groups(results[:1])
    assert _looks(group, results) == 2


def test_a_run_without_maps_is_never_verified_and_is_lent_only_the_numbers_that_its_record_lacks(tmp_path, monkeypatch):
    again, new = (MetricRow(name="dice", policy=policy, value=0.1, n_subjects=20) for policy in ("hFPR5", "other"))
    later = NO_NUMBERS.model_copy(update={"metrics": (again, new)}), {again.key: np.zeros(2), new.key: np.ones(2)}
    filtered = again.model_copy(update={"chain": "common"})
    rescored = {
        "none": later,
        "common": (NO_NUMBERS.model_copy(update={"metrics": (filtered,)}), {again.key: np.ones(2)}),
    }
    monkeypatch.setattr("uad_bench.boards.run_folder.read_rescored", lambda _, __, chain: rescored.get(chain))
    result = read_result(write_run(tmp_path, made_record()), verify=True)
    assert not result.verified
    assert result.rescored == (new, filtered)
    assert result.replicates[f"{again.key}/common"].tolist() == [1, 1]
    assert result.replicates[new.key].tolist() == [1, 1]
    assert np.any(result.replicates[again.key])


def test_maps_are_present_only_if_all_of_them_are(tmp_path):
    run = write_run(tmp_path, made_record())
    write_json(run.manifest, Manifest(maps=dict.fromkeys(("P0", "P1"), StoredMap(sha256="0" * 64))).to_json())
    found = []
    for name in ("P0", "P1"):
        run.map(name).touch()
        found.append(read_result(run).present)
    assert found == [False, True]
