"""A stored leaderboard makes its own tables again, and says nothing about the machine."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from tests.made_results import made_experiment, made_failure, made_record, made_result, write_run
from uad_bench.boards.result import MetricKey
from uad_bench.boards.storage import read_stored, store_results
from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError, VerificationError
from uad_bench.files import write_json
from uad_bench.output.formats import escape_markdown
from uad_bench.output.publishing import add_run, build_board, find_sheets, tables
from uad_bench.resources import resource_path
from uad_bench.runs.document import without_paths
from uad_bench.runs.score_maps import save_map


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A folder with runs of two baselines and a method, three seeds each."""
    monkeypatch.setattr("uad_bench.output.publishing.baseline_methods", lambda: ("random", "intensity"))
    for method, auprc in (("random", 0.02), ("intensity", 0.4), ("ae", 0.6)):
        for seed in range(3):
            write_run(tmp_path / "runs", made_record(method, seed, auprc + 0.001 * seed))
    return tmp_path / "runs"


def build(runs):
    return build_board(runs, "made", runs.parent / "boards", complete=False)


def test_a_built_board_is_made_again_from_its_rows_alone(runs):
    table, comparison, *rows = build(runs)
    text, compared = tables(table.with_suffix(""))
    assert table.read_text() == text
    assert json.loads(comparison.read_text()) == compared
    assert len(rows) == 9


def test_a_built_board_says_what_the_runs_say(runs):
    build(runs)
    (live,), _ = find_sheets(runs, "made")
    text = (runs.parent / "boards" / "made.md").read_text()
    verified = [column.heading for column in live.columns].index("verified")
    shown = [cell.text for row in live.rows for i, cell in enumerate(row) if i != verified]
    assert [cell for cell in shown if escape_markdown(cell) not in text] == []


def test_any_metric_of_the_records_can_be_a_column_and_is_none_by_default(runs):
    (usual,), _ = find_sheets(runs, "made")
    (wider,), _ = find_sheets(runs, "made", further=("fpr@hFPR5", "specificity@hFPR5"))
    headings = [column.heading for column in wider.columns]
    assert [h for h in headings if h not in [c.heading for c in usual.columns]] == ["FPR@hFPR5", "Specificity@hFPR5"]
    assert {row[headings.index("FPR@hFPR5")].text for row in wider.rows} == {"0.050"}
    with pytest.raises(ConfigError, match="unknown metric 'specifity'"):
        find_sheets(runs, "made", further=("specifity",))


def test_building_twice_writes_the_same_bytes(runs):
    first = {path.name: digest_file(path) for path in build(runs)}
    assert first == {path.name: digest_file(path) for path in build(runs)}


def test_each_row_has_a_command_that_makes_it_again(runs):
    table, *_ = build(runs)
    assert "uad-bench run --method ae --task made --data DIR --seed 2" in table.read_text()


def test_a_row_keeps_the_digest_of_its_replicates(runs):
    _, _, row, *_ = build(runs)
    assert json.loads(row.read_text())["board"]["replicates_sha256"] == digest_file(row.with_suffix(".npy"))


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_a_stored_board_with_a_changed_row_is_not_read(runs, suffix):
    _, _, row, *_ = build(runs)
    changed = row.with_suffix(suffix)
    changed.write_bytes(changed.read_bytes().replace(b"0.6", b"0.9") if suffix == ".json" else b"another array")
    with pytest.raises(VerificationError, match=changed.name):
        tables(runs.parent / "boards" / "made")


def test_a_stored_board_without_a_rows_replicates_is_not_read(runs):
    _, _, row, *_ = build(runs)
    row.with_suffix(".npy").unlink()
    with pytest.raises(VerificationError, match=r"ae-seed0.npy: is missing"):
        read_stored(row.parent)


def test_an_added_run_replaces_its_seed_and_ranks_anew(runs):
    build(runs)
    newer = made_record("ae", 0, 0.3, run="made/ae/seed0-99999999", created="2026-03-01T00:00:00Z")
    table = add_run(write_run(runs.parent / "other", newer), runs.parent / "boards")
    stored = read_stored(table.with_suffix(""))
    assert [r.record.run for r in stored if (r.method, r.seed) == ("ae", 0)] == ["made/ae/seed0-99999999"]
    assert len(stored) == 9
    assert table.read_text() == tables(table.with_suffix(""))[0]


def test_a_run_on_other_data_is_not_added_and_nothing_changes(runs):
    table, *_ = build(runs)
    before = table.read_text()
    other = made_record("new", 0, 0.3, task={"data_digest": "e" * 64})
    with pytest.raises(ConfigError, match="differ in data"):
        add_run(write_run(runs.parent / "other", other), runs.parent / "boards")
    assert table.read_text() == before
    assert not (table.with_suffix("") / "new-seed0.json").exists()


def test_a_failed_run_keeps_its_row(runs):
    write_run(runs, made_failure("vae"))
    table, *_ = build(runs)
    assert "FAILED(crash)" in table.read_text()


def test_a_board_without_baselines_is_not_built(runs):
    for seed in range(3):
        (runs / f"made/random/seed{seed}-0123abcd/record.json").unlink()
    with pytest.raises(ConfigError, match="lacks the trivial baselines random"):
        build(runs)
    assert not (runs.parent / "boards").exists()


def test_a_map_that_was_changed_stops_the_build(runs):
    run = write_run(runs, made_record("vae"))
    save_map(run.map("P00"), np.zeros((2, 2, 2), np.float32))
    write_json(run.manifest, {"maps": {"P00": {"sha256": digest_file(run.map("P00")), "shape": [2, 2, 2]}}})
    build(runs)
    content = bytearray(run.map("P00").read_bytes())
    content[-1] ^= 1
    run.map("P00").write_bytes(content)
    with pytest.raises(VerificationError, match=r"vae.*P00"):
        build(runs)


def test_a_stored_row_names_no_folder_of_this_machine(tmp_path):
    told = {"message": "no such file /home/someone/data/P1_flair.nii.gz", "environment": {"command": ["/opt/bin/x"]}}
    path, *_ = store_results([made_result("ae", **told)], tmp_path)
    text = path.read_text()
    assert "/home" not in text
    assert "/opt" not in text
    assert "no such file P1_flair.nii.gz" in text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/a/b/c.py", "c.py"),
        ("~/data/x", "x"),
        ("task/method/seed0", "task/method/seed0"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("dice@hFPR5/pooled", "dice@hFPR5/pooled"),
        ("in '/a b/c'", "in 'c'"),
    ],
)
def test_only_absolute_paths_lose_their_folders(text, left):
    assert without_paths({"x": [text]}) == {"x": [left]}


def test_two_settings_of_a_method_have_two_files(tmp_path):
    one = made_result("ae")
    other = replace(made_result("ae", run="made/ae/seed0-ffffffff"), experiment=made_experiment(params={"x": 1}))
    names = [path.name for path in store_results([one, other], tmp_path)]
    assert names == ["ae-seed0-0123abcd.json", "ae-seed0-ffffffff.json"]


def test_building_adds_lesions_and_the_common_chain_from_the_maps(quick, tiny_data, monkeypatch):
    monkeypatch.setattr("uad_bench.output.publishing.baseline_methods", tuple)
    for entry in (quick.write("bright"), quick.write("dull", score="return (batch.image[:, 0] * 37.0) % 11.0")):
        assert quick.run(entry)["status"] == "ok"
    folder = quick.folder / "boards"
    table, *_ = build_board(quick.folder / "runs", "tiny", folder, data=tiny_data)
    text = table.read_text()
    assert text.count("## tiny: ") == 2
    assert "## tiny: common post-processing" in text
    assert text == tables(folder / "tiny")[0]
    for result in read_stored(folder / "tiny"):
        assert result.verified
        assert {row.chain for row in result.rescored} == {"none", "common"}
        assert result.find(MetricKey("lesion_f1_any", "hFPR5")).undefined == "empty_ref"  # lesions of 9 mm³


def shipped():
    return sorted(path for path in resource_path("leaderboards").iterdir() if path.is_dir() and any(path.iterdir()))


@pytest.mark.parametrize("folder", shipped(), ids=lambda path: path.name)
def test_shipped_tables_are_current(folder):
    text, compared = tables(folder)
    assert folder.with_suffix(".md").read_text(encoding="utf-8") == text, (
        f"run: uad-bench leaderboard build --task {folder.name}, or write the tables again from the stored rows"
    )
    stored = json.loads((folder / "comparison.json").read_text())
    assert stored == compared


@pytest.mark.parametrize("folder", shipped(), ids=lambda path: path.name)
def test_shipped_rows_keep_map_digests_and_no_path(folder):
    for result in read_stored(folder) if any(folder.glob("*-seed*.json")) else ():
        if not result.failed:
            assert result.verified
            assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in result.maps.values())
        assert not re.search(r"/(home|root|tmp|work|Users)/", json.dumps(result.record.to_json()))


def test_a_comparison_is_a_typed_document_with_every_key_of_the_file(runs):
    from uad_bench.output.publishing import BoardComparison

    _, comparison, *_ = build(runs)
    (stored,) = json.loads(comparison.read_text())
    assert BoardComparison.parse(stored, "comparison").to_json() == stored
    assert {*stored} == {*BoardComparison.model_fields}
