"""The slices that `show --slices` draws: largest anomaly of the worst, the median and the best test patient."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from uad_bench.data.cache import cache_root
from uad_bench.data.reference import Reference, build_references
from uad_bench.data.volume import read_volume
from uad_bench.errors import ConfigError
from uad_bench.method import Progress
from uad_bench.metrics.overlap import smallest_float32
from uad_bench.output.report.cases import worst_median_best
from uad_bench.output.report.permission import may_show
from uad_bench.output.report.radiology import to_grey, turn
from uad_bench.output.slice_drawing import PatientSlice
from uad_bench.runs.folder import Run
from uad_bench.runs.reopen import Stored, open_stored
from uad_bench.runs.tables import Patients, read_patients

Report = Callable[[Progress], None]
POLICY = "hFPR5"


def find_slices(
    run: Run, *, data: Path | None, images: bool | None, report: Report = lambda _: None
) -> tuple[PatientSlice, ...]:
    """Slices of a finished run, worst patient first; over folds each is judged by the fold that tested the patient.

    Raises:
        ConfigError: the pictures were not asked for, or there is no map, no threshold or no anomaly to show.
        DataError: the data is not found, or is not what the run was made from.
    """
    record = run.read_record()
    if record["status"] != "ok":
        raise ConfigError(f"{record['run']}: failed, so it has no maps to show")
    if not may_show(record, images):
        raise ConfigError(f"{record['run']}: its patients may be real people; to see them, add --with-images")
    chosen = _choose(read_patients(run))
    if not chosen:
        raise ConfigError(f"{record['run']}: no test patient has a Dice at {POLICY}")
    parts = open_stored(run, data, report)
    return tuple(
        _slice(next(part for part in parts if subject in part.split.test), subject, words)
        for subject, words in chosen.items()
    )


def _choose(patients: Patients) -> dict[str, str]:
    """Why each of up to three patients is shown."""
    dice = patients.values.get(f"dice@{POLICY}", np.array([]))
    places = worst_median_best(dice).items()
    return {patients.names[i]: f"{' and '.join(n)} patient, Dice {dice[i]:.3f} at {POLICY}" for i, n in places}


def _slice(stored: Stored, subject: str, words: str) -> PatientSlice:
    cohort, threshold, file = stored.cohort, stored.record["thresholds"].get(POLICY), stored.run.map(subject)
    if threshold is None:
        raise ConfigError(f"{stored.record['run']}: has no threshold {POLICY}")
    if not file.exists():
        raise ConfigError(f"{stored.record['run']}: the map of {subject} is not here; run the method again to see it")
    found = cohort.subjects[subject]
    reference = build_references([found], cohort.census, modalities=cohort.task.modalities, cache=cache_root())[subject]
    image = to_grey(reference.crop(read_volume(found.images[cohort.task.pair[0]]).array), reference.brain)
    scores = reference.crop(np.load(file, mmap_mode="r", allow_pickle=False))
    marked = (scores >= smallest_float32(float.fromhex(threshold))) & (reference.brain | reference.anomaly)
    z = int(reference.anomaly.sum(axis=(0, 1)).argmax())
    grey, marks, anomaly = (turn(array[..., z : z + 1])[0] for array in (image, marked, reference.anomaly))
    place = _place(reference, z, stored.part)
    return PatientSlice(f"{subject}: {words}", place, grey, marks, anomaly, _aspect(reference))


def _place(reference: Reference, z: int, part: str) -> str:
    volume = reference.anomaly.sum() * np.prod(reference.spacing) / 1000
    fold = f", tested in {part}" if part else ""
    return f"slice z {z + reference.box[0][2]}, of an anomaly of {volume:.1f} ml{fold}"


def _aspect(reference: Reference) -> float:
    (x, y, _), (across, along, _) = reference.brain.shape, reference.spacing
    return float(x * across / (y * along))
