"""Medical Segmentation Decathlon `Task01_BrainTumour`: 4-D files of four scans, in the order of `dataset.json`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from uad_bench.config import validate
from uad_bench.data.subject import ImageFile, Subject
from uad_bench.datasets.dataset import no_patients, read_attributes, stem
from uad_bench.errors import ConfigError, DataError
from uad_bench.files import read_json

MODALITIES = {"flair": "flair", "t1w": "t1", "t1": "t1", "t1gd": "t1ce", "t1ce": "t1ce", "t2w": "t2", "t2": "t2"}
DESCRIPTION = "dataset.json"
Channel = Annotated[str, Field(pattern=r"^[0-9]{1,3}$")]


@dataclass(frozen=True)
class MsdBrainTumour:
    """Training patients, and optionally the unlabelled test patients, listed in `dataset.json`.

    Attributes:
        root: folder with `dataset.json`, or its parent folder.
        unlabelled: include the test patients of the challenge, which have no labels.
    """

    root: Path
    unlabelled: bool = False

    def subjects(self) -> list[Subject]:
        """All listed patients, sorted by id.

        Raises:
            DataError: `dataset.json` is missing, lists no patients, or names unknown modalities or files outside the
                folder.
        """
        home = self._home()
        described = _described(home / DESCRIPTION)
        listed: list[_Entry | str] = [*described.training, *(described.test if self.unlabelled else ())]
        channels, table = _channels(home, described), read_attributes(home)
        if not listed:
            raise no_patients(home, f"a list 'training' in {DESCRIPTION}")
        declared = tuple(int(value) for value in described.labels if value.isdecimal() and value != "0")
        subjects = [_subject(home, entry, channels, declared, table) for entry in listed]
        return sorted(subjects, key=lambda subject: subject.id)

    def _home(self) -> Path:
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder; choose the data folder with --data DIR")
        places = [path.parent for path in (self.root / DESCRIPTION, *sorted(self.root.glob(f"*/{DESCRIPTION}")))]
        homes = [place for place in places if (place / DESCRIPTION).is_file()]
        if not homes:
            raise no_patients(self.root, DESCRIPTION)
        return homes[0]


@dataclass(frozen=True)
class _Entry:
    """Files of a training patient."""

    image: str
    label: str | None = None


@dataclass(frozen=True)
class _Description:
    """What is read of `dataset.json`; newer ones name modalities `channel_names`."""

    training: tuple[_Entry, ...] = ()
    test: tuple[str, ...] = ()
    modality: dict[Channel, str] = field(default_factory=dict)
    channel_names: dict[Channel, str] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)


def _described(path: Path) -> _Description:
    try:
        whole = read_json(path)
        known = {name: whole[name] for name in _Description.__dataclass_fields__ if name in whole}
        return validate(_Description, known, str(path))
    except (ConfigError, TypeError) as error:
        raise DataError(str(error) if isinstance(error, ConfigError) else f"{path}: not a description") from error


def _channels(home: Path, described: _Description) -> dict[str, int]:
    """Index of each modality along the fourth axis."""
    named = described.modality or described.channel_names
    strange = [name for name in named.values() if str(name).lower() not in MODALITIES]
    if strange or not named:
        raise DataError(f"{home / DESCRIPTION}: modality {strange or 'list'} unknown; known: {', '.join(MODALITIES)}")
    return {MODALITIES[name.lower()]: int(index) for index, name in named.items()}


def _subject(
    home: Path,
    entry: _Entry | str,
    channels: Mapping[str, int],
    declared: tuple[int, ...],
    table: Mapping[str, Mapping[str, str]],
) -> Subject:
    files = _Entry(entry) if isinstance(entry, str) else entry
    image = _inside(home, files.image)
    return Subject(
        id=stem(image),
        images={modality: ImageFile(image, channel) for modality, channel in channels.items()},
        label=ImageFile(_inside(home, files.label)) if files.label else None,
        attributes=table.get(stem(image), {}),
        declared_values=declared,
    )


def _inside(home: Path, name: str) -> Path:
    """The path of a listed file; links below the folder are followed, as users keep images on other disks."""
    path = Path(os.path.normpath(home / name))
    if not path.is_relative_to(os.path.normpath(home)):
        raise DataError(f"{home / DESCRIPTION}: {name!r} is located outside the folder")
    return path
