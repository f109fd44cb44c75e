"""A stored leaderboard is verified against its digests, its runs and the tables that its rows give."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.scored import Scored
from uad_bench.digests import digest_file
from uad_bench.files import read_json, write_json
from uad_bench.output.publishing import build_board
from uad_bench.runs.record import record_digest
from uad_bench.verification.verify_board import verify

BASELINES = ("random", "intensity")


@pytest.fixture(scope="module")
def built(boxes_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scored]:
    """A leaderboard whose baselines are maps written by hand; tests take copies."""
    made = Scored(boxes_data, tmp_path_factory.mktemp("built"), 11)
    for seed, name in enumerate((*BASELINES, "mine")):
        made.judge_noisy(name, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uad_bench.output.publishing.baseline_methods", tuple)  # only built-in ones would count
        build_board(made.runs, "boxes", made.folder / "boards", data=made.data, complete=False)
        yield made


@pytest.fixture
def board(built: Scored, scored: Scored) -> Path:
    shutil.copytree(built.folder, scored.folder, dirs_exist_ok=True)
    return scored.folder / "boards" / "boxes"


def found(board: Path, scored: Scored, runs: Path | None = None) -> list[str]:
    results = verify(str(board), runs=runs or scored.runs, data=scored.data)
    return [str(finding) for result in results for finding in result.findings]


def test_a_board_as_it_was_built_is_sound(board: Path, scored: Scored):
    results = verify(str(board), runs=scored.runs, data=scored.data)
    assert [(list(result.findings), result.exit_code) for result in results] == [([], 0)] * len(results)


@pytest.mark.slow
def test_one_digit_of_the_table_is_named_by_its_line(board: Path, scored: Scored):
    table = board.with_suffix(".md")
    text = table.read_text()
    at = text.index("| mine") + text[text.index("| mine") :].index("0.") + 3
    table.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])
    assert [finding.partition(":")[0] for finding in found(board, scored)] == [
        f"boxes.md line {text[:at].count(chr(10)) + 1}"
    ]


def test_one_digit_of_a_row_is_named_even_where_its_run_is_gone(board: Path, scored: Scored, tmp_path: Path):
    row = board / "mine-seed0.json"
    text = row.read_text()
    at = text.index('"value": 0.') + 15
    row.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])
    assert any("mine-seed0.json: was changed" in finding for finding in found(board, scored, tmp_path / "none"))


def test_a_board_without_its_runs_is_unverifiable_but_its_tables_are_checked(
    board: Path, scored: Scored, tmp_path: Path
):
    results = verify(str(board), runs=tmp_path / "none", data=scored.data)
    assert [result.exit_code for result in results] == [*[3] * (len(BASELINES) + 1), 0]


def test_a_board_is_found_by_its_table_and_by_the_folder_of_all_boards(board: Path, scored: Scored, tmp_path: Path):
    none = tmp_path / "none"  # which board is meant does not depend on its runs
    names = [result.run for result in verify(str(board), runs=none, data=scored.data)]
    assert len(names) == len(BASELINES) + 2
    for target in (board.parent, board.with_suffix(".md")):
        assert [result.run for result in verify(str(target), runs=none, data=scored.data)] == names


def test_a_replaced_array_of_replicates_is_found_by_its_digest(board: Path, scored: Scored, tmp_path: Path):
    row = read_json(board / "mine-seed0.json")
    values = board / "mine-seed0.npy"
    row["board"]["replicates_sha256"] = digest_file(values)
    write_json(board / "mine-seed0.json", {**row, "digest": record_digest(row)})
    assert not any(".npy" in finding for finding in found(board, scored, tmp_path / "none"))
    np.save(values, np.load(values) + 0.01)
    assert any(finding.startswith("mine-seed0.npy: is not") for finding in found(board, scored, tmp_path / "none"))


def test_a_broken_row_is_a_finding_that_names_it(board: Path, scored: Scored, tmp_path: Path):
    (board / "mine-seed0.json").write_text("{}")
    results = verify(str(board), runs=tmp_path / "none", data=scored.data)
    assert {result.exit_code for result in results} == {3, 5}
    assert any("mine-seed0.json" in str(result) for result in results if result.exit_code == 5)
