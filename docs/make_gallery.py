"""Make docs/gallery.png: anomaly maps of untrained methods on two patients of the phantom, from runs with seed 0.

python docs/make_gallery.py [RUNS]    # a folder of runs; what has no run there is run
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import uad_bench
from uad_bench.data.cache import cache_root
from uad_bench.data.reference import Reference, build_references
from uad_bench.data.volume import read_volume
from uad_bench.output.report.pictures import to_grey, turn
from uad_bench.runs.folder import Run
from uad_bench.runs.reopen import Stored, open_stored

PICTURE = Path(__file__).with_name("gallery.png")
METHODS = ("intensity-coarse", "intensity-equalised", "symmetry", "mean-distance", "z-score")
PATIENTS = 2
RANGE = (0.05, 0.98)  # quantiles of the scores within the brain that the colours span
DPI = 90


def make_gallery(runs: Path) -> None:
    """Run the methods, and draw the slice with the largest lesion of the patients with the largest ones."""
    results = [uad_bench.run(method, task="phantom", seed=0, baselines=False, runs=runs) for method in METHODS]
    (stored,) = open_stored(Run(results[0].path), None, lambda _: None)
    references = references_of(stored)
    largest = sorted(references, key=lambda name: -references[name].anomaly.sum())[:PATIENTS]
    columns = ("FLAIR, lesion outlined", *METHODS)
    figure = Figure(figsize=(2 * len(columns), 2.3 * PATIENTS), layout="constrained")
    axes = figure.subplots(PATIENTS, len(columns), squeeze=False)
    for row, name in zip(axes, largest, strict=True):
        reference = references[name]
        z = int(reference.anomaly.sum(axis=(0, 1)).argmax())
        flair = reference.crop(read_volume(stored.cohort.subjects[name].images["flair"]).array)
        row[0].imshow(slice_of(to_grey(flair, reference.brain), z), cmap="gray")
        row[0].contour(slice_of(reference.anomaly.astype(np.uint8), z), levels=[0.5], colors="#e69f00", linewidths=1)
        for axis, result in zip(row[1:], results, strict=True):
            scores = reference.crop(np.load(result.path / "maps" / f"{name}.npy", allow_pickle=False))
            brain = reference.brain[..., z]
            low, high = np.quantile(scores[brain, z], RANGE)
            shown = np.where(brain, scores[..., z], np.nan)[..., None]
            axis.imshow(slice_of(shown, 0), cmap="magma", vmin=low, vmax=high)
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(title, fontsize=10)
    for axis in axes.flat:
        axis.set_axis_off()
    with mpl.rc_context({"savefig.facecolor": "white"}):
        figure.savefig(PICTURE, dpi=DPI)
    Image.open(PICTURE).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(PICTURE, optimize=True)


def references_of(stored: Stored) -> dict[str, Reference]:
    """References of the test patients, by name."""
    cohort = stored.cohort
    tested = [cohort.subjects[name] for name in stored.split.test]
    return dict(build_references(tested, cohort.census, modalities=cohort.task.modalities, cache=cache_root()))


def slice_of(volume: np.ndarray, z: int) -> np.ndarray:
    """An axial slice in radiological orientation."""
    return np.asarray(turn(volume[..., z : z + 1]))[0]


if __name__ == "__main__":
    make_gallery(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
