"""A bundle is verified, shown, reported and added to a leaderboard by whoever receives it."""

import json
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.scored import Scored
from uad_bench.cli.app import app
from uad_bench.errors import VerificationError
from uad_bench.output.model_card import bundle_readme
from uad_bench.runs.bundle import write_bundle
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import require_stored_maps
from uad_bench.runs.opening import open_run
from uad_bench.runs.score_maps import read_map
from uad_bench.verification.verify_board import verify


@pytest.fixture
def run(scored: Scored) -> Run:
    return scored.run_of(scored.judge_noisy("mine"))


def checked(file: Path, scored: Scored):
    (verification,) = verify(str(file), runs=Path("nowhere"), data=scored.data)
    return verification


def test_every_metric_of_a_bundle_is_recomputed_from_its_rounded_maps(run: Run, scored: Scored, tmp_path: Path):
    write_bundle(run, tmp_path / "b.zip", maps=True)
    verification = checked(tmp_path / "b.zip", scored)
    assert (verification.exit_code, verification.numbers) == (0, len(run.read_record().metrics))
    assert "verified to 0.002, from maps of at most 65,536 levels" in str(verification)


def test_a_better_number_with_all_its_digests_mended_is_found(run: Run, scored: Scored, tmp_path: Path):
    record = run.read_record()
    first, *others = record.metrics
    better = record.model_copy(update={"metrics": (first.model_copy(update={"value": 0.99}), *others)})
    run.record.write_text(json.dumps(run.seal(better).to_json()))
    write_bundle(run, tmp_path / "b.zip", maps=True)
    verification = checked(tmp_path / "b.zip", scored)
    assert verification.exit_code == 5
    assert "is 0.98999999999999999, recomputed" in str(verification)


def test_without_maps_only_digests_and_log_are_checked(run: Run, scored: Scored, tmp_path: Path):
    write_bundle(run, tmp_path / "b.zip")
    verification = checked(tmp_path / "b.zip", scored)
    assert verification.exit_code == 3
    assert "contains no score maps" in str(verification)


def test_a_log_that_does_not_fit_the_record_is_found(run: Run, scored: Scored, tmp_path: Path):
    lines = run.events.read_text().splitlines(keepends=True)
    run.events.write_text("".join(lines[:-1]))
    write_bundle(run, tmp_path / "b.zip", maps=True)
    assert "events.jsonl: the last attempt has no end" in str(checked(tmp_path / "b.zip", scored))


def test_unpacked_maps_of_few_distinct_scores_are_the_scores(run: Run, tmp_path: Path):
    write_bundle(run, tmp_path / "b.zip", maps=True)
    unpacked = open_run(tmp_path, str(tmp_path / "b.zip"), maps=True)
    assert unpacked.name == run.name
    for path in run.maps.iterdir():
        np.testing.assert_array_equal(read_map(unpacked.maps / path.name), read_map(path))
    require_stored_maps(unpacked)
    assert not (unpacked.path / "levels.npy").exists()
    assert not open_run(tmp_path, str(tmp_path / "b.zip")).maps.exists()


def test_a_forged_bundle_is_not_unpacked(run: Run, tmp_path: Path):
    write_bundle(run, tmp_path / "b.zip")
    with ZipFile(tmp_path / "b.zip", "a") as archive:
        archive.writestr("../../evil", b"")
    with pytest.raises(VerificationError, match="unexpected file in bundle"):
        open_run(tmp_path, str(tmp_path / "b.zip"))


def test_a_bundle_opens_with_a_table_to_read(run: Run, tmp_path: Path):
    write_bundle(run, tmp_path / "b.zip", readme=bundle_readme(run))
    with ZipFile(tmp_path / "b.zip") as archive:
        text = archive.read("README.md").decode()
    assert f"{run.read_record().value('auprc'):.3f}" in text
    assert "uad-bench verify BUNDLE.zip" in text


@pytest.mark.parametrize("command", [["bundle", "make"], ["bundle"]], ids=" ".join)
def test_the_commands_on_runs_take_a_bundle(run: Run, tmp_path: Path, command: list[str]):
    file = tmp_path / "b.zip"
    words = [*command, str(run.path), "-o", str(file)]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert "valid; contains boxes/mine" in CliRunner().invoke(app, ["bundle", "check", str(file)]).stdout
    shown = json.loads(CliRunner().invoke(app, ["show", str(file), "--json"]).stdout)
    assert shown == run.read_record().to_json()
