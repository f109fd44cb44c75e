"""BIDS datasets and derivatives: `sub-X[_ses-Y][_entities]_{T1w,T2w,FLAIR,PDw}` and masks, at any depth.

T1w with a `ce-` entity is t1ce. A `mask`, `dseg` or `roi` file with `desc-brain` or `label-brain` is the brain mask,
any other such file the anomaly mask. Attributes are read from `participants.tsv`. Two files with the same role are an
error; `keep` selects one of them by its entities.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from uad_bench.data.subject import ImageFile, Subject, patient_id
from uad_bench.datasets.dataset import image_files, no_patients, read_attributes, stem
from uad_bench.errors import DataError

SUFFIXES = {"T1w": "t1", "T2w": "t2", "FLAIR": "flair", "PDw": "pd"}
MASKS = {"mask", "dseg", "roi"}
NAME = re.compile(r"(?P<entities>sub-[^_]+(?:_[^_-]+-[^_]+)*)_(?P<suffix>[A-Za-z0-9]+)")


@dataclass(frozen=True)
class Bids:
    """Subjects of a BIDS folder.

    Attributes:
        root: folder of the dataset or its derivatives.
        keep: entities that an image must have, such as `{"space": "MNI152", "desc": "preproc"}`; of masks, only the
            entity `space` is compared, if they have it.
        healthy: all subjects are declared free of anomalies.
    """

    root: Path
    keep: Mapping[str, str] = field(default_factory=dict)
    healthy: bool = False

    def subjects(self) -> list[Subject]:
        """One subject per session, sorted by id.

        Raises:
            DataError: the folder is missing, contains no subjects, or two files have the same role.
        """
        found: dict[str, dict[str, Path]] = defaultdict(dict)
        for path in image_files(self.root):
            if match := NAME.fullmatch(stem(path)):
                entities = dict(part.split("-", 1) for part in match["entities"].split("_"))
                if (role := _role(match["suffix"], entities)) and self._wanted(role, entities):
                    _put(found[_scan_id(entities)], role, path)
        table = read_attributes(self.root, "participants.tsv")
        subjects = [self._subject(id_, found[id_], table) for id_ in sorted(found) if _images(found[id_])]
        if not subjects:
            raise no_patients(self.root, "files such as sub-01/anat/sub-01_FLAIR.nii.gz")
        return subjects

    def _wanted(self, role: str, entities: Mapping[str, str]) -> bool:
        if role.startswith("="):
            return entities.get("space") in {None, self.keep.get("space", entities.get("space"))}
        return all(entities.get(key) == value for key, value in self.keep.items())

    def _subject(self, scan: str, files: Mapping[str, Path], table: Mapping[str, Mapping[str, str]]) -> Subject:
        return Subject(
            id=scan,
            images={role: ImageFile(path) for role, path in _images(files).items()},
            label=ImageFile(files["=label"]) if "=label" in files else None,
            brain_mask=ImageFile(files["=brain"]) if "=brain" in files else None,
            attributes=table.get(scan) or table.get(patient_id(scan), {}),
            healthy=self.healthy,
        )


def _role(suffix: str, entities: Mapping[str, str]) -> str | None:
    """Modality, `=label`, `=brain`, or None for other files."""
    if suffix in MASKS:
        return "=brain" if "brain" in {entities.get("desc"), entities.get("label")} else "=label"
    modality = SUFFIXES.get(suffix)
    return "t1ce" if modality == "t1" and "ce" in entities else modality


def _scan_id(entities: Mapping[str, str]) -> str:
    session = f"_ses-{entities['ses']}" if "ses" in entities else ""
    return f"sub-{entities['sub']}{session}"


def _put(files: dict[str, Path], role: str, path: Path) -> None:
    if role in files:
        what = role.strip("=")
        raise DataError(f"{path}: second {what} file besides {files[role].name}; select one with the option keep")
    files[role] = path


def _images(files: Mapping[str, Path]) -> dict[str, Path]:
    return {role: path for role, path in files.items() if not role.startswith("=")}
