"""Generates the images and labels of one phantom patient from a seed, in memory."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from uad_bench.datasets.phantom import lesions
from uad_bench.datasets.phantom.anatomy import Brain, grow_brain
from uad_bench.datasets.phantom.deformation import draw_deformation
from uad_bench.datasets.phantom.scanner import acquire, block_mean, draw_protocol
from uad_bench.datasets.phantom.tissue import draw_tissues
from uad_bench.datasets.phantom.variants import ANATOMIES, VARIANTS
from uad_bench.seeding import derive

GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Patient:
    """Images and label of one patient on the variant's grid, axes (X, Y, Z), RAS+.

    Attributes:
        images: int16 images by modality, zero outside the brain.
        seg: uint8 label, 0 healthy, 1 necrosis or core, 2 oedema or plaque, 4 enhancing rim.
        affine: (4, 4), voxel -> mm.
    """

    images: dict[str, NDArray[np.int16]]
    seg: NDArray[np.uint8]
    affine: NDArray[np.float64]
    kind: str


def make_patient(variant: str, seed: int, index: int, *, healthy: bool = False) -> Patient:
    """Generate patient `index` of a variant; reproducible for the same arguments and version of NumPy.

    With `healthy`, the images are those that the same scanner would have made without the lesion.
    """
    settings = VARIANTS[variant]
    rng = np.random.default_rng(derive(seed, "phantom", ANATOMIES, variant, index))
    body, disease, scanner = rng.spawn(3)
    kind = lesion_kind(variant, seed, index)
    plan = lesions.draw_plan(disease, kind, scale=settings.scale)
    brain = grow_brain(body, settings.grid.refined(settings.factors), draw_deformation(body, mass=plan.mass))
    before = replace(brain, share=dict(brain.share))
    lesions.paint(disease, brain, plan)
    tesla = scanner.choice([1.5, 3.0])
    tissues, protocol = draw_tissues(scanner, tesla=tesla), draw_protocol(scanner, tesla=tesla)
    without = before if healthy else None
    images = acquire(scanner, brain, tissues, protocol, factors=settings.factors, without=without)
    seg = segment(brain, settings.factors) * (images["t1"] > 0)
    return Patient(images, seg.astype(np.uint8), settings.grid.affine(), kind)


def lesion_kind(variant: str, seed: int, index: int) -> str:
    """Kind of lesion of patient `index`; a golden-ratio sequence gives each role a similar mix of kinds."""
    kinds = VARIANTS[variant].kinds
    place = (derive(seed, "phantom", "kind") % 1000 / 1000 + index * GOLDEN) % 1
    cumulative = np.cumsum(list(kinds.values()))
    return list(kinds)[int(np.searchsorted(cumulative, place * cumulative[-1], side="right"))]


def segment(brain: Brain, factors: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Exact labels (X, Y, Z): voxels at least half filled by the lesion, labelled by its largest component."""
    shape = tuple(n // f for n, f in zip(brain.grid.shape, factors, strict=True))
    filled = {value: np.zeros(shape, dtype=np.float32) for value in (1, 2, 4)}
    for name, value in lesions.LABELS.items():
        if name in brain.share:
            filled[value] += block_mean(brain.volume(brain.share[name]), factors)
    parts = np.stack(list(filled.values()))
    labels = np.array(list(filled), dtype=np.uint8)[parts.argmax(0)]
    return np.where(parts.sum(0) >= 0.5, labels, 0).astype(np.uint8)
