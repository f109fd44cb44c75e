"""Pseudo-healthy images: stored on request, evaluated, completed without scoring again, and verified."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tiny_bench import TinyBench, gather_tiny, result_files
from uad_bench.benchmark.started import check_reconstructs
from uad_bench.errors import ConfigError
from uad_bench.evaluation.reconstructions import document_path, read_reconstructions
from uad_bench.files import write_json
from uad_bench.plugins.registry import Entry
from uad_bench.runs.events import Described
from uad_bench.runs.folder import Run
from uad_bench.runs.record import record_digest
from uad_bench.runs.score_maps import read_map
from uad_bench.verification.verify import verify_run

IDENTITY = "def reconstruct(self, batch): return batch.image[:, 0].clone()"
SHARED = """
def reconstruct(self, batch): raise AssertionError("computed twice")

def score_and_reconstruct(self, batch): return batch.image[:, 0], batch.image[:, 0] + 1
"""


@pytest.fixture
def bench(quick: TinyBench, monkeypatch: pytest.MonkeyPatch) -> TinyBench:
    """A bench that stores pseudo-healthy images, with few bootstrap samples."""
    quick.runner = replace(quick.runner, reconstructions=True)
    return quick


def run_of(bench: TinyBench, name: str, **parts: str) -> Run:
    entry = bench.write(name, **parts)
    assert bench.run(entry)["status"] == "ok"
    return bench.folder_of(entry)


def rows(run: Run) -> dict[str, float | None]:
    document = read_reconstructions(run)
    assert document is not None
    return {row.key: row.value for row in document.metrics}


def test_an_identity_changes_nothing_on_the_scans_own_grid(bench: TinyBench, tiny_data: Path):
    run = run_of(bench, "identity", members=IDENTITY)
    found = rows(run)
    assert (found["healthy_mae@all/pooled"], found["lesion_change@all/mean"]) == (0, 0)
    assert found["healthy_ssim@all/mean"] == pytest.approx(1, abs=1e-9)
    assert found["counterfactual_mae@all/pooled"] is None
    result = verify_run(run, data=tiny_data)
    assert (result.findings, result.unchecked) == ((), ())


def test_images_of_test_patients_are_stored_with_their_digests_and_background(bench: TinyBench):
    run = run_of(bench, "shifted", members="def reconstruct(self, batch): return batch.image[:, 0] + 0.5")
    document = read_reconstructions(run)
    assert document is not None
    assert set(document.images) == set(bench.cohort.splits[0].test)
    image = read_map(run.reconstruction(next(iter(document.images))))
    assert image[0, 0, 0] == -3
    assert rows(run)["healthy_mae@all/pooled"] == pytest.approx(0.5, abs=1e-3)
    assert rows(run)["change_ratio@all/pooled"] == pytest.approx(1, abs=1e-3)


def test_the_healthy_tissue_behind_a_lesion_is_read_from_the_dataset(bench: TinyBench):
    def itself(subject: str, modality: str):
        return bench.cohort.subjects[subject].images[modality]

    bench.cohort = replace(bench.cohort, counterfactual=itself)
    found = rows(run_of(bench, "known", members=IDENTITY))
    assert found["counterfactual_mae@all/pooled"] == 0
    assert found["counterfactual_ratio@all/pooled"] is None  # the scan does not differ from the healthy tissue


def test_maps_are_the_same_with_and_without_images(bench: TinyBench, quick: TinyBench, tmp_path: Path):
    files = result_files(run_of(bench, "same", members=IDENTITY))
    quick.runner = replace(quick.runner, root=tmp_path / "plain", reconstructions=False)
    plain = run_of(quick, "same", members=IDENTITY)
    assert result_files(plain) == files
    assert not plain.reconstructions.exists()


def test_a_finished_run_receives_images_without_training_or_scoring_again(bench: TinyBench):
    entry = bench.write("later", members=IDENTITY)
    with_images, bench.runner = bench.runner, replace(bench.runner, reconstructions=False)
    bench.run(entry)
    run = bench.folder_of(entry)
    before = run.record.read_bytes()
    bench.runner = with_images
    bench.run(entry)
    bench.run(entry)
    assert run.record.read_bytes() == before
    counts = {kind: len(bench.events(entry, kind)) for kind in ("start", "fit", "scored", "reconstructed")}
    assert counts == {"start": 2, "fit": 1, "scored": 4, "reconstructed": 2}


def test_only_a_missing_image_is_computed_again(bench: TinyBench, tiny_data: Path):
    entry = bench.write("gap", members=IDENTITY)
    bench.run(entry)
    run = bench.folder_of(entry)
    subject = bench.cohort.splits[0].test[0]
    run.reconstruction(subject).unlink()
    bench.run(entry)
    assert [event["subject"] for event in bench.events(entry, "reconstructed")].count(subject) == 2
    assert len(bench.events(entry, "reconstructed")) == 3
    assert verify_run(run, data=tiny_data).findings == ()


def test_scores_and_images_of_one_computation_are_computed_once(bench: TinyBench):
    run = run_of(bench, "shared", members=SHARED)
    assert rows(run)["healthy_mae@all/pooled"] == pytest.approx(1, abs=1e-3)


def test_folds_are_averaged(bench: TinyBench, tiny_data: Path):
    bench.cohort = gather_tiny(tiny_data, folds=2)
    run = run_of(bench, "folded", members="def reconstruct(self, batch): return batch.image[:, 0] + 0.5")
    document = read_reconstructions(run)
    assert document is not None
    assert set(document.images) == set(bench.cohort.subjects)
    assert rows(run)["healthy_mae@all/mean"] == pytest.approx(0.5, abs=1e-3)
    assert verify_run(run, data=tiny_data).findings == ()


@pytest.mark.parametrize(
    ("returned", "reason"),
    [("batch.image", "bad_output"), ("batch.image[:, 0] / 0", "nonfinite")],
    ids=["shape", "nonfinite"],
)
def test_a_wrong_image_fails_the_run_with_a_reason(bench: TinyBench, returned: str, reason: str):
    entry = bench.write("wrong", members=f"def reconstruct(self, batch): return {returned}")
    record = bench.run(entry)
    assert (record["status"], record["reason"]) == ("failed", reason)
    assert record["message"].startswith("reconstruct ")


def test_a_method_without_images_runs_as_ever_and_is_refused_when_it_is_asked_for_them(bench: TinyBench):
    run = run_of(bench, "plain")
    assert not document_path(run).exists()
    with pytest.raises(ConfigError, match="has no pseudo-healthy images"):
        check_reconstructs(Entry("plain", "x:Y"), Described(fit=(), score=("flair",)))


def flip_a_bit(run: Run) -> None:
    path = next(run.reconstructions.iterdir())
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)


def change_a_metric(run: Run) -> None:
    _edit(run, lambda document: document["metrics"][0].update(value=0.1))


def change_a_sum(run: Run) -> None:
    _edit(run, lambda document: next(iter(document["patients"].values())).update(healthy_ssim=1.0))


def change_an_interval(run: Run) -> None:
    _edit(run, lambda document: document["metrics"][0].update(low=0.1))


def drop_a_patient(run: Run) -> None:
    _edit(run, lambda document: document["images"].popitem())


def _edit(run: Run, change) -> None:
    path = document_path(run)
    document = json.loads(path.read_text())
    change(document)
    write_json(path, {**document, "digest": record_digest(document)})


@pytest.mark.parametrize(
    "tamper", [flip_a_bit, change_a_metric, change_a_sum, change_an_interval, drop_a_patient], ids=lambda f: f.__name__
)
def test_a_changed_image_or_number_is_found(bench: TinyBench, tiny_data: Path, tamper):
    halved = "def reconstruct(self, batch): return 0.5 * batch.image[:, 0]"
    run = bench.folder_of(bench.finished("changed", members=halved))
    tamper(run)
    (finding, *_) = verify_run(run, data=tiny_data).findings
    assert "reconstructions" in finding.where
