"""Description of a folder: patterns of the files of a subject, and how separate slices are stacked into a volume."""

import re
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from uad_bench.datasets.pictures import PICTURES
from uad_bench.datasets.stacking import DIRECTIONS
from uad_bench.errors import ConfigError, DataError, unknown
from uad_bench.method import Modality

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


def check_layout(layout: Layout, where: str) -> None:
    """Refuse a description of slices that is incomplete, or keys for slices without slice patterns.

    Raises:
        ConfigError: keys and patterns are inconsistent.
        DataError: the spacing of the slices is missing.
    """
    if not layout.sliced:
        _check_volumes(layout, where)
        return
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
