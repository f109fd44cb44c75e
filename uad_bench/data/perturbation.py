"""Seeded changes of scans that imitate another scanner or a worse acquisition, to measure how methods shift.

Voxels keep their place and background stays background, so reference labels and the brain mask stay valid.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from uad_bench.data.cache import WAY_OUT, Cache, touch, writing
from uad_bench.data.subject import ImageFile, Subject
from uad_bench.data.volume import for_each_patient, read_volume, to_native
from uad_bench.digests import digest_file, digest_json
from uad_bench.errors import DataError, unknown
from uad_bench.files import atomic
from uad_bench.method import Modality, Report
from uad_bench.seeding import derive

Array = NDArray[np.float64]
Change = Callable[[Array, float, np.random.Generator], Array]

FOLDER, VERSION = "perturbed", 1
LEVELS = ("mild", "moderate", "severe")


def bias_field(image: Array, amplitude: float, rng: np.random.Generator) -> Array:
    """Multiply by exp of a random cubic polynomial of the position, scaled to +- `amplitude`."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.shape), indexing="ij", sparse=True)
    powers = [(i, j, k) for i in range(4) for j in range(4) for k in range(4) if 0 < i + j + k <= 3]
    field = sum(rng.normal() * axes[0] ** i * axes[1] ** j * axes[2] ** k for i, j, k in powers)
    return np.asarray(image * np.exp(amplitude * field / np.abs(field).max()))


def noise(image: Array, share: float, rng: np.random.Generator) -> Array:
    """Rician noise: the magnitude of the image with complex Gaussian noise of `share` of its 99th percentile."""
    deviation = share * np.percentile(image[image > 0], 99)
    real, imaginary = rng.normal(scale=deviation, size=(2, *image.shape))
    return np.asarray(np.hypot(image + real, imaginary))


def gamma(image: Array, exponent: float, rng: np.random.Generator) -> Array:
    """Raise intensities, relative to the highest, to `exponent` or to its inverse, at random."""
    highest = image.max()
    return np.asarray(highest * (image / highest) ** (exponent if rng.random() < 0.5 else 1 / exponent))


def resolution(image: Array, factor: float, rng: np.random.Generator) -> Array:  # noqa: ARG001 - nothing is random
    """Average over `factor` voxels along each axis, and interpolate back to the grid."""
    from scipy.ndimage import gaussian_filter, zoom

    small = zoom(gaussian_filter(image, factor / 2), [max(1, round(n / factor)) / n for n in image.shape], order=1)
    return np.asarray(zoom(small, [n / m for n, m in zip(image.shape, small.shape, strict=True)], order=1))


def ghosting(image: Array, strength: float, rng: np.random.Generator) -> Array:
    """Weaken every fourth line of k-space along Y except the central ones, as periodic motion does."""
    lines = np.fft.fft(image, axis=1)
    weights = np.ones(image.shape[1])
    weights[rng.integers(1, 4) :: 4] -= strength
    central = max(1, image.shape[1] // 50)
    weights[:central] = weights[-central:] = 1
    return np.asarray(np.abs(np.fft.ifft(lines * weights[:, None], axis=1)))


PERTURBATIONS: Mapping[str, tuple[Change, tuple[float, float, float]]] = {
    "bias-field": (bias_field, (0.1, 0.25, 0.5)),
    "noise": (noise, (0.02, 0.05, 0.1)),
    "gamma": (gamma, (1.2, 1.5, 2.0)),
    "resolution": (resolution, (1.5, 2.0, 3.0)),
    "ghosting": (ghosting, (0.2, 0.4, 0.8)),
}
"""Each change with its strength at the levels mild, moderate and severe."""


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One change at one level, written `noise:severe`."""

    kind: str
    level: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `KIND` (moderate) or `KIND:LEVEL`.

        Raises:
            ConfigError: the kind or level is unknown.
        """
        kind, _, level = text.partition(":")
        if kind not in PERTURBATIONS:
            raise unknown("perturbation", kind, PERTURBATIONS)
        if (level or "moderate") not in LEVELS:
            raise unknown("level of perturbation", level, LEVELS)
        return cls(kind, level or "moderate")

    def __str__(self) -> str:
        return f"{self.kind}:{self.level}"

    def __call__(self, image: NDArray[Any], *names: object) -> NDArray[np.float32]:
        """A changed copy of a scan (X, Y, Z), seeded by the names; voxels of 0 stay 0, and others stay above 0."""
        change, strengths = PERTURBATIONS[self.kind]
        rng = np.random.default_rng(derive(0, "perturbation", self.kind, *names))
        inside = image > 0
        changed = change(np.where(inside, image, 0).astype(np.float64), strengths[LEVELS.index(self.level)], rng)
        return np.where(inside, np.maximum(changed, np.finfo(np.float32).tiny), 0).astype(np.float32)


def perturb_subjects(
    subjects: Sequence[Subject],
    modalities: Sequence[Modality],
    perturbation: Perturbation,
    *,
    cache: Path,
    report: Report = lambda _: None,
) -> list[Subject]:
    """The same patients with changed scans, which are written to the cache; labels are those of the originals."""

    def change(subject: Subject) -> Subject:
        images = dict(subject.images)
        for name in (name for name in modalities if name in images):
            key = digest_json([VERSION, str(perturbation), subject.id, name, digest_file(images[name].path)])[:32]
            path = Cache.of(cache, FOLDER).file(key, ".nii")
            _write(path, images[name], perturbation, subject.id, name)
            images[name] = ImageFile(path)
        sources = {file.path.resolve().parent for file in subject.images.values()}
        return replace(subject, images=images, sources=(*subject.sources, *sorted(sources)))

    return for_each_patient(change, subjects, f"perturbing ({perturbation})", report)


def _write(path: Path, source: ImageFile, perturbation: Perturbation, *names: object) -> None:
    if path.exists():
        touch(path)
        return
    import nibabel

    library: Any = nibabel  # its functions have no types
    volume = read_volume(source)
    if (volume.array < 0).any():
        raise DataError(f"{source.path}: has intensities below 0, which no perturbation is defined for")
    changed = to_native(perturbation(volume.array, *names), volume.stored)
    image = library.Nifti1Image(changed, volume.stored.affine)
    with writing(path.parent), atomic(path, WAY_OUT) as file:
        file.write(image.to_bytes())
