"""What is known of a patient once every voxel has been read: enough for the gate, the splits and the slice rules."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from uad_bench.digests import digest_json
from uad_bench.method import Modality

PERCENTILES = (1.0, 50.0, 90.0, 98.0, 99.0)
Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFacts:
    """Measurements of one patient, in canonical RAS+ orientation.

    Attributes:
        id: the subject's.
        shape: of every volume, (X, Y, Z) voxels.
        spacing: mm.
        affine: rows of the 4x4 matrix, voxel -> mm.
        orientation: codes of the stored axes, such as `LPS`.
        dtypes: stored type of each modality.
        digests: SHA-256 of each modality's decoded voxels as float32, so that recompression hides no equality.
        label_digest: the same of the label; kept apart because duplicates are judged on images only.
        brain_area: brain voxels in each axial slice, Z numbers.
        box: lowest and one-past-highest voxel of the brain along each axis.
        border: share of the in-plane border's voxels that are non-zero; near 0 in a skull-stripped scan.
        percentiles: of brain voxels of each modality, at `PERCENTILES`.
        labelled_area: voxels with any label value above 0 in each slice; None without a label.
        anomaly_area: voxels that count as anomaly in each slice; None without a label, zeros if declared healthy.
        label_values: distinct values in the label.
        undeclared_values: those that the data set does not declare.
        label_orientation: codes of the label's stored axes; None without a label.
        label_rounding: largest distance of a stored label value from the whole number that it was rounded to.
        outside_brain: anomaly voxels outside the brain.
        difference_hashes: 64 bits of each modality, in hex.
        thumbnails: 12 x 12 x 12 grey values of each modality, base64.
        file_sizes: bytes of each file, by modality (and `label`, `brain_mask`).
    """

    id: str
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
    difference_hashes: Mapping[Modality, str]
    thumbnails: Mapping[Modality, str]
    file_sizes: Mapping[str, int]
    label_orientation: str | None = None
    label_rounding: float = 0.0

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """All that were read, and whose non-zero voxels make the brain."""
        return tuple(self.digests)

    @property
    def digest(self) -> str:
        """SHA-256 over all modalities' digests; the label does not count."""
        return digest_json(dict(self.digests))

    @property
    def labelled(self) -> bool:
        """Whether it is known where this patient is anomalous."""
        return self.anomaly_area is not None

    @property
    def label_turned(self) -> bool:
        """Whether the label's axes are stored in another order than the scans'."""
        return self.label_orientation not in {None, self.orientation}

    @property
    def brain_voxels(self) -> int:
        """Voxels of the brain."""
        return sum(self.brain_area)

    @property
    def anomaly_voxels(self) -> int:
        """Voxels of the anomaly; 0 without a label."""
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
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What `to_json` gave, with its lists made tuples again."""
        return cls(**{key: _tuples(value) for key, value in values.items()})


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value
