"""Two cohorts as one data set: learn from the first (healthy people, usually), validate and test on the second.

Such a table mixes the shift between scanners with the anomaly; it is never compared with a one-cohort table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uad_bench.data.splits import unit_hash
from uad_bench.data.subject import Subject, patient_id
from uad_bench.errors import ConfigError, DataError
from uad_bench.plugins import registry

SALT = "uad-bench-cohort-1"
FEWEST = 2  # patients for validation
COHORT = "cohort"


@dataclass(frozen=True)
class TwoCohorts:
    """A training cohort and a test cohort below one root.

    Attributes:
        root: the folder that both lie in.
        train: `dataset` (a registered name), `folder` below the root, and that data set's options.
        test: the same for the cohort that is validated and tested on.
        val_share: of the test cohort's labelled patients that choose thresholds, by hash of the id; at least 2.
    """

    root: Path
    train: Mapping[str, Any]
    test: Mapping[str, Any]
    val_share: float = 0.1

    def subjects(self) -> list[Subject]:
        """Both cohorts' subjects, with the attribute `cohort`.

        Raises:
            DataError: one of them is empty, or an id stands in both.
        """
        train, test = self._cohort("train"), self._cohort("test")
        common = {patient_id(s.id) for s in train} & {patient_id(s.id) for s in test}
        if common:
            raise DataError(f"{self.root}: patient {min(common)} is in both cohorts; remove one")
        return [*train, *test]

    def roles(self) -> dict[str, tuple[str, ...]]:
        """Everybody of the first cohort trains; labelled patients of the second validate and are tested."""
        judged = [s.id for s in self._cohort("test") if s.label or s.healthy]
        ranked = sorted(judged, key=lambda id_: (unit_hash(patient_id(id_), SALT), id_))
        patients = list(dict.fromkeys(map(patient_id, ranked)))
        if len(patients) <= FEWEST:
            raise DataError(f"{self.root}: {len(patients)} labelled patients cannot validate and test; 3 are needed")
        chosen = set(patients[: max(FEWEST, round(self.val_share * len(patients)))])
        val = tuple(sorted(id_ for id_ in judged if patient_id(id_) in chosen))
        test = tuple(sorted(set(judged) - set(val)))
        return {"train": tuple(s.id for s in self._cohort("train")), "val": val, "test": test}

    def _cohort(self, role: str) -> list[Subject]:
        options = dict(self.train if role == "train" else self.test)
        if not {"dataset", "folder"} <= options.keys():
            raise ConfigError(f"cohort {role} needs the keys dataset and folder, it has {', '.join(options) or 'none'}")
        entry = registry.find("dataset", options.pop("dataset"), registry.datasets())
        subjects: list[Subject] = entry.load()(self.root / options.pop("folder"), **options).subjects()
        return [replace(s, attributes={**s.attributes, COHORT: role}) for s in subjects]
