"""Variants of the phantom: grid, size of the cohort and kinds of lesions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from uad_bench.datasets.phantom.grid import Grid

VERSION = 4  # increased whenever a voxel of any variant changes
ANATOMIES = 3  # increased together with it when patients are drawn in another way; part of every random seed

GLIOMAS = {"glioblastoma": 0.55, "lower-grade": 0.2, "mismatch": 0.05, "infiltrating": 0.1, "plaques": 0.1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Settings of one cohort.

    Attributes:
        grid: voxel grid of the images.
        factors: number of fine voxels per voxel along each axis, over which signals are averaged.
        train: number of training patients; `val` and `test` likewise.
        kinds: probability of each kind of lesion.
        scale: factor of the lesion volumes.
    """

    grid: Grid
    factors: tuple[int, int, int]
    train: int
    val: int
    test: int
    kinds: Mapping[str, float] = field(default_factory=lambda: GLIOMAS)
    scale: float = 1.0

    @property
    def patients(self) -> int:
        """Number of patients."""
        return self.train + self.val + self.test


SMALL = Grid((96, 96, 32), (2.0, 2.0, 4.0))
TINY = Grid((48, 48, 12), (4.0, 4.0, 10.0))
BRATS = Grid((240, 240, 155), (1.0, 1.0, 1.0))

VARIANTS: Mapping[str, Variant] = {
    "phantom": Variant(grid=SMALL, factors=(1, 1, 2), train=24, val=4, test=12),
    "phantom-tiny": Variant(grid=TINY, factors=(1, 1, 3), train=4, val=2, test=2),
    "phantom-hard": Variant(
        grid=SMALL,
        factors=(1, 1, 2),
        train=24,
        val=4,
        test=12,
        scale=0.15,
        kinds={"mismatch": 0.4, "infiltrating": 0.3, "plaques": 0.3},
    ),
    "phantom-full": Variant(grid=BRATS, factors=(1, 1, 1), train=72, val=8, test=24),
    "phantom-mixed": Variant(
        grid=SMALL,
        factors=(1, 1, 2),
        train=24,
        val=24,
        test=24,
        kinds={"none": 1.0, **GLIOMAS},  # half of the patients are healthy, exactly half of those tested
    ),
    "phantom-healthy": Variant(grid=SMALL, factors=(1, 1, 2), train=24, val=4, test=12, kinds={"none": 1.0}),
}
