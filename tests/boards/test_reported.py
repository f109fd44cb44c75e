"""Results quoted from papers have their own tables, with their source."""

import pytest

from uad_bench.boards.reported import read_reported
from uad_bench.errors import ConfigError
from uad_bench.output.publishing import all_sheets
from uad_bench.resources import resource_path


def test_the_published_table_is_shown_apart_with_its_source():
    table, by_pair = read_reported(resource_path("leaderboards/brats21-mmccd/reported.toml"))
    numbers = {row[0].text: row[1].text for row in table.rows}
    assert numbers == {
        "AE": "0.2249", "VAE": "0.264", "DAE": "0.4619", "DDPM": "0.5662", "Cyclic UNet": "0.581", "MMCCD": "0.6092",
    }  # fmt: skip
    assert "never ranked" in table.notes[0]
    assert "poster" in table.notes[1]
    assert len(by_pair.rows) == 4


def test_a_reported_table_has_no_rank(tmp_path):
    (tmp_path / "reported.toml").write_text(
        '[[tables]]\ntitle="t"\nsource="s"\ncaption="c"\ncolumns=["Dice"]\nrows=[["A", 0.5]]\n'
    )
    (sheet,) = all_sheets((), tmp_path)
    assert [column.heading for column in sheet.columns] == ["method", "Dice"]


def test_a_row_of_another_length_is_refused(tmp_path):
    (tmp_path / "reported.toml").write_text(
        '[[tables]]\ntitle="t"\nsource="s"\ncaption="c"\ncolumns=["Dice"]\nrows=[["A", 0.5, 0.6]]\n'
    )
    with pytest.raises(ConfigError, match=r"reported.toml.*A.*3 values.*1 numbers"):
        read_reported(tmp_path / "reported.toml")
