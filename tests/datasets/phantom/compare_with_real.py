"""Measure phantom and real patients alike, side by side.

    python -m tests.datasets.phantom.compare_with_real FOLDER [FOLDER ...] [--blocks 2 2 4]

Each folder holds patients in BraTS layout. `--blocks` averages real 1 mm voxels to the phantom's, so that noise and
partial volume compare; folders with larger voxels already are left as they are. Prints a Markdown table.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uad_bench.data.nifti import read_nifti
from uad_bench.datasets.phantom.scanner import MODALITIES, block_mean
from uad_bench.metrics.ranks import count_ranks
from uad_bench.metrics.voxel import average_precision

Volume = NDArray[np.float32]
FINE = 1.5  # mm; larger voxels are not averaged further
MARGIN = 2  # slices between a lesion and a healthy-looking slice
MIN_BRAIN = 0.05  # of a slice


@dataclass(frozen=True, slots=True)
class Scan:
    """One patient, each modality divided by its 90th percentile in the brain.

    Attributes:
        images: (X, Y, Z) by modality.
        brain: any modality non-zero.
        lesion: any label.
        voxel: mm^3.
    """

    images: Mapping[str, Volume]
    brain: NDArray[np.bool_]
    lesion: NDArray[np.bool_]
    voxel: float

    @property
    def healthy(self) -> NDArray[np.bool_]:
        """Brain without lesion."""
        return self.brain & ~self.lesion


def read_scan(folder: Path, *, blocks: tuple[int, int, int]) -> Scan:
    """Read `CASE/CASE_<modality>.nii.gz`, averaging fine voxels over `blocks`."""
    volumes, spacing = {}, np.ones(3)
    for name in (*MODALITIES, "seg"):
        voxels, affine = read_nifti(folder / f"{folder.name}_{name}.nii.gz")
        spacing = np.linalg.norm(affine[:3, :3], axis=0)  # mm
        volumes[name] = voxels.astype(np.float32)
    factors = blocks if float(spacing.max()) < FINE else (1, 1, 1)
    brain = np.any([volumes[name] > 0 for name in MODALITIES], axis=0)
    inside = _reduce(brain.astype(np.float32), factors) >= 0.5
    lesion = inside & (_reduce((volumes["seg"] > 0).astype(np.float32), factors) >= 0.5)
    images = {name: _scaled(_reduce(volumes[name], factors), inside) for name in MODALITIES}
    return Scan(images, inside, lesion, float(np.prod(spacing * factors)))


def measure(scans: Sequence[Scan]) -> dict[str, str]:
    """All measures of a cohort by name, ready to print."""
    return {
        **_sizes(scans),
        **{f"{name}: {row}": value for name in MODALITIES for row, value in _intensities(scans, name).items()},
        **_relations(scans),
        **_trivial_scores(scans),
    }


def _reduce(volume: Volume, factors: tuple[int, int, int]) -> Volume:
    whole = tuple(slice(0, n // f * f) for n, f in zip(volume.shape, factors, strict=True))
    return block_mean(volume[whole], factors)


def _scaled(volume: Volume, brain: NDArray[np.bool_]) -> Volume:
    return volume * brain / np.float32(np.percentile(volume[brain], 90))


def _sizes(scans: Sequence[Scan]) -> dict[str, str]:
    lesions = np.array([scan.lesion.sum() * scan.voxel / 1000 for scan in scans])
    brains = np.array([scan.brain.sum() * scan.voxel / 1000 for scan in scans])
    left = [_healthy_slices(scan) for scan in scans]
    return {
        "patients": str(len(scans)),
        "brain, mL (median)": f"{np.median(brains):.0f}",
        "lesion per patient, mL (least / median / most)": _triple(lesions, (0, 50, 100), 1),
        "prevalence, pooled": f"{lesions.sum() / brains.sum():.3f}",
        "prevalence of a patient (least / median / most)": _triple(lesions / brains, (0, 50, 100), 3),
        f"slices at least {MARGIN + 1} away from any lesion, share (median)": f"{np.median(left):.2f}",
    }


def _healthy_slices(scan: Scan) -> float:
    """Share of the slices with enough brain that are healthy-looking with a margin."""
    brain = scan.brain.mean((0, 1)) >= MIN_BRAIN
    ill = np.flatnonzero(scan.lesion.any((0, 1)))
    away = np.array([not ill.size or np.abs(ill - z).min() > MARGIN for z in range(len(brain))])
    return float((brain & away).sum() / max(brain.sum(), 1))


def _intensities(scans: Sequence[Scan], name: str) -> dict[str, str]:
    healthy = _median([np.percentile(scan.images[name][scan.healthy], (5, 25, 50, 75, 95, 99)) for scan in scans])
    ill = [scan for scan in scans if scan.lesion.any()]
    rows = {"healthy P5 25 50 75 95 99": " ".join(f"{v:.2f}" for v in healthy)}
    if ill:
        inside = _median([np.percentile(scan.images[name][scan.lesion], (10, 50, 90)) for scan in ill])
        rows["lesion P10 50 90"] = " ".join(f"{v:.2f}" for v in inside)
        above = [np.mean(s.images[name][s.healthy] > np.median(s.images[name][s.lesion])) for s in ill]
        rows["healthy voxels above the lesion's median (quartiles)"] = _triple(np.array(above), (25, 50, 75), 3)
    rows["grain (median)"] = f"{np.median([_grain(scan, name) for scan in scans]):.3f}"
    return rows


def _grain(scan: Scan, name: str) -> float:
    """Robust deviation of second differences along x: noise and fine structure, relative to P90."""
    image, brain = scan.images[name], scan.healthy
    second = image[2:] - 2 * image[1:-1] + image[:-2]
    values = second[brain[2:] & brain[1:-1] & brain[:-2]]
    return float(1.4826 * np.median(np.abs(values - np.median(values))) / np.sqrt(6))


def _relations(scans: Sequence[Scan]) -> dict[str, str]:
    ill = [scan for scan in scans if scan.lesion.sum() > 50]
    rows = {}
    for first, second in (("t1", "t2"), ("t1", "flair"), ("t2", "flair")):
        healthy = np.median([_rank_correlation(s.images[first][s.healthy], s.images[second][s.healthy]) for s in scans])
        rows[f"rank correlation {first} ~ {second}, healthy"] = f"{healthy:+.2f}"
        if ill:
            inside = np.median([_rank_correlation(s.images[first][s.lesion], s.images[second][s.lesion]) for s in ill])
            rows[f"rank correlation {first} ~ {second}, lesion"] = f"{inside:+.2f}"
    return rows


def _rank_correlation(a: Volume, b: Volume) -> float:
    first, second = (np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


def _trivial_scores(scans: Sequence[Scan]) -> dict[str, str]:
    scores: Mapping[str, Callable[[Scan], Volume]] = {
        "flair": lambda scan: scan.images["flair"][scan.brain],
        "flair, equalised": lambda scan: _equalised(scan.images["flair"][scan.brain]),
        "t2": lambda scan: scan.images["t2"][scan.brain],
        "t1ce": lambda scan: scan.images["t1ce"][scan.brain],
        "minus t1": lambda scan: -scan.images["t1"][scan.brain],
    }
    return {f"AUPRC of {name}, pooled (each patient's median)": _auprc(scans, score) for name, score in scores.items()}


def _auprc(scans: Sequence[Scan], score: Callable[[Scan], Volume]) -> str:
    def of(some: Sequence[Scan]) -> float:
        return average_precision(count_ranks(lambda: ((score(scan), scan.lesion[scan.brain]) for scan in some))).value

    each = [of([scan]) for scan in scans if scan.lesion.any()]
    return f"{of(scans):.3f} ({np.median(each):.3f})" if each else "no lesion"


def _equalised(values: Volume) -> Volume:
    return (np.searchsorted(np.sort(values), values, side="right") / values.size).astype(np.float32)


def _median(rows: Sequence[NDArray[np.floating]]) -> NDArray[np.floating]:
    return np.asarray(np.median(np.stack(rows), axis=0))


def _triple(values: NDArray[np.floating], percentiles: Sequence[float], digits: int) -> str:
    return " / ".join(f"{v:.{digits}f}" for v in np.percentile(values, percentiles))


def _table(columns: Mapping[str, Mapping[str, str]]) -> str:
    rows = list(dict.fromkeys(name for column in columns.values() for name in column))
    head = ["| measure | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    return "\n".join(
        head + [f"| {row} | " + " | ".join(c.get(row, "–") for c in columns.values()) + " |" for row in rows]
    )


def main() -> None:
    """Print the table for the folders on the command line."""
    parser = argparse.ArgumentParser(prog="compare", description="Measure phantom and real patients alike.")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--blocks", nargs=3, type=int, default=(2, 2, 4), help="voxels averaged of 1 mm scans")
    args = parser.parse_args()
    columns = {}
    for folder in args.folders:
        cases = sorted(path for path in folder.iterdir() if path.is_dir())
        columns[folder.name] = measure([read_scan(case, blocks=tuple(args.blocks)) for case in cases])
    print(_table(columns))


if __name__ == "__main__":
    main()
