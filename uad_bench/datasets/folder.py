"""Any layout of NIfTI files or slices, described by patterns in the task's options or in `dataset.toml`.

    healthy = false                                  # true: no subject has an anomaly, no label needed
    label = "{id}/lesions.nii.gz"                    # optional, as is brain_mask
    [images]
    flair = "{id}/*_FLAIR.nii.gz"
    t1 = "{site}/{id}/**/t1.nii"

A pattern is matched against the path below the root: `{id}` is the id of the subject, any other `{word}` becomes an
attribute, `*` matches any part of a name, and `**/` any number of folders. A file is a 3-D scan, or a 2-D scan (a
single slice). If the patterns contain `{slice}`, a whole number, each file is one slice (image or NIfTI), and the
slices of a subject are stacked in the order of their numbers, with the `spacing`, `orientation` and `channels` of
`Layout`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from uad_bench.config import read_toml, validate
from uad_bench.data.subject import ImageFile, Subject
from uad_bench.datasets.dataset import NIFTI, image_files, no_patients, read_attributes
from uad_bench.datasets.layout import Layout, check_layout
from uad_bench.datasets.pictures import PICTURES
from uad_bench.datasets.stacking import Report, Stacking, stack_patients
from uad_bench.errors import ConfigError, DataError

DESCRIPTION = "dataset.toml"
SLICES = (*NIFTI, *PICTURES, *(suffix.upper() for suffix in PICTURES))


class Folder:
    """Subjects below `root`, found by the patterns of a `Layout`.

    Args:
        root: folder that the patterns are relative to.
        report: called with `Progress` while slices are stacked.
        options: fields of `Layout`; by default they are read from `dataset.toml` in the root.
    """

    reports: ClassVar[bool] = True  # stacking the slices of a large cohort takes minutes

    def __init__(self, root: Path, *, report: Report | None = None, **options: Any) -> None:
        self.root = root
        self.report = report
        self.options = options

    def subjects(self) -> list[Subject]:
        """All subjects with at least one image, sorted by id.

        Raises:
            ConfigError: patterns are missing, lack `{id}`, or do not match the other keys.
            DataError: the folder is missing, contains no subjects, two files of a subject have the same role, or slices
                do not form a volume; each problem is named.
        """
        layout = self._layout()
        found = {id_: files for id_, files in _find(self.root, layout).items() if files.has_images}
        if not found:
            raise no_patients(self.root, "files that match " + ", ".join(layout.images.values()))
        volumes = self._volumes(found, layout)
        table = read_attributes(self.root)
        return [_subject(id_, found[id_], volumes[id_], layout, table.get(id_, {})) for id_ in sorted(found)]

    def _volumes(self, found: Mapping[str, "_Files"], layout: Layout) -> dict[str, dict[str, Path]]:
        """The file of each role of each subject: the original, or the volume stacked from slices."""
        if not layout.sliced:
            return {id_: {role: series[0] for role, series in files.series.items()} for id_, files in found.items()}
        series = {
            id_: {role: s for role in layout.texts if (s := found[id_].series.get(role))} for id_ in sorted(found)
        }
        return stack_patients(series, _stacking(layout), report=self.report)

    def _layout(self) -> Layout:
        if self.options:
            return _checked(self.options, "folder")
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder; choose the data folder with --data DIR")
        path = self.root / DESCRIPTION
        if not path.is_file():
            raise ConfigError(f"{self.root}: no patterns in the task's options, and no {DESCRIPTION} in the folder")
        return _checked(read_toml(path), str(path))


@dataclass
class _Files:
    """The files found for one subject, by role and slice (0 for volumes), and the placeholder values in their paths."""

    series: dict[str, dict[int, Path]] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    @property
    def has_images(self) -> bool:
        return any(not role.startswith("=") for role in self.series)

    @property
    def folders(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(path.parent for files in self.series.values() for path in files.values()))

    def add(self, role: str, path: Path, words: Mapping[str, str]) -> None:
        number = words.get("slice")
        files, index = self.series.setdefault(role, {}), int(number or 0)
        if index in files:
            what = role.strip("=") + (f" for slice {index}" if number else "")
            raise DataError(f"{path}: subject {words['id']} has another {what}, {files[index]}")
        files[index] = path
        self.words.update({word: value for word, value in words.items() if word not in {"id", "slice"}})


def _checked(options: Mapping[str, Any], where: str) -> Layout:
    layout = validate(Layout, options, where)
    check_layout(layout, where)
    return layout


def _find(root: Path, layout: Layout) -> dict[str, _Files]:
    patterns = layout.patterns()
    found: dict[str, _Files] = defaultdict(_Files)
    for path in image_files(root, suffixes=SLICES if layout.sliced else NIFTI):
        place = path.relative_to(root).as_posix()
        for role, pattern in patterns.items():
            if match := pattern.fullmatch(place):
                found[match["id"]].add(role, path, match.groupdict())
    return found


def _stacking(layout: Layout) -> Stacking:
    from uad_bench.data.cache import cache_root

    assert layout.spacing is not None
    return Stacking(
        cache=cache_root() / "stacked",
        spacing=layout.spacing,
        orientation=layout.orientation,
        channels=layout.channels,
    )


def _subject(
    subject_id: str, files: _Files, volumes: Mapping[str, Path], layout: Layout, attributes: Mapping[str, str]
) -> Subject:
    scans = {role: ImageFile(path) for role, path in volumes.items()}
    return Subject(
        id=subject_id,
        images={role: file for role, file in scans.items() if not role.startswith("=")},
        label=scans.get("=label"),
        brain_mask=scans.get("=brain"),
        attributes={**files.words, **attributes},
        anomaly_values=layout.anomaly_values,
        healthy=layout.healthy,
        sources=files.folders if layout.sliced else (),
    )
