"""Data of the case browser: image, reference anomaly and score levels of the selected patients' slices."""

import base64
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from uad_bench.config import Task
from uad_bench.data.cohort import Cohort
from uad_bench.data.reference import Reference
from uad_bench.data.scaling import scale_for
from uad_bench.data.volume import read_volume
from uad_bench.metrics.lesion import SMALLEST_MM3
from uad_bench.metrics.overlap import smallest_float32
from uad_bench.output.report.cases import ChosenCase
from uad_bench.output.report.levels import OUTSIDE, Levels, count_levels, make_levels
from uad_bench.output.report.report_data import MethodData, Part
from uad_bench.runs.integrity import require_stored_maps
from uad_bench.runs.score_maps import read_map

Kind = Literal["missed lesion", "false positive"]
MOST = 6  # findings per kind


@dataclass(frozen=True, slots=True)
class Finding:
    """One connected component.

    Attributes:
        at: voxel (x, y, z) of the component nearest its centre, relative to the box.
    """

    kind: Kind
    at: tuple[int, int, int]
    ml: float


def find_errors(predicted: NDArray[np.bool_], anomaly: NDArray[np.bool_], *, voxel_mm3: float) -> list[Finding]:
    """Components of either mask (X, Y, Z) that do not overlap the other, largest first; 26-connectivity."""
    missed = _alone(anomaly, predicted, "missed lesion", voxel_mm3)
    return [*missed, *_alone(predicted, anomaly, "false positive", voxel_mm3)]


def _alone(mask: NDArray[np.bool_], other: NDArray[np.bool_], kind: Kind, voxel_mm3: float) -> list[Finding]:
    from scipy import ndimage

    labels, count = ndimage.label(mask, np.ones((3, 3, 3), bool))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    met = np.unique(labels[other])
    alone = [i for i in range(1, count + 1) if i not in met and sizes[i] * voxel_mm3 >= SMALLEST_MM3]
    alone.sort(key=lambda i: (-sizes[i], i))
    boxes = ndimage.find_objects(labels)
    return [Finding(kind, _centre(labels, boxes[i - 1], i), float(sizes[i] * voxel_mm3 / 1000)) for i in alone[:MOST]]


def _centre(labels: NDArray[np.int64], box: tuple[slice, ...], number: int) -> tuple[int, int, int]:
    """The component's voxel nearest its centre of mass, which may itself be outside the component."""
    places = np.argwhere(labels[box] == number) + [part.start for part in box]
    x, y, z = places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))]
    return int(x), int(y), int(z)


POLICY = "hFPR5"
LONGEST_SIDE = 192  # pixels of a shown slice; larger slices are subsampled
MOST_BYTES = 10_000_000  # of all images before compression
SLICES = (4, 48)  # fewest and most per patient


@dataclass(frozen=True, slots=True, eq=False)
class Viewed:
    """One patient, cropped to the box of brain and anomaly; arrays are (x, y, z).

    Attributes:
        fold: the fold that tested the patient; empty without folds.
        image: grey values, 0 to 255.
        restored: grey values of the pseudo-healthy image per method, None where there is none.
        levels: score levels per method.
        findings: missed lesions and false positives per method.
    """

    case: ChosenCase
    fold: str
    reference: Reference
    image: NDArray[np.uint8]
    restored: tuple[NDArray[np.uint8] | None, ...]
    levels: tuple[NDArray[np.uint8], ...]
    findings: tuple[list[Finding], ...]


def browser_payload(
    cases: Sequence[ChosenCase], methods: Sequence[MethodData], cohort: Cohort, cache: Any
) -> dict[str, Any]:
    """Data of the case browser, as plain values.

    Args:
        methods: methods with score maps and curves of all these patients.
    """
    parts = [[part for method in methods if (part := method.part_of(case.subject))] for case in cases]
    scales = {fold[0].name: [_levels(part) for part in fold] for fold in parts}
    viewed = [_view(case, fold, scales[fold[0].name], cohort, cache) for case, fold in zip(cases, parts, strict=True)]
    pixels = sum(v.image.shape[0] * v.image.shape[1] for v in viewed) * (len(methods) + 1)
    most = int(np.clip(MOST_BYTES // max(pixels, 1), *SLICES))
    return {
        "policy": POLICY,
        "methods": [{"name": method.name, "colour": method.style.colour} for method in methods],
        "scales": [{"fold": fold, "methods": [_scale(one) for one in scale]} for fold, scale in scales.items()],
        "cases": [{"scale": [*scales].index(v.fold), **_case(v, most)} for v in viewed],
    }


def _levels(part: Part) -> Levels:
    assert part.curve is not None
    thresholds = part.record.thresholds
    return make_levels(part.curve, {name: value for name, value in thresholds.items() if value is not None})


def _view(case: ChosenCase, parts: Sequence[Part], scale: Sequence[Levels], cohort: Cohort, cache: Any) -> Viewed:
    subject = cohort.subjects[case.subject]
    reference = cohort.references([case.subject], cache=cache)[case.subject]
    image = reference.crop(read_volume(subject.images[cohort.task.pair[0]]).array)
    restored = tuple(_restored(part, reference, image, cohort.task) for part in parts)
    levels, findings = [], []
    for part, thresholds in zip(parts, scale, strict=True):
        require_stored_maps(part.run, [case.subject])
        scores = reference.crop(read_map(part.run.map(case.subject)))
        marks = np.where(reference.brain | reference.anomaly, thresholds.quantise(scores), OUTSIDE)
        levels.append(marks.astype(np.uint8))
        findings.append(_findings(scores, reference, part.record.thresholds.get(POLICY)))
    grey = to_grey(image, reference.brain)
    return Viewed(case, parts[0].name, reference, grey, restored, tuple(levels), tuple(findings))


def _restored(part: Part, reference: Reference, image: NDArray[Any], task: Task) -> NDArray[np.uint8] | None:
    """The pseudo-healthy image of the input modality in the scan's grey values, if the run has it."""
    path = part.run.reconstruction(reference.id)
    if not path.exists() or part.record.method.score is None or part.record.method.score[0] != task.pair[0]:
        return None
    scaling = scale_for(task.scaling, image, reference.brain)
    values = reference.crop(read_map(path))
    intensities = np.where(reference.brain, (values - scaling.intercept) / scaling.slope, 0)
    return to_grey(intensities, reference.brain, as_in=image)


def _findings(scores: NDArray[np.float32], reference: Reference, threshold: float | None) -> list[Finding]:
    if threshold is None:
        return []
    marked = (scores >= smallest_float32(threshold)) & (reference.brain | reference.anomaly)
    return find_errors(marked, reference.anomaly, voxel_mm3=float(np.prod(reference.spacing)))


def _scale(levels: Levels) -> dict[str, Any]:
    return {
        "thresholds": [float(f"{value:.5g}") for value in levels.thresholds],
        "dice": [round(float(value), 4) for value in levels.dice],
        "fpr": [float(f"{value:.3g}") for value in levels.fpr],
        "policies": dict(levels.policies),
    }


def _case(viewed: Viewed, most: int) -> dict[str, Any]:
    reference = viewed.reference
    chosen = choose_slices(viewed, most)
    step = -(-max(viewed.image.shape[:2]) // LONGEST_SIDE)
    shape = turn(viewed.image[::step, ::step, :1]).shape
    spacing = reference.spacing
    return {
        "name": viewed.case.subject,
        "reasons": list(viewed.case.reasons),
        "ml": round(float(reference.anomaly.sum() * np.prod(spacing) / 1000), 2),
        "slices": [int(z + reference.box[0][2]) for z in chosen],
        "start": int(np.argmax(reference.anomaly.sum(axis=(0, 1))[chosen])),
        "width": shape[2],
        "height": shape[1],
        "aspect": round(float(shape[2] * spacing[0] / (shape[1] * spacing[1])), 4),
        "image": pack(turn(viewed.image[::step, ::step, chosen])),
        "anomaly": pack(turn(reference.anomaly[::step, ::step, chosen].astype(np.uint8))),
        "restored": [r if r is None else pack(turn(r[::step, ::step, chosen])) for r in viewed.restored],
        "levels": [pack(turn(levels[::step, ::step, chosen])) for levels in viewed.levels],
        "counts": [pack(_counts(viewed, levels, chosen)) for levels in viewed.levels],
        "findings": [[_finding(f, chosen, viewed, step) for f in found] for found in viewed.findings],
    }


def choose_slices(viewed: Viewed, most: int) -> list[int]:
    """At most `most` slices of the box: those of the largest anomaly and of findings, then evenly spaced ones."""
    depth = viewed.image.shape[2]
    area = viewed.reference.anomaly.sum(axis=(0, 1))
    by_volume = sorted((f for found in viewed.findings for f in found), key=lambda f: -f.ml)
    wanted = [int(area.argmax()), *(f.at[2] for f in by_volume)]
    even = np.linspace(0, depth - 1, max(2, most)).round().astype(int)
    spread = sorted(range(len(even)), key=lambda i: (-area[even[i]], i))
    chosen = list(dict.fromkeys([*wanted[: most // 2], *(int(even[i]) for i in spread)]))
    return sorted(chosen[: min(most, depth)])


def _counts(viewed: Viewed, levels: NDArray[np.uint8], chosen: Sequence[int]) -> NDArray[np.uint32]:
    """Evaluated voxels per level (S + 1, 2, 256): of each shown slice, and last of the whole patient."""
    domain = viewed.reference.brain | viewed.reference.anomaly
    parts: Iterator[Any] = iter([*((..., z) for z in chosen), ...])
    anomaly = viewed.reference.anomaly
    return np.stack([count_levels(levels[part][domain[part]], anomaly[part][domain[part]]) for part in parts])


def _finding(finding: Finding, chosen: Sequence[int], viewed: Viewed, step: int) -> dict[str, Any]:
    x, y, z = finding.at
    width, height = viewed.image.shape[:2]
    return {
        "kind": finding.kind,
        "ml": round(finding.ml, 2),
        "slice": int(np.argmin(np.abs(np.asarray(chosen) - z))),
        "z": z + viewed.reference.box[0][2],
        "x": (width - 1 - x) // step,
        "y": (height - 1 - y) // step,
    }


def pack(array: NDArray[Any]) -> str:
    """Little-endian bytes of an array, deflated and base64-encoded."""
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(zlib.compress(little.tobytes(), 9)).decode()


def to_grey(image: NDArray[Any], brain: NDArray[np.bool_], *, as_in: NDArray[Any] | None = None) -> NDArray[np.uint8]:
    """Grey values from the 0.5th to the 99.8th percentile of the brain; all arrays have the same shape.

    Args:
        image: intensities, 0 in the background.
        brain: where percentiles are taken.
        as_in: the image whose percentiles are used; by default the image itself.
    """
    measured = image if as_in is None else as_in
    inside = measured[brain] if brain.any() else measured.ravel()
    low, high = np.percentile(inside, (0.5, 99.8))
    shown = np.clip((image.astype(np.float32) - low) / max(float(high - low), 1e-6), 0, 1)
    return np.where(image > 0, 20 + 235 * shown, 0).astype(np.uint8)


def turn(array: NDArray[Any]) -> NDArray[Any]:
    """(x, y, S) in RAS+ to (S, rows, columns), with anterior at the top and the patient's right on the left."""
    return array[::-1, ::-1].transpose(2, 1, 0)
