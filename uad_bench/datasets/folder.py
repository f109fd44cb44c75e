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

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from uad_bench.config import read_toml, validate
from uad_bench.data.cache import cache_root
from uad_bench.data.subject import ImageFile, Subject
from uad_bench.datasets.dataset import NIFTI, image_files, no_patients, read_attributes
from uad_bench.datasets.pictures import PICTURES
from uad_bench.datasets.stacking import DIRECTIONS, Stacking, stack_patients
from uad_bench.errors import ConfigError, DataError, unknown
from uad_bench.method import Modality, Report

SPECIAL = re.compile(r"\*\*/|\*|\{\w+\}")
SLICE = "{slice}"
Millimetres = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _axes(letters: str) -> str:
    if sorted(DIRECTIONS[letter][0] for letter in letters if letter in DIRECTIONS) != [0, 1, 2] or len(letters) != 3:
        raise PydanticCustomError("axes", "three letters are needed, one of L and R, one of A and P, one of I and S")
    return letters


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Patterns of a subject's files, and properties of all subjects.

    Attributes:
        images: pattern of each modality.
        label: pattern of the anomaly mask, if there is one.
        brain_mask: pattern of the brain mask, if there is one.
        healthy: all subjects are declared free of anomalies.
        anomaly_values: label values that count as anomaly; None means any value above 0.
        spacing: distance in mm between columns, rows and slices of stacked volumes.
        orientation: anatomical directions in which columns, rows and slices increase; None means LPS for images such as
            PNG, and the orientation in the header for NIfTI files.
        channels: colour channel of each modality, from 0.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    images: dict[Modality, str]
    label: str | None = None
    brain_mask: str | None = None
    healthy: bool = False
    anomaly_values: tuple[int, ...] | None = None
    spacing: tuple[Millimetres, Millimetres, Millimetres] | None = None
    orientation: Annotated[str, AfterValidator(_axes)] | None = None
    channels: dict[Modality, Annotated[int, Field(ge=0)]] = field(default_factory=dict)

    @property
    def texts(self) -> dict[str, str]:
        """The pattern of each modality, and of `=label` and `=brain` if given."""
        texts = {**self.images, "=label": self.label, "=brain": self.brain_mask}
        return {role: text for role, text in texts.items() if text}

    @property
    def sliced(self) -> bool:
        """Whether each file is a slice instead of a volume."""
        return any(SLICE in text for text in self.texts.values())

    def patterns(self) -> dict[str, re.Pattern[str]]:
        """The compiled patterns of `texts`."""
        return {role: compile_pattern(text) for role, text in self.texts.items()}


def _checked(options: Mapping[str, Any], where: str) -> Layout:
    """The layout, unless a description of slices is incomplete, or has no slice patterns."""
    layout = validate(Layout, options, where)
    if not layout.sliced:
        _check_volumes(layout, where)
        return layout
    whole = [text for text in layout.texts.values() if SLICE not in text]
    if whole:
        raise ConfigError(f"{where}: pattern {whole[0]!r} has no {SLICE}, but others do; use it in all or none")
    if strange := sorted(set(layout.channels) - set(layout.images)):
        raise unknown(f"modality in {where}, channels:", strange[0], layout.images)
    if layout.spacing is None:
        raise DataError(
            f"{where}: the spacing of the slices is unknown; add spacing = [x, y, z], the distance in mm between "
            "columns, rows and slices"
        )
    return layout


def compile_pattern(text: str) -> re.Pattern[str]:
    """Compile a path pattern to a regular expression; a `{word}` used twice must match the same text."""
    parts, rest, words = [], 0, set[str]()
    for part in SPECIAL.finditer(text):
        parts += [re.escape(text[rest : part.start()]), _expression(part[0], words)]
        rest = part.end()
    if "id" not in words:
        raise ConfigError(f"pattern {text!r} has no {{id}}; add it where the id of the subject appears")
    return re.compile("".join([*parts, re.escape(text[rest:])]))


def _check_volumes(layout: Layout, where: str) -> None:
    if pictures := [text for text in layout.texts.values() if text.lower().endswith(PICTURES)]:
        raise ConfigError(
            f"{where}: pattern {pictures[0]!r} matches 2-D images; add {SLICE} where the slice number appears"
        )
    if layout.spacing or layout.orientation or layout.channels:
        raise ConfigError(f"{where}: spacing, orientation and channels describe slices, but no pattern has {SLICE}")


def _expression(special: str, words: set[str]) -> str:
    if special == "**/":
        return "(?:.*/)?"
    if special == "*":
        return "[^/]*"
    word = special[1:-1]
    again = word in words
    words.add(word)
    if again:
        return f"(?P={word})"
    return f"(?P<{word}>[0-9]+)" if special == SLICE else f"(?P<{word}>[^/]+?)"


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
        assert layout.spacing is not None
        stacking = Stacking(
            cache=cache_root() / "stacked",
            spacing=layout.spacing,
            orientation=layout.orientation,
            channels=layout.channels,
        )
        return stack_patients(series, stacking, report=self.report)

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


def _find(root: Path, layout: Layout) -> dict[str, _Files]:
    patterns = layout.patterns()
    found: dict[str, _Files] = defaultdict(_Files)
    for path in image_files(root, suffixes=SLICES if layout.sliced else NIFTI):
        place = path.relative_to(root).as_posix()
        for role, pattern in patterns.items():
            if match := pattern.fullmatch(place):
                found[match["id"]].add(role, path, match.groupdict())
    return found


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
