"""BraTS datasets, 2018 to 2024, with any folder nesting.

Names: `CASE_{t1,t1ce,t2,flair,seg}` up to 2021, `CASE-{t1n,t1c,t2w,t2f,seg}` from 2023 on, `.nii` or `.nii.gz`.
Labels: 1 necrotic core, 2 oedema, 4 enhancing tumour (3 from 2023 on); in 2024 also 4 = resection cavity. The whole
tumour is any value above 0. The cavity is neither tumour nor healthy brain, so it counts as anomaly unless
`resection_cavity=False`; slices that contain it are never healthy.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from uad_bench.data.subject import ImageFile, Subject
from uad_bench.datasets.dataset import image_files, no_patients, read_attributes, stem
from uad_bench.errors import DataError

SUFFIXES = {
    **dict.fromkeys(("t1", "t1n"), "t1"),
    **dict.fromkeys(("t1ce", "t1c", "t1gd"), "t1ce"),
    **dict.fromkeys(("t2", "t2w"), "t2"),
    **dict.fromkeys(("flair", "t2f"), "flair"),
    **dict.fromkeys(("seg", "segm"), "seg"),
}
NAME = re.compile(rf"(?P<case>.+)(?P<mark>[_-])(?P<suffix>{'|'.join(SUFFIXES)})", re.IGNORECASE)
GRADES = {"HGG", "LGG"}
TUMOUR_UNTIL_2021 = (1, 2, 4)
TUMOUR_SINCE_2023 = (1, 2, 3)
CAVITY = 4
WANTED = "files such as CASE/CASE_flair.nii.gz or CASE/CASE-t2f.nii.gz"


@dataclass(frozen=True)
class Brats:
    """BraTS patients below `root`.

    Attributes:
        root: folder that contains the patients at any depth.
        resection_cavity: whether the cavity of 2024 (value 4 with file names such as `-t1n`) counts as anomaly.
    """

    root: Path
    resection_cavity: bool = True

    def subjects(self) -> list[Subject]:
        """All patients with at least one modality, sorted by id.

        Raises:
            DataError: the folder is missing, contains no patients, or a scan has two files.
        """
        cases: dict[str, _Case] = defaultdict(_Case)
        for path in image_files(self.root):
            if match := NAME.fullmatch(stem(path)):
                cases[match["case"]].add(SUFFIXES[match["suffix"].lower()], path, modern=match["mark"] == "-")
        _adopt_stray_labels(cases)
        attributes = read_attributes(self.root)
        found = [
            self._subject(id_, case, attributes.get(id_, {})) for id_, case in sorted(cases.items()) if case.images
        ]
        if not found:
            raise no_patients(self.root, WANTED)
        return found

    def _subject(self, case_id: str, case: "_Case", attributes: dict[str, str]) -> Subject:
        declared = (*TUMOUR_SINCE_2023, CAVITY) if case.modern else TUMOUR_UNTIL_2021
        without_cavity = case.modern and not self.resection_cavity
        return Subject(
            id=case_id,
            images={name: ImageFile(path) for name, path in case.images.items()},
            label=ImageFile(case.files["seg"]) if "seg" in case.files else None,
            attributes={**_grade(self.root, case), **attributes},
            anomaly_values=TUMOUR_SINCE_2023 if without_cavity else None,
            declared_values=declared,
        )


@dataclass
class _Case:
    """The files found for one patient."""

    files: dict[str, Path] = field(default_factory=dict)
    modern: bool = False

    @property
    def images(self) -> dict[str, Path]:
        return {name: path for name, path in self.files.items() if name != "seg"}

    def add(self, name: str, path: Path, *, modern: bool) -> None:
        if name in self.files:
            raise DataError(f"{path}: second file for the same scan besides {self.files[name]}; keep one of them")
        self.files[name] = path
        self.modern = modern


def _adopt_stray_labels(cases: dict[str, _Case]) -> None:
    """Assign a label without images to the only unlabelled patient in its folder (BraTS 2020 has one misnamed mask)."""
    strays = {id_: case for id_, case in cases.items() if not case.images}
    for id_, stray in strays.items():
        folder = stray.files["seg"].parent
        neighbours = [c for c in cases.values() if any(p.parent == folder for p in c.images.values())]
        if len(neighbours) == 1 and "seg" not in neighbours[0].files:
            neighbours[0].files["seg"] = stray.files["seg"]
            del cases[id_]


def _grade(root: Path, case: _Case) -> dict[str, str]:
    above = {part.upper() for path in case.images.values() for part in path.relative_to(root).parts}
    return {"grade": next(iter(above & GRADES))} if len(above & GRADES) == 1 else {}
