"""Any layout of NIfTI files, described by a few patterns in the task's options or in `dataset.toml` beside the data.

    healthy = false                                  # true: nobody here has an anomaly, no label needed
    label = "{id}/lesions.nii.gz"                    # optional, as is brain_mask
    [images]
    flair = "{id}/*_FLAIR.nii.gz"
    t1 = "{site}/{id}/**/t1.nii"

A pattern is matched against the path below the root: `{id}` names the subject, any other `{word}` becomes an attribute,
`*` stands for anything inside one name, `**/` for any folders. A file is a 3-D scan, or a 2-D one (a single slice);
slices of one patient in several files must be stacked first, or the split cannot keep them together.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uad_bench.config import read_toml, validate
from uad_bench.data.subject import ImageFile, Subject
from uad_bench.datasets.dataset import image_files, no_patients, read_attributes
from uad_bench.errors import ConfigError, DataError

DESCRIPTION = "dataset.toml"
SPECIAL = re.compile(r"\*\*/|\*|\{\w+\}")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the files of a subject lie, and what is known of everybody.

    Attributes:
        images: pattern of each modality.
        label: pattern of the anomaly mask, if there is one.
        brain_mask: pattern of the brain mask, if there is one.
        healthy: everybody is declared free of anomalies.
        anomaly_values: label values that count as anomaly; None means any above 0.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    images: dict[str, str]
    label: str | None = None
    brain_mask: str | None = None
    healthy: bool = False
    anomaly_values: tuple[int, ...] | None = None

    def patterns(self) -> dict[str, re.Pattern[str]]:
        """A compiled pattern for each modality, and for `=label` and `=brain` where they exist."""
        texts = {**self.images, "=label": self.label, "=brain": self.brain_mask}
        return {role: compile_pattern(text) for role, text in texts.items() if text}


class Folder:
    """Subjects below `root`, found by the patterns of a `Layout`.

    Args:
        root: the folder that patterns start from.
        options: the fields of `Layout`; without any, `dataset.toml` in the root holds them.
    """

    def __init__(self, root: Path, **options: Any) -> None:
        self.root = root
        self.options = options

    def subjects(self) -> list[Subject]:
        """All subjects of whom any image is found, sorted by id.

        Raises:
            ConfigError: no patterns, or one without `{id}`.
            DataError: no folder, nobody found, or two files fit one pattern for one subject.
        """
        layout = self._layout()
        found = _find(self.root, layout.patterns())
        table = read_attributes(self.root)
        people = [_subject(id_, files, layout, table.get(id_, {})) for id_, files in found.items() if files.images]
        if not people:
            raise no_patients(self.root, "files that fit " + ", ".join(layout.images.values()))
        return sorted(people, key=lambda subject: subject.id)

    def _layout(self) -> Layout:
        if self.options:
            return validate(Layout, self.options, "folder")
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder; name the data with --data DIR")
        path = self.root / DESCRIPTION
        if not path.is_file():
            raise ConfigError(f"{self.root}: no patterns given, and no {DESCRIPTION} there that holds them")
        return validate(Layout, read_toml(path), str(path))


def compile_pattern(text: str) -> re.Pattern[str]:
    """The regular expression of a path pattern; a `{word}` used twice must match the same text twice."""
    parts, rest, words = [], 0, set[str]()
    for part in SPECIAL.finditer(text):
        parts += [re.escape(text[rest : part.start()]), _expression(part[0], words)]
        rest = part.end()
    if "id" not in words:
        raise ConfigError(f"pattern {text!r} does not say where the subject's {{id}} stands")
    return re.compile("".join([*parts, re.escape(text[rest:])]))


@dataclass
class _Files:
    """The files found so far of one subject, and the words captured from their paths."""

    paths: dict[str, Path] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    @property
    def images(self) -> dict[str, Path]:
        return {role: path for role, path in self.paths.items() if not role.startswith("=")}

    def add(self, role: str, path: Path, words: Mapping[str, str]) -> None:
        if role in self.paths:
            raise DataError(f"{path}: subject {words['id']} has another {role.strip('=')}, {self.paths[role]}")
        self.paths[role] = path
        self.words.update({word: value for word, value in words.items() if word != "id"})


def _find(root: Path, patterns: Mapping[str, re.Pattern[str]]) -> dict[str, _Files]:
    found: dict[str, _Files] = defaultdict(_Files)
    for path in image_files(root):
        place = path.relative_to(root).as_posix()
        for role, pattern in patterns.items():
            if match := pattern.fullmatch(place):
                found[match["id"]].add(role, path, match.groupdict())
    return found


def _subject(subject_id: str, files: _Files, layout: Layout, attributes: Mapping[str, str]) -> Subject:
    return Subject(
        id=subject_id,
        images={role: ImageFile(path) for role, path in files.images.items()},
        label=_file(files, "=label"),
        brain_mask=_file(files, "=brain"),
        attributes={**files.words, **attributes},
        anomaly_values=layout.anomaly_values,
        healthy=layout.healthy,
    )


def _expression(special: str, words: set[str]) -> str:
    if special == "**/":
        return "(?:.*/)?"
    if special == "*":
        return "[^/]*"
    word = special[1:-1]
    again = word in words
    words.add(word)
    return f"(?P={word})" if again else f"(?P<{word}>[^/]+?)"


def _file(files: _Files, role: str) -> ImageFile | None:
    return ImageFile(files.paths[role]) if role in files.paths else None
