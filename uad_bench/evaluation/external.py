"""Anyone's score maps become a run: a folder of `<patient>.nii.gz` or `<patient>.npy`, made by any program.

NIfTI maps may be stored in any orientation and must lie on the scan's own grid; arrays are canonical (RAS+). Nothing is
resampled: a map of another geometry is refused with both geometries named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.cohort import Cohort, cache_root, gather, open_dataset
from uad_bench.config import Experiment, Task, change_task, load_task
from uad_bench.data.census import SubjectFacts, data_digest, take_census
from uad_bench.data.splits import Split
from uad_bench.data.subject import ImageFile
from uad_bench.data.volume import read_volume
from uad_bench.errors import ConfigError, DataError, MethodError
from uad_bench.evaluation.judging import judge
from uad_bench.execution.stages import save_map
from uad_bench.files import write_json
from uad_bench.fingerprint import digest_file, digest_json
from uad_bench.method import Progress
from uad_bench.metrics.validity import require_scores
from uad_bench.plugins.registry import Entry
from uad_bench.storage.identity import identify, run_of
from uad_bench.storage.records import Outcome, make_record
from uad_bench.storage.runs import Run

Report = Callable[[Progress], None]
SUFFIXES = (".nii.gz", ".nii", ".npy")
AFFINE_TOLERANCE = 1e-3  # voxel -> mm; what writers round, not what moves a voxel
ORIGIN = "external maps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """Files by patient; more than one for a patient is an error that the run reports.

    Attributes:
        test: of the patients that are judged.
        val: of those that thresholds are chosen on; empty where there are none.
    """

    test: Mapping[str, list[Path]]
    val: Mapping[str, list[Path]]

    @property
    def digests(self) -> dict[str, list[str]]:
        """SHA-256 of every file, which name the run."""
        return {name: [digest_file(path) for path in paths] for name, paths in [*self.val.items(), *self.test.items()]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Maps to be judged, and on what.

    Attributes:
        folder: one map a test patient.
        name: what the row is called.
        task: shipped name or file; its protocol holds.
        data: folder with the scans and labels, where the task's data is not embedded.
        split: a split whose test patients are judged; by default all labelled patients are.
        threshold_maps: maps of validation patients; without them there is only the oracle threshold.
    """

    folder: Path
    name: str
    task: str = "phantom"
    data: Path | None = None
    split: str | None = None
    threshold_maps: Path | None = None


def evaluate_maps(given: Submission, *, runs: Path = Path("runs"), report: Report = lambda _: None) -> dict[str, Any]:
    """Judge a folder of score maps, and store the result as a run of the method `given.name`.

    Returns:
        the record; its status is `failed`, with the reason, where a map is missing or is not what it should be.

    Raises:
        DataError: the scans, labels or folders cannot be read.
    """
    maps = Maps(test=find_maps(given.folder), val=find_maps(given.threshold_maps) if given.threshold_maps else {})
    cohort = _cohort(load_task(given.task), given, maps, report)
    experiment = Experiment(method=given.name, profile="external", params={}, task=cohort.task)
    entry = Entry(given.name, "", distribution=ORIGIN)
    asked = Outcome(experiment=experiment, entry=entry, cohort=cohort, split=cohort.splits[0], device="cpu")
    identity = {**identify(experiment, entry, cohort), "maps": digest_json(maps.digests)}
    run = run_of(runs, identity)
    if run.finished:
        return run.read_record()
    with run.lock():
        run.log_event("start", resumed=False, repaired=[])
        write_json(run.experiment, identity)
        return _judged(run, asked, maps, report)


def find_maps(folder: Path) -> dict[str, list[Path]]:
    """Map files of a folder by patient.

    Raises:
        DataError: there is no such folder, or no map in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of score maps")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((s for s in SUFFIXES if path.name.endswith(s)), None)
        if suffix and not path.name.startswith("."):
            found.setdefault(path.name.removesuffix(suffix), []).append(path)
    if not found:
        raise DataError(f"{folder}: holds no map; they are named PATIENT.nii.gz or PATIENT.npy")
    return found


def read_score_map(path: Path, facts: SubjectFacts) -> NDArray[np.float32]:
    """One map in canonical orientation, checked against the scan.

    Raises:
        MethodError: another shape, place, type, or not finite.
    """
    try:
        array, affine = _canonical(path)
    except (DataError, ValueError, EOFError, OSError) as error:
        reason = "nonfinite" if "NaN or infinite" in str(error) else "bad_output"
        raise MethodError(f"{facts.id}: {error}", reason=reason) from error
    if array.dtype.kind not in "fiu":
        raise MethodError(f"{path}: scores are {array.dtype}, expected float32", reason="bad_output")
    if array.shape != facts.shape:
        raise MethodError(f"{path}: the map is {array.shape}, the scan is {facts.shape}", reason="bad_output")
    if affine is not None and not np.allclose(affine, facts.affine, atol=AFFINE_TOLERANCE, rtol=0):
        raise MethodError(
            f"{path}: the map lies elsewhere than the scan (affine {_short(affine)}, the scan's "
            f"{_short(facts.affine)}); write it on the scan's own grid",
            reason="bad_output",
        )
    with np.errstate(over="ignore"):
        scores = np.ascontiguousarray(array, np.float32)
    require_scores(scores, shape=facts.shape, name=facts.id)
    return scores


def _judged(run: Run, asked: Outcome, maps: Maps, report: Report) -> dict[str, Any]:
    try:
        _import_maps(run, asked, maps, report)
        record = make_record(asked, run, result=judge(run, asked.cohort, asked.split, report))
    except MethodError as error:
        run.log_event("failed", reason=error.reason, message=str(error), notes=[])
        record = make_record(asked, run, failure=error)
    run.log_event("end", status=record["status"])
    if record["status"] == "ok":
        run.finish(record)
    else:
        write_json(run.record, record)
    return record


def _import_maps(run: Run, asked: Outcome, maps: Maps, report: Report) -> None:
    """Copy every map into the run as it is judged, and write the manifest last."""
    wanted = dict.fromkeys(asked.split.test, maps.test) | dict.fromkeys(asked.split.val * bool(maps.val), maps.val)
    _require_each_once(asked.split, maps)
    stored = {}
    for done, (name, files) in enumerate(wanted.items()):
        report(Progress("reading maps", done, len(wanted)))
        [path] = files[name]
        stored[name] = save_map(run.map(name), read_score_map(path, asked.cohort.census[name]))
        run.log_event("imported", subject=name, **stored[name])
    write_json(run.manifest, {"maps": stored, "checkpoint": None})


def _require_each_once(split: Split, maps: Maps) -> None:
    for role, found in (("test", maps.test), ("val", maps.val)):
        wanted = set(split.role(role)) if role == "test" or found else set()
        problems = [
            *_listed("no map of", wanted - set(found)),
            *_listed("maps of patients who are not judged,", set(found) - wanted),
            *_listed("several maps of", {name for name, paths in found.items() if len(paths) > 1}),
        ]
        if problems:
            raise MethodError(f"{role} maps: {'; '.join(problems)}", reason="bad_output")


def _listed(what: str, names: Iterable[str]) -> list[str]:
    ordered = sorted(names)
    more = f" and {len(ordered) - 5} more" if len(ordered) > 5 else ""
    return [f"{what} {', '.join(ordered[:5])}{more}"] if ordered else []


def _cohort(task: Task, given: Submission, maps: Maps, report: Report) -> Cohort:
    """The split's patients, so that the row may stand beside others of that split; else everybody with a label."""
    if given.split:
        return gather(change_task(task, {"split": given.split}), given.data, report=report)
    subjects = [s for s in open_dataset(task, given.data, report=report).subjects() if s.label or s.healthy]
    val = tuple(s.id for s in subjects if s.id in maps.val)
    test = tuple(s.id for s in subjects if s.id not in maps.val)
    if not test:
        raise ConfigError("every labelled patient has a threshold map, so that nobody is left to test")
    census = take_census(subjects, task.modalities, cache=cache_root(), report=report)
    whole = Split("all labelled", (), val, test)
    return Cohort(task, {s.id: s for s in subjects}, census, (whole,), data_digest(census))


def _canonical(path: Path) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Scores (X, Y, Z) and where they lie, which an array does not say."""
    if path.name.endswith(".npy"):
        return np.load(path, allow_pickle=False), None
    volume = read_volume(ImageFile(path))
    return volume.array, volume.affine


def _short(affine: NDArray[np.float64] | Sequence[Sequence[float]]) -> str:
    return "; ".join(" ".join(f"{value:g}" for value in row) for row in np.asarray(affine)[:3])
