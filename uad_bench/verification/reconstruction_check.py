"""Recompute the metrics of pseudo-healthy images with SciPy's filters and plain sums.

It shares no code with `metrics.reconstruction`; scans are prepared by the same code as for the method.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uad_bench.digests import digest_file, digest_json
from uad_bench.evaluation.judging import cases_of
from uad_bench.evaluation.protocol import load_protocol
from uad_bench.evaluation.reconstructions import (
    ComparedImages,
    Reconstructions,
    compared_images,
    document_path,
    modality_of,
    read_reconstructions,
    replicates_path,
)
from uad_bench.method import Progress, Report
from uad_bench.runs.events import Reconstructed
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import TOLERANCE, Finding, differs
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.record import METRICS_VERSION
from uad_bench.runs.reopen import Stored
from uad_bench.runs.tables import read_columns
from uad_bench.runs.trust import logged_maps
from uad_bench.verification.curve import Values, divide
from uad_bench.verification.replicates import interval, left_out, over_folds

Sums = Mapping[str, Any]
WHERE = "reconstructions.json"


def unchecked_reconstructions(run: Run) -> list[str]:
    """The stored result, if it cannot be recomputed: images are gone, or metrics are of another version."""
    stored = read_reconstructions(run)
    if stored is None or _can_recompute(run, stored):
        return []
    return [document_path(run).name]


def check_reconstructions(run: Run, parts: Sequence[Stored], cache: Path, report: Report) -> tuple[int, list[Finding]]:
    """The number of recomputed values, and the differences found; nothing is checked without images."""
    stored = read_reconstructions(run)
    if stored is None or not _can_recompute(run, stored):
        return 0, []
    report(Progress("recomputing pseudo-healthy images", 0, 1))
    found = list(_check_images(parts, stored))
    if found:
        return 0, found
    again = [dict(_sums(part, cache, report)) for part in parts if part.record.status == "ok"]
    found += _check_patients(stored, {name: sums for part in again for name, sums in part.items()})
    if found or not again:
        return 0, found
    numbers = [recompute(list(sums.values())) for sums in again]
    found += [*_check_rows(stored, numbers), *_check_replicates(run, stored, numbers)]
    found += _check_settings(stored, parts, [list(sums) for sums in again])
    return len(stored.metrics) + sum(len(sums) for sums in stored.patients.values()), found


def recompute_sums(compared: ComparedImages) -> dict[str, float]:
    """The sums of one patient."""
    image, scan = (np.where(np.isnan(v), 0.0, v.astype(np.float64)) for v in (compared.image, compared.scan))
    difference = abs(image - scan)
    same = similarity(image, scan, compared.healthy, span=compared.span)
    known = compared.truth is not None
    truth = np.nan_to_num(compared.truth).astype(np.float64) if compared.truth is not None else image
    return {
        "healthy": float(np.count_nonzero(compared.healthy)),
        "healthy_change": float(difference.sum(where=compared.healthy)),
        "healthy_ssim": float(same.sum(where=compared.healthy)),
        "lesion": float(np.count_nonzero(compared.lesion)),
        "lesion_change": float(difference.sum(where=compared.lesion)),
        "lesion_contrast": float(abs(scan - truth).sum(where=compared.lesion)) if known else np.nan,
        "lesion_error": float(abs(image - truth).sum(where=compared.lesion)) if known else np.nan,
    }


def similarity(image: Values, scan: Values, mask: NDArray[np.bool_], *, span: float) -> Values:
    """SSIM (X, Y, Z) over the masked voxels of 7 x 7 windows, with means by `scipy.ndimage.uniform_filter`."""
    from scipy.ndimage import uniform_filter

    def mean(volume: Values) -> Values:
        return np.asarray(uniform_filter(np.where(mask, volume, 0.0), size=(7, 7, 1), mode="constant") / share)

    share = np.maximum(uniform_filter(mask.astype(np.float64), size=(7, 7, 1), mode="constant"), 0.5 / 49)
    mu, nu = mean(image), mean(scan)
    spread, other, both = mean(image**2) - mu**2, mean(scan**2) - nu**2, mean(image * scan) - mu * nu
    c1, c2 = 1e-4 * span**2, 9e-4 * span**2
    return np.asarray(((2 * mu * nu + c1) * (2 * both + c2)) / ((mu**2 + nu**2 + c1) * (spread + other + c2)))


def recompute(sums: Sequence[Sums]) -> dict[str, tuple[float, int, Values]]:
    """Value, number of patients and replicates (n,) of every metric, by key."""
    weights = left_out(len(sums))
    table = {name: np.array([one[name] for one in sums]) for name in sums[0]}
    total, drawn = ({name: w @ column for name, column in table.items()} for w in (np.ones(len(sums)), weights))
    each, pooled, resampled = _ratios(table), _ratios(total), _ratios(drawn)
    numbers = {}
    for name, values in each.items():
        known = ~np.isnan(values)
        mean = float(values[known].mean()) if known.any() else np.nan
        means = divide(weights @ np.where(known, values, 0), weights @ known)
        numbers[f"{name}@all/pooled"] = float(pooled[name]), len(sums), resampled[name]
        numbers[f"{name}@all/mean"] = mean, int(known.sum()), means
    return numbers


def _ratios(n: Mapping[str, Any]) -> dict[str, Values]:
    change, left = divide(n["healthy_change"], n["healthy"]), divide(n["lesion_change"], n["lesion"])
    return {
        "healthy_mae": change,
        "healthy_ssim": divide(n["healthy_ssim"], n["healthy"]),
        "lesion_change": left,
        "change_ratio": divide(left, change),
        "counterfactual_mae": divide(n["lesion_error"], n["lesion"]),
        "counterfactual_ratio": divide(n["lesion_error"], n["lesion_contrast"]),
    }


def _can_recompute(run: Run, stored: Reconstructions) -> bool:
    paths = (part.reconstruction(name) for part in run.folds or (run,) for name in stored.images)
    return stored.metrics_version == METRICS_VERSION and any(path.exists() for path in paths)


def _sums(part: Stored, cache: Path, report: Report) -> Iterator[tuple[str, dict[str, float]]]:
    protocol = load_protocol(part.cohort.task.protocol)
    cases = cases_of(part.run, part.cohort, part.split, protocol, report, cache=cache)
    for subject, compared in compared_images(part, cases):
        yield subject, recompute_sums(compared)


def _check_images(parts: Sequence[Stored], stored: Reconstructions) -> Iterator[Finding]:
    """Check every image against its digest, in the document and in the log."""
    tested = sorted(name for part in parts for name in part.split.test)
    if sorted(stored.images) != tested:
        yield Finding(f"{WHERE} images", "are not those of the test patients")
        return
    for part in parts:
        logged = logged_maps(part.run, Reconstructed)
        for name in part.split.test:
            path, digest = part.run.reconstruction(name), stored.images[name].sha256
            if name not in logged or logged[name].stored.sha256 != digest:
                yield Finding(f"{WHERE} {name}", "differs from the digest logged when the image was stored")
            if not path.exists():
                yield Finding(f"reconstructions/{path.name}", "is missing")
            elif digest_file(path) != digest:
                yield Finding(f"reconstructions/{path.name}", "is not the file that was stored (SHA-256 differs)")


def _check_patients(stored: Reconstructions, again: Mapping[str, Sums]) -> Iterator[Finding]:
    if sorted(stored.patients) != sorted(again):
        yield Finding(f"{WHERE} patients", "are not the evaluated test patients")
        return
    for name, sums in again.items():
        if sorted(stored.patients[name]) != sorted(sums):
            yield Finding(f"{WHERE} {name}", "does not have the expected sums")
            continue
        for key, value in sums.items():
            yield from differs(f"{WHERE} {name} {key}", stored.patients[name][key], value)


def _check_rows(
    stored: Reconstructions, numbers: Sequence[Mapping[str, tuple[float, int, Values]]]
) -> Iterator[Finding]:
    keys = [row.key for row in stored.metrics]
    if sorted(keys) != sorted(numbers[0]):
        yield Finding(f"{WHERE} metrics", "does not contain each expected metric exactly once")
        return
    for key, row in zip(keys, stored.metrics, strict=True):
        yield from differs(f"{WHERE} {key}", row.value, float(np.mean([found[key][0] for found in numbers])))
        n = sum(found[key][1] for found in numbers)
        if row.n_subjects != n:
            yield Finding(f"{WHERE} {key} n_subjects", f"is {row.n_subjects}, recomputed {n}")
        yield from _check_interval(row, _replicates(key, numbers))


def _check_interval(row: MetricRow, replicates: Values) -> Iterator[Finding]:
    ends = (np.nan, np.nan)
    if row.value is not None and row.n_subjects > 1:
        ends = interval(row.value, replicates, n_patients=row.n_subjects, proportion=False)
    for name, end in zip(("low", "high"), ends, strict=True):
        yield from differs(f"{WHERE} {row.key} {name}", getattr(row, name), end)


def _check_replicates(
    run: Run, stored: Reconstructions, numbers: Sequence[Mapping[str, tuple[float, int, Values]]]
) -> Iterator[Finding]:
    kept = read_columns(replicates_path(run), stored.jackknife.metrics if stored.jackknife else ())
    for key, values in kept.items():
        if not np.allclose(values, _replicates(key, numbers), rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            yield Finding(f"{replicates_path(run).name} {key}", "differs from the recomputed replicates")


def _replicates(key: str, numbers: Sequence[Mapping[str, tuple[float, int, Values]]]) -> Values:
    """Replicates (n,) of a metric, over folds if there are several."""
    found = [part[key] for part in numbers]
    return found[0][2] if len(found) == 1 else over_folds([value for value, _, _ in found], [r for _, _, r in found])


def _check_settings(
    stored: Reconstructions, parts: Sequence[Stored], patients: Sequence[Sequence[str]]
) -> Iterator[Finding]:
    digests = [digest_json(list(names)) for names in patients]
    rows = stored.jackknife.rows if stored.jackknife else None
    if rows != (digests[0] if len(digests) == 1 else tuple(digests)):
        yield Finding(f"{WHERE} jackknife rows", "are not of these patients (digest differs)")
    claims = {"modality": modality_of(parts[0]), "run": parts[0].record.run.partition("/fold")[0]}
    for name, value in claims.items():
        if getattr(stored, name) != value:
            yield Finding(f"{WHERE} {name}", f"is {getattr(stored, name)!r}, expected {value!r}")
