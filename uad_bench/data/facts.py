"""Measurements of a patient's volumes, as needed by the leakage check, the splits and the selection of slices."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from uad_bench.digests import digest_json
from uad_bench.method import Modality

PERCENTILES = (1.0, 50.0, 90.0, 98.0, 99.0)
Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFacts:
    """Measurements of one patient, in canonical RAS+ orientation.

    Attributes:
        patient: id of the patient, which several scans share.
        shape: shape of every volume, (X, Y, Z) voxels.
        affine: rows of the 4x4 matrix, voxel -> mm.
        orientation: codes of the stored axes, such as `LPS`.
        digests: SHA-256 of each modality's decoded voxels as float32, so that recompressed copies are recognised.
        label_digest: the same for the label; separate, because duplicates are detected on images only.
        brain_area: number of brain voxels per axial slice, Z values.
        box: first and one-past-last voxel of the brain along each axis.
        border: fraction of non-zero voxels on the in-plane border; near 0 in a skull-stripped scan.
        percentiles: intensities of each modality's brain voxels at `PERCENTILES`.
        labelled_area: number of voxels with a label value above 0 per slice; None without a label.
        anomaly_area: number of anomaly voxels per slice; None without a label, zeros if declared healthy.
        label_values: distinct values in the label.
        undeclared_values: those that the data set does not declare.
        label_orientation: codes of the label's stored axes; None without a label.
        label_rounding: largest distance of a stored label value from the whole number that it was rounded to.
        outside_brain: anomaly voxels outside the brain.
        thumbnails: local contrast of each modality in coarse cells, see `uad_bench.data.likeness`.
        file_sizes: size of each file in bytes, by modality (and `label`, `brain_mask`).
    """

    id: str
    patient: str
    shape: Triple
    spacing: tuple[float, float, float]
    affine: tuple[tuple[float, ...], ...]
    orientation: str
    dtypes: Mapping[Modality, str]
    digests: Mapping[Modality, str]
    label_digest: str | None
    brain_area: tuple[int, ...]
    box: tuple[Triple, Triple]
    border: float
    percentiles: Mapping[Modality, tuple[float, ...]]
    labelled_area: tuple[int, ...] | None
    anomaly_area: tuple[int, ...] | None
    label_values: tuple[int, ...]
    undeclared_values: tuple[int, ...]
    outside_brain: int
    thumbnails: Mapping[Modality, str]
    file_sizes: Mapping[str, int]
    label_orientation: str | None = None
    label_rounding: float = 0.0

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that were read; their non-zero voxels define the brain if there is no brain mask."""
        return tuple(self.digests)

    @property
    def digest(self) -> str:
        """SHA-256 of the digests of all modalities, without the label."""
        return digest_json(dict(self.digests))

    @property
    def labelled(self) -> bool:
        """Whether the patient has a label or is declared healthy."""
        return self.anomaly_area is not None

    @property
    def label_turned(self) -> bool:
        """Whether the label's axes are stored in another order than the scans'."""
        return self.label_orientation not in {None, self.orientation}

    @property
    def brain_voxels(self) -> int:
        """Number of brain voxels."""
        return sum(self.brain_area)

    @property
    def brain_ml(self) -> float:
        """Volume of the brain in millilitres."""
        x, y, z = self.spacing
        return self.brain_voxels * x * y * z / 1000

    @property
    def anomaly_voxels(self) -> int:
        """Number of anomaly voxels; 0 without a label."""
        return sum(self.anomaly_area or ())

    @property
    def anomaly_ml(self) -> float:
        """Volume of the anomaly in millilitres."""
        x, y, z = self.spacing
        return self.anomaly_voxels * x * y * z / 1000

    def percentile(self, modality: Modality, level: float) -> float:
        """Brain intensity at one of `PERCENTILES`."""
        return self.percentiles[modality][PERCENTILES.index(level)]

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "SubjectFacts":
        """Restore facts from the values of `to_json`.

        Raises:
            ValueError: a value is missing or of another type.
        """
        return _model().validate_python(values)


@cache
def _model() -> TypeAdapter[SubjectFacts]:
    return TypeAdapter(SubjectFacts)
