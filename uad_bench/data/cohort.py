"""Read the patients of a task, split them, and check for data leakage before any method starts."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import create_model

from uad_bench.config import STRICT, Task, validate
from uad_bench.data.cache import cache_root
from uad_bench.data.census import SubjectFacts, data_digest, take_census
from uad_bench.data.cohort_warnings import skull_state
from uad_bench.data.gate import check_split
from uad_bench.data.slices import HealthyRule, Preprocessing, healthy_keys, scored_slices
from uad_bench.data.splits import Split, fold_splits, hash_split, named_split
from uad_bench.data.store import SliceStore
from uad_bench.data.subject import Subject
from uad_bench.errors import ConfigError, DataError
from uad_bench.method import Progress
from uad_bench.plugins import registry

Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Cohort:
    """Checked patients and their split.

    Attributes:
        task: the task that the patients were read for.
        subjects: subjects by id.
        census: measurements of each patient's scans, by id.
        splits: a single split, or one per fold.
        digest: SHA-256 of ids and decoded voxels.
    """

    task: Task
    subjects: dict[str, Subject]
    census: dict[str, SubjectFacts]
    splits: tuple[Split, ...]
    digest: str

    def train_slices(self, split: Split) -> dict[str, list[int]]:
        """The z indices of the healthy slices of each training patient."""
        rule = healthy_rule(self.task)
        return {name: [key.z for key in healthy_keys(self.census[name], rule)] for name in split.train}

    def scored_slices(self, subject: str) -> list[int]:
        """The z indices of the slices in the task's range that contain brain."""
        return list(scored_slices(self.census[subject], self.task.slices))


def gather(task: Task, data: Path | None, *, folds: int = 0, report: Report) -> Cohort:
    """Find the task's patients, read every scan once, split the patients, and check for data leakage.

    Raises:
        ConfigError: `folds` is 1, which leaves no training patients.
        DataError: data is missing or damaged; each problem is named.
        LeakError: a test patient is part of the training data.
    """
    if folds == 1:
        raise ConfigError("--folds 1 leaves no training patients; use 0 for a single split, or 2 or more")
    dataset = open_dataset(task, data, report=report)
    subjects = {subject.id: subject for subject in dataset.subjects()}
    census = take_census(list(subjects.values()), task.modalities, cache=cache_root(), report=report)
    splits = _splits(task, dataset, census, folds)
    used = {name for split in splits for name in (*split.train, *split.val, *split.test)}
    census = {name: facts for name, facts in census.items() if name in used}
    for split in splits:
        check_split(split, census)
    return Cohort(task, subjects, census, splits, data_digest(census))


def check_stripped(cohort: Cohort) -> None:
    """Refuse a cohort that is not skull-stripped, unless the task allows it.

    Raises:
        DataError: in most patients nearly all voxels are non-zero, and there is no brain mask.
    """
    whole = [name for name, facts in cohort.census.items() if skull_state(facts) == "whole head"]
    bare = [name for name in whole if cohort.subjects[name].brain_mask is None]
    if 2 * len(bare) > len(cohort.census) and not cohort.task.whole_head:
        raise DataError(
            f"{len(bare)} of {len(cohort.census)} patients, first {bare[0]}, are not skull-stripped: nearly all "
            "voxels are non-zero and would count as brain; set the background to 0, add brain masks, or accept it with "
            "--set task.whole_head=true"
        )


def healthy_rule(task: Task) -> HealthyRule:
    """The task's criteria for healthy slices."""
    return HealthyRule(margin=task.margin, min_brain=task.min_brain, slices=task.slices)


def prepare_working_slices(cohort: Cohort, *, report: Report) -> SliceStore:
    """Prepare the slices of the task's two modalities at its working size for all patients, in the cache."""
    task = cohort.task
    choice = Preprocessing(modalities=task.pair, scaling=task.scaling, size=task.size, field_of_view=task.field_of_view)
    subjects = [cohort.subjects[name] for name in cohort.census]
    return SliceStore.prepare(subjects, cohort.census, choice, cache=cache_root(), report=report)


def open_dataset(task: Task, data: Path | None, *, report: Report) -> Any:
    """Construct the task's dataset with the given data folder, or with a folder of the cache if it is embedded."""
    entry = registry.find("dataset", task.dataset, registry.datasets())
    cls = entry.load()
    options = _checked_options(cls, task)
    if getattr(cls, "embedded", False):
        return cls(cache_root() / "datasets", report=report, **options)
    if data is None:
        raise DataError(f"task {task.name} needs a data folder: add --data DIR (dataset {task.dataset})")
    shown = {"report": report} if getattr(cls, "reports", False) else {}
    return cls(data, **shown, **options)


def _checked_options(cls: type, task: Task) -> dict[str, Any]:
    """Validate the task's options against the signature of the dataset's constructor, unless it takes `**options`.

    Raises:
        ConfigError: an option is unknown, missing, or of the wrong type.
    """
    parameters = inspect.signature(cls, eval_str=True).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return task.options
    own = [p for p in parameters if p.name not in {"root", "report"}]
    fields: dict[str, Any] = {p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in own}
    schema = create_model("Options", __config__=STRICT, **fields)
    checked = validate(schema, task.options, f"task {task.name}, options")
    return {name: getattr(checked, name) for name in task.options}


def _splits(task: Task, dataset: Any, census: dict[str, SubjectFacts], folds: int) -> tuple[Split, ...]:
    labelled = [name for name, facts in census.items() if facts.labelled]
    if folds:
        return tuple(fold_splits(labelled, folds))
    if task.split == "hash":
        return (hash_split(list(census), labelled=labelled),)
    if task.split == "dataset":
        if not hasattr(dataset, "roles"):
            raise ConfigError(f"dataset {task.dataset} has no split of its own; use --split hash or a named split")
        return (Split(name=task.name, **dataset.roles()),)
    return (named_split(task.split, list(census), subset=task.subset),)
