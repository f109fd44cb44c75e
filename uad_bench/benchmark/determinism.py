"""Holds a method to its claim: run a second time on the same machine, it must learn and score the same bytes."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from uad_bench.benchmark.runner import Bench
from uad_bench.config import Experiment
from uad_bench.data.cohort import Cohort
from uad_bench.errors import VerificationError
from uad_bench.files import read_json
from uad_bench.plugins.registry import Entry
from uad_bench.runs.folder import Run


def check_determinism(bench: Bench, experiment: Experiment, entry: Entry, cohort: Cohort) -> str:
    """Run a finished run again in a folder that is removed afterwards, compare, and say what was found.

    Raises:
        VerificationError: the method claims determinism (it does unless its class says `deterministic = False`) and
            its checkpoint or a map differs, or the second run fails.
    """
    first = bench.locate(experiment, entry, cohort)
    if first.read_record()["method"].get("deterministic") is False:
        return f"{experiment.method} claims no determinism; nothing to check"
    with TemporaryDirectory(dir=bench.root, prefix=".again-") as folder:
        again = replace(bench, root=Path(folder))
        record = again.run(experiment, entry, cohort)
        if record["status"] != "ok":
            raise VerificationError(f"{experiment.method}: the second run failed: {record['message']}")
        differing = _differing(_stored(first), _stored(again.locate(experiment, entry, cohort)))
    first.log_event("determinism", differing=differing)
    if differing:
        raise VerificationError(
            f"{experiment.method} claims determinism, but a second run stored other bytes for "
            f"{', '.join(differing[:5])}; draw all noise with uad_bench.seeding, or set deterministic = False"
        )
    return f"{experiment.method}: a second run stored the same bytes"


def _stored(run: Run) -> dict[str, Any]:
    """Digest of the checkpoint and of every map, of all folds."""
    digests: dict[str, Any] = {}
    for part in run.folds or (run,):
        manifest = read_json(part.manifest)
        prefix = f"{part.path.name}/" if run.folds else ""
        digests[f"{prefix}checkpoint"] = manifest["checkpoint"]
        digests |= {f"{prefix}{name}": entry["sha256"] for name, entry in manifest["maps"].items()}
    return digests


def _differing(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    return [name for name, digest in first.items() if second.get(name) != digest]
