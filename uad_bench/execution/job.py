"""Jobs: one table row to compute, with everything that defines it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from uad_bench.config import Experiment
from uad_bench.data.cohort import Cohort
from uad_bench.data.splits import Split
from uad_bench.plugins.registry import Entry
from uad_bench.runs.folder import Run
from uad_bench.runs.identity import identify, run_of
from uad_bench.runs.origin import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One table row to compute; its identity is computed once, when the job is planned.

    Attributes:
        split: training, validation and test patients; with cross-validation, those of the first fold.
        origin: the run whose weights are used; None trains from scratch.
        identity: everything that defines the run, as plain values.
        run: the run folder, named by the digest of the identity; folds have subfolders.
        device: `"cpu"` or `"cuda"`.
    """

    experiment: Experiment
    entry: Entry
    cohort: Cohort
    split: Split
    origin: Origin | None
    identity: Mapping[str, Any]
    run: Run
    device: str

    @classmethod
    def plan(  # noqa: PLR0913 - every part of the job
        cls,
        experiment: Experiment,
        entry: Entry,
        cohort: Cohort,
        *,
        root: Path,
        device: str = "cpu",
        origin: Origin | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plan the job of an experiment below the runs folder `root`; `facts` are additional parts of its identity.

        Raises:
            ConfigError: a setting has no JSON form.
        """
        identity = {**identify(experiment, entry, cohort, origin), **(facts or {})}
        return cls(
            experiment=experiment,
            entry=entry,
            cohort=cohort,
            split=cohort.splits[0],
            origin=origin,
            identity=identity,
            run=run_of(root, identity),
            device=device,
        )

    @property
    def folds(self) -> tuple[Job, ...]:
        """One job per fold; empty without cross-validation."""
        if len(self.cohort.splits) == 1:
            return ()
        return tuple(
            replace(
                self,
                split=split,
                identity={**self.identity, "splits": [split.digest]},
                run=Run(self.run.path / f"fold{number}"),
            )
            for number, split in enumerate(self.cohort.splits)
        )

    @property
    def labelled(self) -> bool:
        """Whether any test patient has a reference."""
        return any(self.cohort.census[name].labelled for name in self.split.test)
