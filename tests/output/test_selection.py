"""Tables for a paper: chosen columns, a short caption, and the result in one sentence."""

import pytest

from tests.made_results import BASELINES, made_board, made_result
from uad_bench.boards.board import Board, make_boards
from uad_bench.errors import ConfigError
from uad_bench.output.formats import latex_text
from uad_bench.output.render import board_sheets, further_metrics, select_columns, split_names
from uad_bench.output.verdict import headline

NAMES = "rank,method,auprc,dice@hFPR5,beats"


def board(**methods: float) -> Board:
    """A board of these methods and of baselines with AUPRC 0.02 and 0.4; draws scatter by 0.01."""
    results = made_board(*(made_result(name, auprc=value) for name, value in methods.items()))
    return make_boards(results, baselines=BASELINES)[0]


def test_columns_are_selected_by_short_names_in_this_order():
    (sheet,) = select_columns(board_sheets(board(ae=0.6), short=True), split_names(NAMES))
    headings = [column.heading for column in sheet.columns]
    assert headings == ["rank", "method", "AUPRC [95 % CI]", "dice@hFPR5 [95 % CI]", "beats baselines?"]
    assert all(len(row) == len(headings) for row in sheet.rows)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("dic", "is ambiguous: dice@hfpr5"), ("rnk", "did you mean 'rank'")],
    ids=["several", "near"],
)
def test_an_unclear_name_is_refused(name: str, complaint: str):
    with pytest.raises(ConfigError, match=complaint):
        select_columns(board_sheets(board(ae=0.6)), [name])


def test_a_metric_that_the_table_lacks_is_asked_for():
    assert further_metrics(["method", "specificity@hFPR5"]) == ["specificity@hFPR5"]
    sheets = board_sheets(board(ae=0.6), further=["specificity@hFPR5"])
    assert select_columns(sheets, ["specificity@hFPR5"])[0].columns[0].heading == "Specificity@hFPR5"


def test_a_short_caption_has_no_digest_and_a_narrow_table_its_natural_size():
    text = latex_text(select_columns(board_sheets(board(ae=0.6), short=True), split_names(NAMES)))
    assert "resizebox" not in text
    assert "d" * 12 not in text
    assert r"20 test patients, input FLAIR; brackets: 95 \% confidence intervals" in text


def test_a_better_method_is_named_with_its_difference_interval_and_p():
    text = headline(board(ae=0.9, vae=0.2))
    assert text.startswith("ae is significantly better than the strongest untrained baseline (")
    assert " AUPRC [" in text
    assert "vae" not in text


def test_without_a_better_method_the_first_one_is_compared():
    text = headline(board(ae=0.1))
    assert text.startswith("No method is significantly better than the strongest untrained baseline (")
    assert "; ae -0." in text


def test_a_board_of_baselines_alone_has_no_headline():
    assert not headline(board())
