"""Jobs: one table row to compute, with everything that defines it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from uad_bench.config import Experiment
from uad_bench.data.cohort import Cohort
from uad_bench.data.split import Split
from uad_bench.evaluation.reconstructions import read_reconstructions
from uad_bench.plugins.registry import Entry
from uad_bench.runs.events import Described
from uad_bench.runs.folder import Run
from uad_bench.runs.identity import identify, run_of
from uad_bench.runs.origin import Origin
from uad_bench.runs.reopen import Stored
from uad_bench.runs.trust import unreconstructed


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One table row to compute; its identity is computed once, when the job is planned.

    Attributes:
        split: training, validation and test patients; with cross-validation, those of the first fold.
        origin: the run whose weights are used; None trains from scratch.
        identity: everything that defines the run, as plain values.
        run: the run folder, named by the digest of the identity; folds have subfolders.
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
    def folds(self) -> tuple[Self, ...]:
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


def described(run: Run) -> Described:
    """The method's description in the event log."""
    return next(event for event in reversed(run.read_events()) if isinstance(event, Described))


def reconstructs(run: Run) -> bool:
    """Whether a run's method computes pseudo-healthy images; imported maps have no method."""
    return any(isinstance(event, Described) and event.reconstructs for event in run.read_events())


def lacks_reconstructions(job: Job) -> bool:
    """Whether the method computes pseudo-healthy images and some are missing or not evaluated."""
    parts = [part for part in job.folds or (job,) if reconstructs(part.run)]
    unmeasured = bool(parts) and read_reconstructions(job.run) is None
    return unmeasured or any(unreconstructed(part.run, part.split.test) for part in parts)


def stored_parts(job: Job) -> Iterator[Stored]:
    """The finished run of a job, or those of its folds, with the patients."""
    for part in job.folds or (job,):
        name = part.run.path.name if job.folds else ""
        yield Stored(part.run, part.run.read_record(), part.cohort, part.split, name)
