"""Results quoted from papers have their own tables, with their source."""

import pytest

from tests.made_results import made_record
from uad_bench.boards.reported import beside_reported, read_tables
from uad_bench.errors import ConfigError
from uad_bench.evaluation.protocol import load_protocol, protocol_names
from uad_bench.evaluation.rescore import Crossing
from uad_bench.output.publishing import all_sheets
from uad_bench.output.tables import crosswalk_cells, crosswalk_table
from uad_bench.plugins import registry
from uad_bench.resources import resource_path

FILES = sorted(resource_path("leaderboards").glob("*/reported.toml"))
TABLES = [table for path in FILES for table in read_tables(path)]


def test_the_published_table_is_shown_apart_with_its_source():
    table, by_pair = (t.sheet for t in read_tables(resource_path("leaderboards/brats21-mmccd/reported.toml")))
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
        read_tables(tmp_path / "reported.toml")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_every_reported_table_names_an_existing_protocol_its_metrics_and_our_methods(table):
    assert table.protocol is None or table.protocol in protocol_names()
    assert set(table.methods.values()) <= {*registry.methods()}
    assert set(table.methods) <= {row[0] for row in table.rows}
    if table.metrics:
        published = load_protocol(table.protocol).published
        assert set(table.metrics) <= {*published.numbers, *published.absent}


def crossing(protocol):
    entry = {"protocol": protocol, "summary": "", "slices": "all", "region": "all", "chain": "none"}
    return Crossing(**entry, threshold=None, chosen_on=None, notes=(), metrics=())


def beside(protocol, name, task, **about):
    record = made_record(name, task=task)
    method = record.method.model_copy(update=about)
    (entry,) = beside_reported([crossing(protocol)], record.model_copy(update={"method": method}), TABLES)
    return entry


def test_a_cross_walk_shows_the_papers_numbers_of_the_same_method_input_and_protocol():
    t2 = {"name": "brats-t2", "pair": ["t2", "flair"]}
    dae = beside("pddpm", "dae", t2)
    assert {n.metric: n.value for n in dae.reported} == {"dice/mean": 0.454, "auprc/mean": 0.494}
    assert {n.differs for n in dae.reported} == {("training budget", "cohort")}
    assert crosswalk_cells(dae)[-1] == "dice 0.454, auprc 0.494"
    assert "not comparable: training budget, cohort" in crosswalk_table([dae], run="r").caption
    assert beside("pddpm", "dae", {}).reported == ()  # its input is FLAIR
    assert beside("mmccd", "dae", t2).reported == ()


def test_the_published_budget_on_the_papers_patients_is_comparable():
    entry = beside("mmccd", "mmccd", {"name": "brats21-mmccd"}, profile="published")
    assert [n.value for n in entry.reported if n.metric == "dice/slices"] == [0.6092, 0.549]
    assert {n.differs for n in entry.reported} == {()}


def test_an_untrained_baseline_has_no_training_budget_to_differ_in():
    entry = beside("pddpm", "intensity", {"name": "brats-t2", "pair": ["t2", "flair"]}, fit=())
    assert {n.differs for n in entry.reported} == {("cohort",)}


def test_metrics_of_a_reported_table_have_one_entry_per_column(tmp_path):
    (tmp_path / "reported.toml").write_text(
        '[[tables]]\ntitle="t"\nsource="s"\ncaption="c"\ncolumns=["Dice"]\nmetrics=["a", "b"]\nrows=[["A", 0.5]]\n'
    )
    with pytest.raises(ConfigError, match="one entry per column"):
        read_tables(tmp_path / "reported.toml")
