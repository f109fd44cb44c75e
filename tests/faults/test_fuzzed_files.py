"""Files changed at random are read, or refused by an error of ours; changed results are never taken for verified."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.scored import TASK, Scored
from uad_bench.config import load_task
from uad_bench.data.census import take_census
from uad_bench.data.split import load_split
from uad_bench.datasets.brats import Brats
from uad_bench.datasets.dataset import read_attributes
from uad_bench.datasets.folder import Folder
from uad_bench.datasets.msd import MsdBrainTumour
from uad_bench.errors import UadBenchError
from uad_bench.evaluation.score_files import read_scores
from uad_bench.runs.checkpoints import Manifest
from uad_bench.runs.folder import Run
from uad_bench.verification import verify as verify_module

pytestmark = pytest.mark.slow

ODD = [None, True, -1, 0, 10**40, 1e-320, "", "x", "\0", "../..", "\N{BULLET}", [], [[]], {}, {"": None}]
PIECES = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"=",
    b'"',
    b"[",
    b"{",
    b"]]",
    b"nan",
    b"-1",
    b"1e999",
    b"\\ud800",
    b"\r\n",
    b",",
    b"#",
]
SEALED = ("record.json", "metrics.csv", "sweep.csv", "replicates.npy", "MANIFEST.json", "maps/P4.safetensors")
OPEN = ("experiment.json", "events.jsonl")


def change_bytes(data: bytes, rng: random.Random) -> bytes:
    """One to three pieces replaced by others, or the end cut off."""
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(data) + 1)
        data = data[:start] + rng.choice(PIECES) + (data[start + rng.randint(0, 6) :] if rng.random() < 0.9 else b"")
    return data


def change_json(data: bytes, rng: random.Random) -> bytes:
    """One value anywhere in a JSON document replaced, renamed or removed."""
    document = json.loads(data)
    parent, key = rng.choice(list(places(document)))
    if rng.random() < 0.2:
        del parent[key]
    elif isinstance(parent, dict) and rng.random() < 0.2:
        parent[key + "x"] = parent.pop(key)
    else:
        parent[key] = rng.choice(ODD)
    return json.dumps(document).encode()


def places(node: Any) -> Any:
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from places(node[key])


def changed(data: bytes, name: str, rng: random.Random) -> bytes:
    if name.endswith(".json") and rng.random() < 0.6:
        return change_json(data, rng)
    if name.endswith(".jsonl") and rng.random() < 0.6:
        lines = data.splitlines()
        index = rng.randrange(len(lines))
        lines[index] = change_json(lines[index], rng)
        return b"\n".join(lines) + b"\n"
    return change_bytes(data, rng)


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_file_of_a_run_is_found_and_never_an_internal_error(seed: int, scored: Scored, monkeypatch):
    run = scored.run_of(scored.judge_noisy())
    monkeypatch.setattr(verify_module, "_recompute", lambda *_: (1, []))
    assert verify_module.verify_run(run, data=scored.data).exit_code == 0
    rng = random.Random(seed)
    for _ in range(100):
        name = rng.choice(SEALED + OPEN)
        path = run.path / name
        before = path.read_bytes()
        after = changed(before, name, rng)
        path.write_bytes(after)
        accepted = accepts(run, scored.data)
        assert not accepted or name in OPEN or same(name, before, after), (name, after)
        path.write_bytes(before)


def accepts(run: Run, data: Path) -> bool:
    try:
        return verify_module.verify_run(run, data=data).exit_code == 0
    except UadBenchError:
        return False


def same(name: str, before: bytes, after: bytes) -> bool:
    """Whether the change has no meaning, such as a blank in a JSON document."""
    if not name.endswith(".json"):
        return before == after
    first, second = (json.loads(data) for data in (before, after))
    if name == "MANIFEST.json":  # keys that are not ours have no meaning
        manifests = [Manifest.model_validate(document) for document in (first, second)]
        first, second = ((manifest.maps, manifest.checkpoint) for manifest in manifests)
    return bool(first == second)


def fuzz(seed: int, count: int, path: Path, read: Callable[[], object]) -> None:
    rng, whole = random.Random(seed), path.read_bytes()
    read()
    for _ in range(count):
        path.write_bytes(changed(whole, path.name, rng))
        try:
            read()
        except UadBenchError as error:
            assert str(error)  # noqa: PT017 - the other way to end is to return


def test_changed_tasks_are_read_or_refused(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(TASK)
    fuzz(0, 200, path, lambda: load_task(str(path)))


def test_changed_tables_are_read_or_refused(tmp_path: Path):
    path = tmp_path / "patients.csv"
    path.write_text('id;patient;sex\r\nP0;A;F\r\nP1;"B;C";M\r\nP2;;F\r\n')
    fuzz(1, 150, path, lambda: read_attributes(tmp_path))


def test_changed_splits_are_read_or_refused(tmp_path: Path):
    path = tmp_path / "mine.txt"
    path.write_text("name: mine\nprefix: P\n\ntrain 0\ntrain 1\nval 2\ntest 3\ntest 4\n")
    fuzz(2, 100, path, lambda: load_split(str(path)))


def test_changed_descriptions_of_the_decathlon_are_read_or_refused(tmp_path: Path):
    path = tmp_path / "dataset.json"
    rows = [{"image": f"./imagesTr/B{i}.nii.gz", "label": f"./labelsTr/B{i}.nii.gz"} for i in range(3)]
    modality = {"0": "FLAIR", "1": "T1w"}
    path.write_text(json.dumps({"modality": modality, "labels": {"0": "none", "1": "core"}, "training": rows}))
    fuzz(3, 150, path, MsdBrainTumour(tmp_path).subjects)


def test_changed_layouts_of_a_folder_are_read_or_refused(tmp_path: Path):
    (tmp_path / "P0_flair.nii.gz").touch()
    path = tmp_path / "dataset.toml"
    path.write_text('label = "{id}_seg.nii.gz"\nhealthy = false\n[images]\nflair = "{id}_flair.nii.gz"\n')
    fuzz(4, 150, path, Folder(tmp_path).subjects)


def test_changed_arrays_of_scores_are_read_or_refused(scored: Scored, tmp_path: Path):
    facts = take_census(Brats(scored.data).subjects()[:1], ("flair", "t2"), cache=tmp_path / "cache")["P0"]
    path = tmp_path / "P0.npy"
    np.save(path, np.ones(facts.shape, np.float32))
    fuzz(5, 100, path, lambda: read_scores(path, facts, npy="ras"))
