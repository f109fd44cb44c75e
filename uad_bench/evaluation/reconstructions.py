"""Evaluate the stored pseudo-healthy images of a run against scans, references and known healthy tissue.

Only the phantom knows the healthy tissue behind a lesion. It is read here, after the method has ended.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from uad_bench.data.geometry import on_scan_grid
from uad_bench.data.inspection import inside
from uad_bench.data.preparation import Preprocessing, prepare_slices
from uad_bench.data.reference import Reference
from uad_bench.data.store import read_scans
from uad_bench.data.volume import read_volume
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.folds import jackknife_of_folds, mean_metrics
from uad_bench.evaluation.judging import cases_of
from uad_bench.evaluation.protocol import load_protocol
from uad_bench.files import write_json
from uad_bench.method import Modality, Progress, Report
from uad_bench.metrics.reconstruction import RECONSTRUCTION, ReconstructionSums, sum_reconstruction
from uad_bench.metrics.uncertainty import Resamples, leave_one_out, mean_replicates, summed_counts
from uad_bench.metrics.validity import require_scores
from uad_bench.metrics.value import MetricValue, undefined
from uad_bench.runs.checkpoints import StoredMap
from uad_bench.runs.document import Document
from uad_bench.runs.events import Described, Reconstructed
from uad_bench.runs.folder import Run
from uad_bench.runs.metric_rows import Estimate, Labels, MetricRow
from uad_bench.runs.record import METRICS_VERSION, NO_NUMBERS, SCHEMA, Jackknife, Numbers, record_digest
from uad_bench.runs.reopen import Stored
from uad_bench.runs.score_maps import read_map
from uad_bench.runs.tables import mean_of_folds, write_columns
from uad_bench.runs.trust import logged_maps

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]
Sums = dict[str, float | None]


class Reconstructions(Document):
    """`reconstructions.json`: the pseudo-healthy images of a run's test patients, and their metrics.

    Attributes:
        modality: of the images.
        images: SHA-256 and size of each image's file, by subject.
        patients: fields of `ReconstructionSums` by subject, None where the healthy tissue is unknown; empty without
            references.
    """

    schema_version: int = Field(SCHEMA, alias="schema")
    metrics_version: int = METRICS_VERSION
    run: str
    modality: Modality
    images: dict[str, StoredMap]
    patients: dict[str, Sums] = Field(default_factory=dict)
    metrics: tuple[MetricRow, ...] = ()
    jackknife: Jackknife | None = None
    digest: str | None = None

    @property
    def current(self) -> bool:
        """Whether the metrics are of this version."""
        return self.metrics_version == METRICS_VERSION


@dataclass(frozen=True, slots=True, eq=False)
class ComparedImages:
    """A patient's pseudo-healthy image and what it is compared with, in task units, cropped to the reference's box.

    Attributes:
        scan: the scan as the method received it, NaN outside its field of view.
        truth: the same without lesions; None if unknown.
        healthy: bool, evaluated voxels of healthy brain; `lesion` likewise.
        span: dynamic range of the scan, from the background to the brain's 99th percentile.
    """

    image: Volume
    scan: Volume
    truth: Volume | None
    healthy: Mask
    lesion: Mask
    span: float

    def sums(self) -> ReconstructionSums:
        """Sums over the patient's voxels."""
        return sum_reconstruction(
            self.image, self.scan, healthy=self.healthy, lesion=self.lesion, truth=self.truth, span=self.span
        )


def measure_reconstructions(run: Run, parts: Sequence[Stored], report: Report = lambda _: None) -> Reconstructions:
    """Evaluate the pseudo-healthy images of a run, or of its folds, and store the result in the run folder."""
    document, replicates = compute_reconstructions(parts, report)
    write_columns(replicates_path(run), replicates)
    write_json(document_path(run), document.to_json())
    return document


def compute_reconstructions(
    parts: Sequence[Stored], report: Report = lambda _: None, *, cache: Path | None = None
) -> tuple[Reconstructions, dict[str, NDArray[np.float64]]]:
    """The document that `measure_reconstructions` stores, and its replicates (n,) by metric key."""
    sums = [dict(_sums(part, report, cache)) if part.record.status == "ok" else {} for part in parts]
    results = [_numbers(part, found) for part, found in zip(parts, sums, strict=True) if found]
    numbers, replicates = results[0] if len(results) == 1 else _over_folds(results)
    document = Reconstructions(
        schema=SCHEMA,
        metrics_version=METRICS_VERSION,
        run=parts[0].record.run.partition("/fold")[0],
        modality=modality_of(parts[0]),
        images={name: image for part in parts for name, image in sorted(_images(part.run).items())},
        patients={name: _without_nan(one) for found in sums for name, one in found.items()},
        metrics=numbers.metrics,
        jackknife=numbers.jackknife,
    )
    return document.model_copy(update={"digest": record_digest(document.to_json())}), replicates


def read_reconstructions(run: Run) -> Reconstructions | None:
    """The stored result; None if the run has no pseudo-healthy images."""
    return Reconstructions.read(document_path(run)) if document_path(run).exists() else None


def compared_images(part: Stored, cases: Cases) -> Iterator[tuple[str, ComparedImages]]:
    """Every evaluated test patient with an image."""
    for subject in cases.present(part.split.test):
        reference, image = cases.references[subject], read_map(part.run.reconstruction(subject))
        require_scores(image, shape=reference.shape, name=subject)
        yield subject, _compared(part, reference, image, cases.chosen_slices(reference))


def modality_of(part: Stored) -> Modality:
    """The modality of a run's pseudo-healthy images."""
    return _described(part).score[0]


def document_path(run: Run) -> Path:
    """Path of the result in the run folder."""
    return run.path / "reconstructions.json"


def replicates_path(run: Run) -> Path:
    """Path of its jackknife replicates."""
    return run.path / "reconstructions.npy"


def _sums(part: Stored, report: Report, cache: Path | None) -> Iterator[tuple[str, ReconstructionSums]]:
    cases = cases_of(part.run, part.cohort, part.split, load_protocol(part.cohort.task.protocol), report, cache=cache)
    for done, (subject, compared) in enumerate(compared_images(part, cases)):
        report(Progress("compare pseudo-healthy images", done, len(part.split.test)))
        yield subject, compared.sums()


def _compared(part: Stored, reference: Reference, image: Volume, slices: Sequence[int]) -> ComparedImages:
    modality = modality_of(part)
    subject, facts = part.cohort.subjects[reference.id], part.cohort.census[reference.id]
    arrays, brain = read_scans(subject, facts, (modality,))
    choice = Preprocessing.of(part.cohort.task, (modality,), native=_described(part).native)

    def prepared(array: NDArray[Any]) -> tuple[Volume, float]:
        made = prepare_slices({modality: array}, brain, facts.spacing, choice, scaled_as={modality: arrays[modality]})
        return on_scan_grid(made.images[:, 0], made.geometry), made.geometry.background[0]

    scan, background = prepared(arrays[modality])
    truth = None
    if part.cohort.counterfactual:
        truth, _ = prepared(read_volume(part.cohort.counterfactual(subject.id, modality)).array)
    seen = inside(~np.isnan(scan), reference.box)
    depth = range(reference.box[0][2], reference.box[1][2])
    evaluated = seen & np.isin(depth, slices)
    return ComparedImages(
        image=inside(image, reference.box),
        scan=inside(scan, reference.box),
        truth=None if truth is None else inside(truth, reference.box),
        healthy=evaluated & ~reference.anomaly,
        lesion=evaluated & reference.anomaly,
        span=float(np.nanpercentile(scan, 99)) - background,
    )


def _numbers(part: Stored, sums: Mapping[str, ReconstructionSums]) -> tuple[Numbers, dict[str, NDArray[np.float64]]]:
    """Each metric pooled over all voxels, and as the mean over patients."""
    protocol = load_protocol(part.cohort.task.protocol)
    labels = Labels(chain="none", region=protocol.region, n_subjects=len(sums))
    resamples = leave_one_out(list(sums))
    found = list(_estimates(list(sums.values()), labels, resamples))
    replicates = {e.metric.key: e.replicates for e in found if e.replicates is not None}
    jackknife = Jackknife(rows=resamples.digest, metrics=tuple(replicates))
    numbers = NO_NUMBERS.model_copy(update={"metrics": tuple(e.metric for e in found), "jackknife": jackknife})
    return numbers, replicates


def _estimates(sums: Sequence[ReconstructionSums], labels: Labels, resamples: Resamples) -> Iterator[Estimate]:
    total, resampled = reduce(_add, sums), summed_counts(sums, resamples)
    for name, metric in RECONSTRUCTION.items():
        yield labels.row(name, metric(total), metric.replicates(resampled))
        each = [metric(one) for one in sums]
        values = np.array([one.value for one in each])
        n = int(np.sum(~np.isnan(values)))
        mean = MetricValue(float(np.nanmean(values))) if n else undefined(each[0].undefined or "no_patient")
        yield labels.row(name, mean, mean_replicates(values, resamples), aggregation="mean", n_subjects=n)


def _add(first: ReconstructionSums, second: ReconstructionSums) -> ReconstructionSums:
    pairs = zip(asdict(first).items(), asdict(second).values(), strict=True)
    return ReconstructionSums(**{name: a + b for (name, a), b in pairs})


def _over_folds(
    results: Sequence[tuple[Numbers, dict[str, NDArray[np.float64]]]],
) -> tuple[Numbers, dict[str, NDArray[np.float64]]]:
    if not results:
        return NO_NUMBERS, {}
    replicates = mean_of_folds([found.metrics for found, _ in results], [values for _, values in results])
    metrics = mean_metrics([found.metrics for found, _ in results], replicates)
    jackknife = jackknife_of_folds([found for found, _ in results], replicates)
    return NO_NUMBERS.model_copy(update={"metrics": metrics, "jackknife": jackknife}), replicates


def _described(part: Stored) -> Described:
    return next(event for event in reversed(part.run.read_events()) if isinstance(event, Described))


def _images(run: Run) -> dict[str, StoredMap]:
    stored = map(attrgetter("stored"), logged_maps(run, Reconstructed).values())
    return {event.subject: StoredMap(sha256=event.sha256, shape=event.shape, bytes=event.bytes) for event in stored}


def _without_nan(sums: ReconstructionSums) -> Sums:
    return {name: None if np.isnan(value) else value for name, value in asdict(sums).items()}
