"""The events of a run, as logged and as reported by a method's process, and the kinds of its isolation."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, SerializerFunctionWrapHandler, TypeAdapter, ValidationError, model_serializer

from uad_bench.method import Progress
from uad_bench.runs.document import Document
from uad_bench.runs.selected import SelectedStep

Isolation = Literal["mount-namespace", "landlock", "audit-hook", "none"]
KINDS: tuple[Isolation, ...] = get_args(Isolation)
"""From the strongest to the weakest."""
ENFORCED: frozenset[Isolation] = frozenset({"mount-namespace", "landlock"})
"""Kinds enforced by the kernel, independent of the method's language."""
MEANING: Mapping[Isolation, str] = {
    "mount-namespace": "labels and other runs are invisible to methods, and most of the disk is read-only",
    "landlock": "methods cannot open labels and other runs, and most of the disk is read-only",
    "audit-hook": "not isolated: only what a method opens from Python is refused",
    "none": "not isolated",
}


def weakest(kinds: Iterable[Isolation | None]) -> Isolation | None:
    """The weakest of these; None if none is known, as for imported maps."""
    return max((kind for kind in kinds if kind), key=KINDS.index, default=None)


def is_isolated(kind: Isolation | None) -> bool:
    """Whether the kernel isolated the method from labels; true if the record does not state the isolation."""
    return kind is None or kind in ENFORCED


class Event(Document):
    """One line of the log; `event` gives its kind.

    Attributes:
        time: time of logging, ISO 8601 in UTC; None before logging.
    """

    time: str | None = None
    event: str

    @model_serializer(mode="wrap")
    def _as_given(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The fields that were set, and the kind; defaults are only for logs of older versions."""
        return {key: value for key, value in dump(self).items() if key == "event" or key in self.model_fields_set}


class Start(Event):
    """An attempt started.

    Attributes:
        resumed: whether it continues an earlier attempt.
        after_death_of: pid of the process that died in the previous attempt.
        repaired: damaged files that were removed and will be recreated.
    """

    event: Literal["start"] = "start"
    resumed: bool = False
    after_death_of: str | None = None
    repaired: tuple[str, ...] = ()


class Isolated(Event):
    """How the method is isolated from labels."""

    event: Literal["isolation"] = "isolation"
    kind: Isolation


class Described(Event):
    """The requirements of the method.

    Attributes:
        fit: modalities of the training slices; `score` likewise for scoring.
        native: whether it works on whole slices on the scan's own grid.
        params: its hyperparameters, defaults included.
        reconstructs: whether it computes pseudo-healthy images.
        networks: whether it keeps its networks by name in `networks_`.
    """

    event: Literal["described"] = "described"
    fit: tuple[str, ...]
    score: tuple[str, ...]
    native: bool = False
    params: dict[str, Any] = Field(default_factory=dict)
    deterministic: bool | None = None
    reconstructs: bool = False
    networks: bool = False


class Advance(Event):
    """Progress of a stage; displayed but not logged."""

    event: Literal["progress"] = "progress"
    stage: str
    step: int
    total: int
    loss: float | None = None
    slices_per_s: float | None = None

    @property
    def progress(self) -> Progress:
        """The progress to display."""
        return Progress(self.stage, self.step, self.total, loss=self.loss, slices_per_s=self.slices_per_s)


class Spent(Event):
    """Work with measured resources.

    Attributes:
        cpu_seconds: CPU time of all threads and terminated child processes.
    """

    seconds: float
    cpu_seconds: float | None = None
    peak_rss_mib: float | None = None
    peak_cuda_mib: float | None = None


class Fit(Spent):
    """Training completed."""

    event: Literal["fit"] = "fit"
    slices: int
    ranks: int = 1


class Selected(Event):
    """Training kept the weights of a step that was selected without labels."""

    event: Literal["selected"] = "selected"
    selection: SelectedStep


class Fitted(Event):
    """Weights are available: trained now or earlier, or provided.

    Attributes:
        checkpoint: SHA-256 of their file.
        precision: number format in which networks compute, `float32` or `bfloat16`.
        ranks: processes that share the work.
    """

    event: Literal["fitted"] = "fitted"
    parameters: int | None = None
    network_calls_per_slice: int | float | None = None
    checkpoint: str | None = None
    precision: str | None = None
    ranks: int = 1


class Scored(Spent):
    """A patient's score map was stored; SHA-256 and size of its file, and its shape."""

    event: Literal["scored"] = "scored"
    subject: str
    slices: int
    rank: int = 0
    sha256: str
    bytes: int
    shape: tuple[int, ...]


class Stored(Event):
    """A file of voxels was stored; its SHA-256 and size, and the shape of the array."""

    subject: str
    sha256: str
    bytes: int
    shape: tuple[int, ...]


class Reconstructed(Stored):
    """A patient's pseudo-healthy image was stored."""

    event: Literal["reconstructed"] = "reconstructed"


class Imported(Stored):
    """A score map from another program was stored."""

    event: Literal["imported"] = "imported"


class Remark(Event):
    """A warning.

    Attributes:
        merged: number of distinct scores lost by rounding to float32.
    """

    event: Literal["warning"] = "warning"
    kind: str
    subject: str | None = None
    merged: int | None = None


class LabelAccess(Event):
    """The method tried to open a label or a source image."""

    event: Literal["label_access"] = "label_access"
    path: str


class Repaired(Event):
    """A file that differed from its stored digest was removed."""

    event: Literal["repaired"] = "repaired"
    file: str


class Failed(Event):
    """The method failed.

    Attributes:
        reason: a code, as in `FAILED(reason)`.
        notes: tracebacks.
    """

    event: Literal["failed"] = "failed"
    reason: str
    message: str
    notes: tuple[str, ...] = ()


class Stopped(Event):
    """The attempt ended for a reason other than the method, such as an interrupt or a full disk."""

    event: Literal["stopped"] = "stopped"
    error: str
    message: str = ""


class Determinism(Event):
    """The run was repeated; names of the results that differ."""

    event: Literal["determinism"] = "determinism"
    differing: tuple[str, ...] = ()


class End(Event):
    """The attempt ended; status of the record."""

    event: Literal["end"] = "end"
    status: str


AnyEvent = Annotated[
    Start
    | Isolated
    | Described
    | Advance
    | Fit
    | Selected
    | Fitted
    | Scored
    | Reconstructed
    | Imported
    | Remark
    | LabelAccess
    | Repaired
    | Failed
    | Stopped
    | Determinism
    | End,
    Field(discriminator="event"),
]


def parse_line(line: bytes) -> Event | None:
    """The event of one line of a log; None for a line truncated by a crash or written by a newer version."""
    try:
        return _events().validate_json(line)
    except ValidationError:
        return None


def fitted_of(events: Sequence[Event]) -> Fitted:
    """The last time that weights became available; without any, an event without facts."""
    return next((event for event in reversed(events) if isinstance(event, Fitted)), Fitted())


def selection_of(events: Iterable[Event]) -> SelectedStep | None:
    """How weights were selected in the last training; None if those of the last step were kept."""
    return next((event.selection for event in reversed([*events]) if isinstance(event, Selected)), None)


def isolation_of(events: Iterable[Event]) -> Isolation | None:
    """The weakest isolation used in any part of a run."""
    return weakest(event.kind for event in events if isinstance(event, Isolated))


@cache
def _events() -> TypeAdapter[AnyEvent]:
    return TypeAdapter(AnyEvent)
