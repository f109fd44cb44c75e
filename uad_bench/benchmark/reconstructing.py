"""Which runs have pseudo-healthy images, and which of them are still missing."""

from collections.abc import Iterator

from uad_bench.evaluation.reconstructions import read_reconstructions
from uad_bench.execution.job import Job
from uad_bench.runs.events import Described
from uad_bench.runs.folder import Run
from uad_bench.runs.reopen import Stored
from uad_bench.runs.trust import unreconstructed


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
