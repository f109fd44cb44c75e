"""A patient: where the scans lie and what is known about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from uad_bench.method import Modality


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One scan on disk.

    Attributes:
        path: `.nii` or `.nii.gz`.
        channel: index along the fourth axis where a file holds several scans, else None.
    """

    path: Path
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """One patient (in this project a subject is a patient; several scans of one patient share the id's prefix).

    Attributes:
        id: as the folder names it; never a path.
        images: one file per modality.
        label: anomaly mask, any value above 0 is an anomaly; None where no label exists.
        brain_mask: where the data set ships one; else brain = any of the task's modalities non-zero.
        attributes: columns of the cohort's `patients.csv` (age, sex, site ...), kept for subgroup tables.
    """

    id: str
    images: Mapping[Modality, ImageFile]
    label: ImageFile | None = None
    brain_mask: ImageFile | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
