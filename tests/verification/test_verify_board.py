"""A stored leaderboard is verified against its digests, its runs and the tables that its rows give."""

from pathlib import Path

import pytest

from tests.scored import Scored, noisy
from uad_bench.boards.publishing import build_board
from uad_bench.verification.verify_board import verify

BASELINES = ("random", "intensity", "intensity-equalised", "mean-distance")


@pytest.fixture
def board(scored: Scored) -> Path:
    """A leaderboard whose baselines are maps written by hand."""
    for seed, name in enumerate((*BASELINES, "mine")):
        scored.judge(name, lambda i, seed=seed: noisy(i, seed=seed))
    build_board(scored.runs, "boxes", scored.folder / "boards", data=scored.data, complete=False)
    return scored.folder / "boards" / "boxes"


def found(board: Path, scored: Scored, runs: Path | None = None) -> list[str]:
    results = verify(str(board), runs=runs or scored.runs, data=scored.data)
    return [str(finding) for result in results for finding in result.findings]


def test_a_board_as_it_was_built_is_sound(board: Path, scored: Scored):
    assert found(board, scored) == []
    assert all(result.exit_code == 0 for result in verify(str(board), runs=scored.runs, data=scored.data))


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
    assert [result.exit_code for result in results] == [3, 3, 3, 3, 3, 0]
