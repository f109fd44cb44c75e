"""Make docs/gallery.png: one slice of a phantom patient and the score map of every method on it, from runs with seed 0.

python docs/make_gallery.py [RUNS]    # a folder of runs; what has no run there is trained, which takes hours
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
from uad_bench.runs.score_maps import read_map
from uad_bench.suites.suite import load_suite

PICTURE = Path(__file__).with_name("gallery.png")
BASELINES = ("intensity-coarse", "intensity-equalised", "symmetry", "mean-distance", "z-score")
WITHOUT = {"fae", "patchcore", "rd", "supervised-unet"}  # they need a pretrained network, or labels
COLUMNS = 6
RANGE = (0.05, 0.98)  # quantiles of the scores within the brain that the colours span
DPI = 90


def make_gallery(runs: Path) -> None:
    """Run the methods, and draw the slice with the largest lesion of the patient with the largest one."""
    methods = (*BASELINES, *(name for name in load_suite("phantom").methods if name not in WITHOUT))
    results = [uad_bench.run(method, task="phantom", seed=0, baselines=False, runs=runs) for method in methods]
    (stored,) = open_stored(Run(results[0].path), None, lambda _: None)
    references = references_of(stored)
    name = max(references, key=lambda name: references[name].anomaly.sum())
    reference = references[name]
    z = int(reference.anomaly.sum(axis=(0, 1)).argmax())
    rows = -(-(len(results) + 1) // COLUMNS)
    figure = Figure(figsize=(1.8 * COLUMNS, 2.3 * rows), layout="constrained")
    first, *others = figure.subplots(rows, COLUMNS).flat
    flair = reference.crop(read_volume(stored.cohort.subjects[name].images["flair"]).array)
    first.imshow(slice_of(to_grey(flair, reference.brain), z), cmap="gray")
    first.contour(slice_of(reference.anomaly.astype(np.uint8), z), levels=[0.5], colors="#e69f00", linewidths=1)
    first.set_title("FLAIR, lesion outlined", fontsize=10)
    brain = reference.brain[..., z]
    for axis, method, result in zip(others, methods, results, strict=False):
        scores = reference.crop(read_map(Run(result.path).map(name)))
        low, high = np.quantile(scores[brain, z], RANGE)
        axis.imshow(slice_of(np.where(brain, scores[..., z], np.nan)[..., None], 0), cmap="magma", vmin=low, vmax=high)
        axis.set_title(method, fontsize=10)
    for axis in (first, *others):
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
