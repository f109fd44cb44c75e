"""Labels of training patients reach a method that ships as a bound, and no other."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny_bench import TinyBench
from uad_bench.benchmark.started import access_for
from uad_bench.data.cache import cache_root
from uad_bench.data.cohort import prepare_working_slices
from uad_bench.data.reference import build_references
from uad_bench.data.supervision import FOLDER, prepare_masks, training_slices
from uad_bench.errors import ConfigError
from uad_bench.method import SliceKey
from uad_bench.plugins import registry
from uad_bench.plugins.registry import Entry


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UAD_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def bound() -> Entry:
    return registry.methods()["supervised-unet"]


def hides(quick: TinyBench, entry: Entry, path: str) -> bool:
    experiment, subjects = quick.experiment(entry.name), quick.cohort.subjects.values()
    return access_for(experiment, entry, subjects, root=quick.runner.root, folders=[quick.folder / "run"]).hides(path)


def test_on_the_scans_own_grid_the_channel_is_the_label(quick: TinyBench, own_cache: Path):
    cohort, name = quick.cohort, quick.cohort.splits[0].train[0]
    store = prepare_working_slices(cohort, report=lambda _: None)
    references = build_references([cohort.subjects[name]], cohort.census, cache=own_cache)
    masks = prepare_masks(store, references, cohort.census, cache=own_cache)
    slices = training_slices(store, [SliceKey(name, z) for z in range(6)], ("flair", "anomaly"), masks)
    anomaly = slices.take(range(6)).image[:, 1]
    label = np.zeros((16, 16, 6), np.float32)
    label[6:9, 6:9, 4] = 1
    assert slices.modalities == ("flair", "anomaly")
    assert torch.equal(anomaly, torch.from_numpy(label).permute(2, 0, 1))


@pytest.mark.slow
def test_a_bound_learns_from_all_slices_of_training_patients_and_only_theirs_are_prepared(
    quick: TinyBench, bound: Entry, own_cache: Path
):
    (split,) = quick.cohort.splits
    assert quick.run(bound)["status"] == "ok"
    (fit,) = quick.events(bound, "fit")
    assert fit["slices"] == sum(len(quick.cohort.scored_slices(name)) for name in split.train)
    assert len(list((own_cache / FOLDER).iterdir())) == len(split.train)


@pytest.mark.parametrize("claim", ["pass", "bound = True"])
def test_what_a_plugin_says_of_itself_opens_nothing(quick: TinyBench, claim: str):
    entry = quick.write("curious")
    entry.file.write_text(
        entry.file.read_text()
        .replace('fit=("flair",)', 'fit=("flair", "anomaly")')
        .replace("scale: float", f"{claim}\n    scale: float")
    )
    with pytest.raises(ConfigError, match="method curious needs anomaly"):
        quick.run(entry)


def test_a_plugin_under_the_name_of_the_bound_is_refused(quick: TinyBench):
    with pytest.raises(ConfigError, match="have the name"):
        quick.write("supervised-unet")


def test_the_masks_are_hidden_from_all_but_the_bound(quick: TinyBench, bound: Entry):
    other, masks = quick.write("other"), str(cache_root() / FOLDER / "mask.npy")
    assert hides(quick, other, masks)
    assert not hides(quick, bound, masks)


def test_the_folders_of_a_new_cache_exist_before_a_method_starts(quick: TinyBench, bound: Entry, own_cache: Path):
    hides(quick, bound, "anything")
    assert (own_cache / "slices").is_dir()
    assert (own_cache / FOLDER).is_dir()
