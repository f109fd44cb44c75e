"""Published cohorts, described in `configs/cohorts/*.toml`: their files as downloaded, and what must be done before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from uad_bench.config import read_toml, require_file, validate
from uad_bench.datasets.dataset import NIFTI, image_files
from uad_bench.datasets.folder import compile_pattern
from uad_bench.datasets.pictures import PICTURES
from uad_bench.resources import resource_names, resource_path

FOLDER = "configs/cohorts"
LOOKED_AT = 5_000
"""Files of a folder that are compared with the known cohorts."""


@dataclass(frozen=True, kw_only=True)
class PublishedCohort:
    """A cohort that can be downloaded.

    Attributes:
        url: where it is described and obtained.
        licence: conditions of use.
        citation: what a publication cites.
        files: patterns of files by which it is recognised, as in the dataset `folder`.
        labels: meaning of the label values.
        before: steps before a run, with commands of known tools; `{id}` stands for a patient.
        task: task to use; empty if there is none yet.
        dataset: registered dataset that reads it, with `options`.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    name: str
    title: str
    summary: str
    url: str
    licence: str
    citation: str
    files: tuple[str, ...]
    labels: str = ""
    before: tuple[str, ...] = ()
    note: str = ""
    task: str = ""
    dataset: str
    options: dict[str, Any] = field(default_factory=dict)


@cache
def published(name: str) -> PublishedCohort:
    """The description of a cohort.

    Raises:
        ConfigError: there is none of this name.
    """
    path = resource_path(f"{FOLDER}/{name}.toml")
    require_file(path, "cohort", name, published_names())
    return validate(PublishedCohort, {"name": name, **read_toml(path)}, path.name)


def published_names() -> list[str]:
    """Names of all described cohorts."""
    return resource_names(FOLDER, ".toml")


def resolved(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a cohort, with those of the published cohort that the key `cohort` names."""
    own = dict(options)
    if "cohort" not in own:
        return own
    known = published(own.pop("cohort"))
    return {"dataset": known.dataset, **known.options, **own}


def recognise(root: Path) -> list[PublishedCohort]:
    """Published cohorts whose files lie in a folder, the one with most of them first.

    Raises:
        DataError: there is no such folder.
    """
    files = islice(image_files(root, suffixes=(*NIFTI, *PICTURES)), LOOKED_AT)
    places = [path.relative_to(root).as_posix() for path in files]
    counts = {}
    for name in published_names():
        patterns = [compile_pattern(text) for text in published(name).files]
        counts[name] = sum(any(pattern.fullmatch(place) for pattern in patterns) for place in places)
    return [published(name) for name in sorted(counts, key=lambda name: -counts[name]) if counts[name]]
