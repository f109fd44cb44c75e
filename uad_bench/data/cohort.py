"""Read the patients of a task, split them, and check for data leakage before any method starts."""

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import create_model

from uad_bench.config import STRICT, Task, validate
from uad_bench.data.cache import cache_root
from uad_bench.data.census import data_digest, take_census
from uad_bench.data.facts import SubjectFacts
from uad_bench.data.gate import DuplicatePair, check_splits
from uad_bench.data.perturbation import Perturbation, perturb_subjects
from uad_bench.data.preparation import Preprocessing
from uad_bench.data.reference import References, build_references
from uad_bench.data.slices import HealthyRule, has_clean_slice, healthy_keys, scored_slices
from uad_bench.data.split import Split, apply_split, load_split
from uad_bench.data.splits import fold_splits, hash_split, unit_hash
from uad_bench.data.store import SliceStore
from uad_bench.data.subject import ImageFile, Subject, patient_id
from uad_bench.errors import ConfigError, DataError
from uad_bench.method import Modality, Report
from uad_bench.plugins import registry

FEW_SHOT_SALT, HELD_OUT_SALT = "uad-bench-few-shot-1", "uad-bench-held-out-1"
DATA_VARIABLE = "UAD_BENCH_DATA"

Census = Mapping[str, SubjectFacts]


@dataclass(frozen=True, slots=True)
class Cohort:
    """Checked patients and their split.

    Attributes:
        splits: a single split, or one per fold.
        digest: SHA-256 of ids and decoded voxels.
        counterfactual: for datasets that know it, the file of a patient's scan without the lesion. Only the evaluation
            reads it.
        near: different patients whose brains are suspiciously alike, though not enough to refuse the split.
    """

    task: Task
    subjects: dict[str, Subject]
    census: dict[str, SubjectFacts]
    splits: tuple[Split, ...]
    digest: str
    counterfactual: Callable[[str, Modality], ImageFile] | None = None
    near: tuple[DuplicatePair, ...] = ()

    def train_slices(self, split: Split) -> dict[str, list[int]]:
        """The z indices of the healthy slices of each training patient."""
        return {name: self.healthy_slices(name) for name in split.train}

    def held_out(self, split: Split) -> tuple[str, ...]:
        """Training subjects set aside for measurements: those of one patient in ten, at least one, chosen by a hash.

        Raises:
            ConfigError: fewer than two training patients have healthy slices.
        """
        names = [name for name, slices in self.train_slices(split).items() if slices]
        patients = sorted(
            {self.subjects[name].patient for name in names}, key=lambda one: unit_hash(one, HELD_OUT_SALT)
        )
        if len(patients) < 2:
            raise ConfigError(
                f"--select holds out training patients with healthy slices, and there are {len(patients)}; add "
                "patients, or run without it"
            )
        kept = set(patients[: max(1, len(patients) // 10)])
        return tuple(name for name in names if self.subjects[name].patient in kept)

    def healthy_slices(self, subject: str) -> list[int]:
        """The z indices of a patient's healthy slices by the task's rule."""
        return [key.z for key in healthy_keys(self.census[subject], healthy_rule(self.task))]

    def scored_slices(self, subject: str) -> list[int]:
        """The z indices of the slices in the task's range that contain brain."""
        return list(scored_slices(self.census[subject], self.task.slices))

    def references(
        self, names: Iterable[str], *, cache: Path | None = None, report: Report | None = None
    ) -> References:
        """Brain and anomaly masks of the labelled ones among these patients; `cache` defaults to the user's cache."""
        subjects, modalities = [self.subjects[name] for name in names], self.task.modalities
        return build_references(
            subjects, self.census, modalities=modalities, cache=cache or cache_root(), report=report
        )

    def prepare(
        self,
        names: Iterable[str],
        modalities: tuple[Modality, ...],
        *,
        native: bool = False,
        cache: Path | None = None,
        report: Report | None = None,
    ) -> SliceStore:
        """The slices of these patients as the task prepares them, or on the scan's own grid if `native`."""
        subjects = [self.subjects[name] for name in names]
        choice = Preprocessing.of(self.task, modalities, native=native)
        return SliceStore.prepare(subjects, self.census, choice, cache=(cache or cache_root()).resolve(), report=report)


def split_cohort(
    task: Task, dataset: Any, subjects: Iterable[Subject], census: Census, splits: tuple[Split, ...]
) -> Cohort:
    """The cohort of these splits, which must pass the leak gate.

    Raises:
        DataError: duplicate scans in a role.
        LeakError: a test patient is part of the training data.
    """
    near = check_splits(splits, census)
    by_id = {subject.id: subject for subject in subjects}
    counterfactual = getattr(dataset, "counterfactual", None)
    return Cohort(task, by_id, dict(census), splits, data_digest(census), counterfactual, near)


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
    subjects = find_subjects(task, dataset, report=report)
    census = take_census(subjects, task.modalities, cache=cache_root(), report=report)
    return divide(task, dataset, subjects, census, folds=folds)


def divide(task: Task, dataset: Any, subjects: Iterable[Subject], census: Census, *, folds: int = 0) -> Cohort:
    """Split patients whose scans are sound, and pass the leak gate; patients whom the split does not name are left out.

    Raises:
        ConfigError: the data set ships no split.
        DataError: too few patients, no test patients, or a leak.
    """
    splits = tuple(_few_shot(split, task.train_patients) for split in _splits(task, dataset, census, folds))
    used = {name for split in splits for name in split.subjects}
    census = {name: facts for name, facts in census.items() if name in used}
    for split in splits:
        if not split.test:
            raise DataError(f"split {split.name} names no patient for test; move some there from train or val")
    return split_cohort(task, dataset, subjects, census, splits)


def _few_shot(split: Split, count: int | None) -> Split:
    """The split with the first `count` training patients by a hash, so that smaller sets lie in larger ones."""
    if count is None:
        return split
    ranked = sorted(dict.fromkeys(map(patient_id, split.train)), key=lambda patient: unit_hash(patient, FEW_SHOT_SALT))
    kept = set(ranked[:count])
    return replace(split, train=tuple(name for name in split.train if patient_id(name) in kept))


def find_subjects(task: Task, dataset: Any, *, report: Report = lambda _: None) -> list[Subject]:
    """The data set's patients without those whom the task excludes, their scans perturbed if the task asks for it.

    Raises:
        ConfigError: an excluded patient is not there, or the perturbation is unknown.
    """
    subjects: list[Subject] = dataset.subjects()
    known = {name for subject in subjects for name in (subject.id, subject.patient)}
    if strange := [name for name in task.exclude if name not in known]:
        raise ConfigError(f"exclude: no patient {strange[0]!r} in the data, which has {subjects[0].id} and others")
    kept = [subject for subject in subjects if not _is_excluded(subject.id, subject.patient, task)]
    if task.perturb is None:
        return kept
    return perturb_subjects(kept, task.modalities, Perturbation.parse(task.perturb), cache=cache_root(), report=report)


def _is_excluded(subject: str, patient: str | None, task: Task) -> bool:
    return not {subject, patient or patient_id(subject)}.isdisjoint(task.exclude)


def healthy_rule(task: Task) -> HealthyRule:
    """The task's criteria for healthy slices."""
    return HealthyRule(margin=task.margin, min_brain=task.min_brain, slices=task.slices)


def prepare_working_slices(cohort: Cohort, *, report: Report) -> SliceStore:
    """All patients' slices of the task's pair, as far as the task reads it, at its working size, in the cache."""
    task = cohort.task
    modalities = tuple(m for m in task.pair if m in task.modalities) or task.modalities
    return cohort.prepare(cohort.census, modalities, report=report)


def read_input(cohort: Cohort, subject: str, *, native: bool, cache: Path) -> NDArray[np.float32]:
    """The scaled input of a patient on the scan's grid.

    Args:
        cohort: patients of the task.
        subject: one of them.
        native: whether the method is given the scan's own voxels, and not slices of the task's working size.
        cache: folder of prepared slices.

    Returns:
        (X, Y, Z) float32, equal to the score map of `intensity` (native) or `intensity-coarse`.

    Raises:
        DataError: the scan cannot be scaled.
    """
    store = cohort.prepare([subject], cohort.task.pair[:1], native=native, cache=cache)
    return store.input_map(subject, cohort.scored_slices(subject))


def open_dataset(task: Task, data: Path | None, *, report: Report) -> Any:
    """Construct the task's dataset with the given data folder, or with a folder of the cache if it is embedded."""
    cls = _dataset_class(task)
    options = _checked_options(cls, task)
    if getattr(cls, "embedded", False):
        return cls(cache_root() / "datasets", report=report, **options)
    folder = data_folder(task, data)
    if folder is None:
        raise DataError(
            f"task {task.name} needs a data folder: add --data DIR, or set {DATA_VARIABLE} (dataset {task.dataset})"
        )
    shown = {"report": report} if getattr(cls, "reports", False) else {}
    return cls(folder, **shown, **options)


def data_folder(task: Task, data: Path | None) -> Path | None:
    """The folder with the patients: the given one, else that of the environment; None for embedded data."""
    if getattr(_dataset_class(task), "embedded", False):
        return None
    named = os.environ.get(DATA_VARIABLE)
    return data or (Path(named) if named else None)


def _dataset_class(task: Task) -> Any:
    return registry.find("dataset", task.dataset, registry.datasets()).load()


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


def _splits(task: Task, dataset: Any, census: Census, folds: int) -> tuple[Split, ...]:
    labelled = [name for name, facts in census.items() if facts.labelled]
    patients = {name: facts.patient for name, facts in census.items()}
    if folds:
        return tuple(fold_splits(labelled, folds, patients=patients))
    if task.split == "hash":
        clean = [name for name, facts in census.items() if has_clean_slice(facts, task.slices)]
        return (hash_split(list(census), labelled=labelled, patients=patients, clean=clean),)
    if task.split == "dataset":
        if not hasattr(dataset, "roles"):
            raise ConfigError(f"dataset {task.dataset} ships no split; use --split hash or a named one")
        whole = Split(name=task.name, **dataset.roles())
    else:
        whole = load_split(task.split)
    left = whole.only(name for name in whole.subjects if not _is_excluded(name, patients.get(name), task))
    return (left if task.split == "dataset" else apply_split(left, list(census), subset=task.subset),)
