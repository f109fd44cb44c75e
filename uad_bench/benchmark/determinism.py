"""Checks that a method is deterministic: a second run on the same machine must store identical weights and maps."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from uad_bench.benchmark.runner import Runner
from uad_bench.errors import VerificationError
from uad_bench.execution.job import Job
from uad_bench.runs.checkpoints import Manifest
from uad_bench.runs.events import Determinism
from uad_bench.runs.folder import Run


def check_determinism(runner: Runner, job: Job) -> str:
    """Repeat a finished run in a temporary folder, compare the two, and return a sentence with the result.

    Raises:
        VerificationError: the checkpoint or a map differs although the method claims determinism (as all methods do
            unless their class sets `deterministic = False`), or the second run fails.
    """
    method = job.experiment.method
    if job.run.read_record().method.deterministic is False:
        return f"{method} does not claim determinism; nothing to check"
    with TemporaryDirectory(dir=runner.root, prefix=".again-") as folder:
        again = replace(job, run=Run(Path(folder) / "run"))
        record = runner.run(again)
        if record.status != "ok":
            raise VerificationError(f"{method}: the second run failed: {record.message}")
        second = _stored(again.run)
        differing = [name for name, digest in _stored(job.run).items() if second.get(name) != digest]
    job.run.append(Determinism(differing=tuple(differing)))
    if differing:
        raise VerificationError(
            f"{method} claims determinism, but a second run gave different results for "
            f"{', '.join(differing[:5])}; draw all noise with uad_bench.seeding, or set deterministic = False"
        )
    return f"{method}: a second run gave identical results"


def _stored(run: Run) -> dict[str, str | None]:
    """Digests of the checkpoint and of every map, over all folds."""
    digests: dict[str, str | None] = {}
    for part in run.folds or (run,):
        manifest = Manifest.read(part.manifest)
        prefix = f"{part.path.name}/" if run.folds else ""
        digests[f"{prefix}checkpoint"] = manifest.checkpoint
        digests |= {f"{prefix}{name}": stored.sha256 for name, stored in manifest.maps.items()}
    return digests
