"""Two cohorts as one dataset: training on the first (usually healthy subjects), validation and test on the second.

Results mix the domain shift between cohorts with the anomalies; they are not compared with single-cohort results.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uad_bench.data.splits import unit_hash
from uad_bench.data.subject import Subject
from uad_bench.datasets.published import resolved
from uad_bench.errors import ConfigError, DataError
from uad_bench.plugins import registry

SALT = "uad-bench-cohort-1"
FEWEST = 2  # minimum number of patients for validation
COHORT = "cohort"


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
