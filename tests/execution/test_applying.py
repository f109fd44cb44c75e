"""A trained run on other patients: its weights as they are, nobody whom they know, labels or not."""

import io
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

import uad_bench
from tests.tiny_bench import TRAINED, TinyBench, save
from uad_bench.benchmark.score import Application, apply_run
from uad_bench.cli.running import score
from uad_bench.console import Reporter
from uad_bench.data.splits import unseen_split
from uad_bench.errors import ConfigError, LeakError
from uad_bench.plugins.registry import Entry
from uad_bench.runs.folder import Run, find_runs
from uad_bench.runs.integrity import check_events
from uad_bench.runs.record import RunRecord
from uad_bench.runs.score_maps import read_map

TASK = """
dataset = "brats"
modalities = {modalities}
size = {size}
field_of_view = 16.0
budget = {{ steps = 9, batch_size = 9 }}
"""


def copy_patients(source: Path, target: Path, *, brighter: int = 2, labelled: bool = True) -> Path:
    """The same shapes under other names; back to front, so that they are other brains, unless `brighter` is 1."""
    for path in source.rglob("*.nii.gz"):
        label = path.name.endswith("_seg.nii.gz")
        name = path.name.replace("P", "Q")
        if not label or labelled:
            factor = 1 if label else brighter
            array = np.asarray(nib.load(path).dataobj)[:, :: -1 if brighter > 1 else 1]
            save(target / name.partition("_")[0] / name, array * np.int16(factor))
    return target


@pytest.fixture
def trained(quick: TinyBench) -> Entry:
    return quick.finished("trained", **TRAINED)


@pytest.fixture
def asked(quick: TinyBench, trained: Entry, tiny_data: Path, tmp_path: Path) -> Application:
    """To score another cohort of eight with the trained run."""
    task = tmp_path / "elsewhere.toml"
    task.write_text(TASK.format(modalities=["flair", "t2"], size=8))
    return Application(
        run=quick.folder_of(trained),
        data=copy_patients(tiny_data, tmp_path / "others"),
        task=str(task),
        plugins=(trained.file,),
        device="cpu",
        runs=quick.runner.root,
    )


def change(asked: Application, **changes: object) -> Application:
    return Application(
        **{field: changes.get(field, getattr(asked, field)) for field in Application.__dataclass_fields__}
    )


def apply(asked: Application) -> tuple[dict, Run, str]:
    said = io.StringIO()
    record = apply_run(asked, Reporter(Console(file=said, width=200))).to_json()
    return record, Run(asked.runs / record["run"]), said.getvalue()


def test_the_weights_are_the_runs_nothing_is_trained_and_the_record_says_so(asked: Application):
    record, run, _ = apply(asked)
    assert record["status"] == "ok"
    assert run.checkpoint.read_bytes() == asked.run.checkpoint.read_bytes()
    assert not [event for event in run.read_events() if event.event == "fit"]
    assert record["cost"]["fit_s"] is None
    assert record["method"]["weights"]["run"] == "/".join(asked.run.path.parts[-3:])
    assert record["subjects"]["train"] == []
    assert sorted(record["subjects"]["val"] + record["subjects"]["test"]) == [f"Q{i}" for i in range(8)]
    assert not check_events(run.read_events(), run.read_record())


def test_size_and_scaling_are_what_the_weights_were_trained_for_and_it_is_said(asked: Application):
    record, run, said = apply(asked)
    assert (record["task"]["size"], record["budget"]) == (16, {"steps": 4, "batch_size": 2})
    assert "size is 16, as in training, not 8 as in task elsewhere" in said
    assert apply(asked)[0] == record
    assert sum(event.event == "start" for event in run.read_events()) == 1, "a second time nothing is done again"


def test_a_patient_scores_the_same_under_another_name_in_another_cohort(
    asked: Application, quick: TinyBench, tiny_data: Path, tmp_path: Path
):
    known = quick.cohort.splits[0].test[0]
    data = copy_patients(tiny_data / known, tmp_path / "one", brighter=1)
    _, run, _ = apply(change(asked, data=data))
    assert np.array_equal(read_map(run.map(known.replace("P", "Q"))), read_map(asked.run.map(known)))


def test_without_labels_there_are_maps_a_manifest_and_a_short_record_that_no_board_reads(
    asked: Application, tiny_data: Path, tmp_path: Path
):
    data = copy_patients(tiny_data, tmp_path / "unlabelled", labelled=False)
    asked = change(asked, data=data)
    record, run, _ = apply(asked)
    assert (record["status"], record["metrics"]) == ("unlabelled", [])
    assert set(json.loads(run.manifest.read_text())["maps"]) == {path.stem for path in run.maps.iterdir()}
    assert len(record["subjects"]["test"]) == 8
    assert run.path not in [found.path for found in find_runs(asked.runs)]
    apply(asked)
    assert sum(event.event == "scored" for event in run.read_events()) == 8, "a second time no map is made again"


@pytest.mark.parametrize("renamed", [False, True])
def test_a_patient_of_the_training_set_is_refused_under_any_name(
    asked: Application, tiny_data: Path, tmp_path: Path, renamed: bool
):
    data = copy_patients(tiny_data, tmp_path / "same", brighter=1) if renamed else tiny_data
    before = find_runs(asked.runs)
    with pytest.raises(LeakError, match="the checkpoint was trained on"):
        apply(change(asked, data=data))
    assert find_runs(asked.runs) == before


def test_a_twin_is_found_although_the_new_task_reads_fewer_modalities(
    asked: Application, tiny_data: Path, tmp_path: Path
):
    Path(asked.task).write_text(TASK.format(modalities=["flair"], size=16))
    data = copy_patients(tiny_data, tmp_path / "same", brighter=1)
    with pytest.raises(LeakError, match="the checkpoint was trained on"):
        apply(change(asked, data=data))


@pytest.mark.parametrize("change_voxels", [lambda a: a[::-1], lambda a: 3 * a], ids=["mirrored", "brighter"])
def test_a_changed_copy_of_a_training_patient_is_refused(
    asked: Application, quick: TinyBench, tiny_data: Path, change_voxels
):
    known = quick.cohort.splits[0].train[0]
    for file in (tiny_data / known).iterdir():
        copied = asked.data / "Q0" / file.name.replace(known, "Q0")
        save(copied, change_voxels(np.asarray(nib.load(file).dataobj)))
    with pytest.raises(LeakError, match=rf"trained on {known}: \w+ of it and of Q0 are .*near-duplicates"):
        apply(asked)


def test_a_cohort_needs_only_what_scoring_needs(quick: TinyBench, asked: Application):
    entry = quick.write("pairwise", **TRAINED)
    entry.file.write_text(
        entry.file.read_text()
        .replace('fit=("flair",)', 'fit=("flair", "t2")')
        .replace("batch.image", "batch.image[:, :1]")
    )
    assert quick.run(entry)["status"] == "ok"
    Path(asked.task).write_text(TASK.format(modalities=["flair"], size=16))
    for file in asked.data.rglob("*_t2.nii.gz"):
        file.unlink()
    record, _, _ = apply(change(asked, run=quick.folder_of(entry), plugins=(entry.file,)))
    assert record["status"] == "ok"


def test_damaged_weights_are_refused(asked: Application):
    asked.run.checkpoint.write_bytes(asked.run.checkpoint.read_bytes()[:-1])
    with pytest.raises(ConfigError, match="its weights are missing or damaged"):
        apply(asked)


def test_a_task_with_patients_of_its_own_takes_no_folder(asked: Application):
    with pytest.raises(ConfigError, match="add --task with the task"):
        apply(change(asked, task="phantom-tiny"))


def test_the_command_prints_the_record(asked: Application, capsys: pytest.CaptureFixture[str]):
    code = score(
        str(asked.run.path),
        data=[str(asked.data)],
        task=asked.task,
        plugin=list(asked.plugins),
        device="cpu",
        runs=asked.runs,
        json=True,
    )
    assert code == 0
    assert json.loads(capsys.readouterr().out)["status"] == "ok"


def test_all_unseen_patients_are_tested_but_two_who_choose_thresholds():
    split = unseen_split([f"P{i}" for i in range(9)])
    assert (len(split.train), len(split.val), len(split.test)) == (0, 2, 7)
    assert (unseen_split(["a", "b", "c"]).val, unseen_split(["b", "a"]).test) == ((), ("a", "b"))


def test_the_verb_of_python_scores_as_the_function_does(asked: Application) -> None:
    name = str(asked.run.path.relative_to(asked.runs))
    result = uad_bench.score(
        name, asked.data, asked.task, runs=asked.runs, plugins=[str(path) for path in asked.plugins], device="cpu"
    )
    assert result.record.status == "ok"
    assert result.metric("auprc") == find_auprc(apply_run(asked, Reporter(Console(file=io.StringIO()))))
    assert all(name.startswith("Q") for name in result.record.subjects.test)


def find_auprc(record: RunRecord) -> float | None:
    return record.value("auprc")


def test_perturbed_scans_of_the_same_test_patients_are_another_run(quick: TinyBench, trained: Entry, tiny_data: Path):
    run = quick.folder_of(trained)
    asked = Application(
        run=run, data=tiny_data, perturb="noise:severe", runs=quick.runner.root, plugins=(trained.file,), device="cpu"
    )
    record, clean = apply_run(asked, Reporter(Console(quiet=True))), run.read_record()
    assert record.status == "ok"
    assert record.subjects.test == clean.subjects.test
    assert record.task.perturb == "noise:severe"
    assert (record.run, record.task.data_digest) != (clean.run, clean.task.data_digest)
