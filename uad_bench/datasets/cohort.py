"""Two cohorts as one dataset: training on the first (usually healthy subjects), validation and test on the second.

Results mix the domain shift between cohorts with the anomalies; they are not compared with single-cohort results.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uad_bench.data.cache import cache_root
from uad_bench.data.splits import unit_hash
from uad_bench.data.subject import Subject
from uad_bench.datasets.published import resolved
from uad_bench.errors import ConfigError, DataError
from uad_bench.plugins import registry

SALT = "uad-bench-cohort-1"
FEWEST = 2  # minimum number of patients for validation
COHORT = "cohort"
FOLDER = "joined"  # in the cache: roots of several cohorts, with a link to each


@dataclass(frozen=True)
class TwoCohorts:
    """A training cohort and a test cohort below one root.

    Attributes:
        root: folder that contains both cohorts.
        train: `folder` below the root; `dataset` (a registered name) with its options, or `cohort` (a name of
            `uad_bench.datasets.published`).
        test: the same for the cohort used for validation and test.
        val_share: fraction of the test cohort's labelled patients used to choose thresholds, selected by a hash of the
            id; at least 2 patients.
    """

    root: Path
    train: Mapping[str, Any]
    test: Mapping[str, Any]
    val_share: float = 0.1

    def subjects(self) -> list[Subject]:
        """Subjects of both cohorts, with the attribute `cohort`.

        Raises:
            DataError: a cohort is empty, or a patient is in both.
        """
        train, test = self._cohort("train"), self._cohort("test")
        common = {s.patient for s in train} & {s.patient for s in test}
        if common:
            raise DataError(f"{self.root}: patient {min(common)} is in both cohorts; remove one")
        return [*train, *test]

    def roles(self) -> dict[str, tuple[str, ...]]:
        """All subjects of the first cohort for training; labelled patients of the second for validation and test."""
        labelled = [s for s in self._cohort("test") if s.label or s.healthy]
        ranked = sorted(labelled, key=lambda s: (unit_hash(s.patient, SALT), s.id))
        patients = list(dict.fromkeys(s.patient for s in ranked))
        if len(patients) <= FEWEST:
            raise DataError(
                f"{self.root}: validation and test need at least 3 labelled patients, found {len(patients)}"
            )
        chosen = set(patients[: max(FEWEST, round(self.val_share * len(patients)))])
        val = tuple(sorted(s.id for s in labelled if s.patient in chosen))
        test = tuple(sorted({s.id for s in labelled} - set(val)))
        return {"train": tuple(s.id for s in self._cohort("train")), "val": val, "test": test}

    def _cohort(self, role: str) -> list[Subject]:
        options = resolved(self.train if role == "train" else self.test)
        if not {"dataset", "folder"} <= options.keys():
            raise ConfigError(
                f"cohort {role} needs the keys folder and cohort or dataset, found {', '.join(options) or 'none'}"
            )
        entry = registry.find("dataset", options.pop("dataset"), registry.datasets())
        subjects: list[Subject] = entry.load()(self.root / options.pop("folder"), **options).subjects()
        return [replace(s, attributes={**s.attributes, COHORT: role}) for s in subjects]


def data_root(given: Sequence[str]) -> Path | None:
    """The folder that is given, or one with a link per `NAME=DIR`; None if nothing is given.

    Raises:
        ConfigError: several folders without a name, or a name twice.
        DataError: a named folder does not exist.
    """
    if not given:
        return None
    if len(given) == 1 and ("=" not in given[0] or Path(given[0]).exists()):
        return Path(given[0])
    return _join(dict(map(_named, given)), count=len(given))


def _named(text: str) -> tuple[str, Path]:
    name, equals, place = text.partition("=")
    if not equals or not name or "/" in name or name.startswith("."):
        raise ConfigError(f"--data {text!r} is one of several; write NAME=DIR, such as ixi=/data/IXI")
    folder = Path(place).expanduser().resolve()
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; choose the data folder with --data {name}=DIR")
    return name, folder


def _join(folders: dict[str, Path], *, count: int) -> Path:
    if len(folders) < count:
        raise ConfigError("--data: two folders have the same name; give each cohort once")
    text = "\0".join(f"{name}={folder}" for name, folder in sorted(folders.items()))
    root = cache_root().resolve() / FOLDER / hashlib.sha256(os.fsencode(text)).hexdigest()[:16]
    root.mkdir(parents=True, exist_ok=True)
    for name, folder in folders.items():
        if not (root / name).is_symlink():
            (root / name).symlink_to(folder, target_is_directory=True)
    return root
