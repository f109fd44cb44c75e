"""BIDS datasets and derivatives: `sub-X[_ses-Y][_entities]_{T1w,T2w,FLAIR,PDw}` and masks, at any depth.

T1w with a `ce-` entity is t1ce. A `mask`, `dseg` or `roi` file with `desc-brain` or `label-brain` is the brain mask,
any other the anomaly mask. `participants.tsv` gives the attributes. Two files that would fill one place are an error;
`keep`, `keep_label` and `keep_brain_mask` choose between them by entity.
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
KEEP = {"=label": "keep_label", "=brain": "keep_brain_mask"}  # options that choose between masks; `keep` for images
MASKS = {"mask", "dseg", "roi"}
NAME = re.compile(r"(?P<entities>sub-[^_]+(?:_[^_-]+-[^_]+)*)_(?P<suffix>[A-Za-z0-9]+)")


@dataclass(frozen=True)
class Bids:
    """Subjects of a BIDS folder.

    Attributes:
        root: the data set, or its derivatives.
        keep: entities that an image must have, such as `{"space": "MNI152", "desc": "preproc"}`; masks need only agree
            where they have the entity `space`.
        keep_label: entities that an anomaly mask must have, such as `{"desc": "rater1"}`.
        keep_brain_mask: entities that a brain mask must have.
        healthy: everybody is declared free of anomalies.
    """

    root: Path
    keep: Mapping[str, str] = field(default_factory=dict)
    keep_label: Mapping[str, str] = field(default_factory=dict)
    keep_brain_mask: Mapping[str, str] = field(default_factory=dict)
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
                    session = f"_ses-{entities['ses']}" if "ses" in entities else ""
                    _put(found[f"sub-{entities['sub']}{session}"], role, path)
        table = read_attributes(self.root, "participants.tsv")
        subjects = [self._subject(id_, found[id_], table) for id_ in sorted(found) if _images(found[id_])]
        if not subjects:
            raise no_patients(self.root, "files such as sub-01/anat/sub-01_FLAIR.nii.gz")
        return subjects

    def _wanted(self, role: str, entities: Mapping[str, str]) -> bool:
        if role.startswith("=") and entities.get("space") not in {None, self.keep.get("space", entities.get("space"))}:
            return False
        kept: Mapping[str, str] = getattr(self, KEEP.get(role, "keep"))
        return all(entities.get(key) == value for key, value in kept.items())

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


def _put(files: dict[str, Path], role: str, path: Path) -> None:
    if role in files:
        raise DataError(
            f"{path}: {files[role]} would be the same {role.strip('=')}; choose one by its entities, with options = "
            f'{{ {KEEP.get(role, "keep")} = {{ ENTITY = "VALUE" }} }} in the task'
        )
    files[role] = path


def _images(files: Mapping[str, Path]) -> dict[str, Path]:
    return {role: path for role, path in files.items() if not role.startswith("=")}
