"""The events of a run: what its log holds, and what a method's process reports while it works."""

from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, TypeAdapter, ValidationError, model_serializer

from uad_bench.method import Progress
from uad_bench.runs.document import Document
from uad_bench.runs.isolation import Isolation, weakest


class Event(Document):
    """One line of the log; `event` says of which kind.

    Attributes:
        time: when it was logged, ISO 8601 in UTC; None before that.
    """

    time: str | None = None
    event: str

    @model_serializer(mode="wrap")
    def _as_given(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What was given and the kind; defaults are for reading logs of older versions."""
        return {key: value for key, value in dump(self).items() if key == "event" or key in self.model_fields_set}


class Start(Event):
    """An attempt begins.

    Attributes:
        resumed: it goes on from what an earlier attempt stored.
        after_death_of: pid of the process that died at the attempt before.
        repaired: damaged files that were removed, to be made again.
    """

    event: Literal["start"] = "start"
    resumed: bool = False
    after_death_of: str | None = None
    repaired: tuple[str, ...] = ()


class Isolated(Event):
    """How the method is kept from labels."""

    event: Literal["isolation"] = "isolation"
    kind: Isolation


class Described(Event):
    """What the method needs.

    Attributes:
        fit: modalities of the slices it learns from; `score` likewise.
        native: it works on whole slices in the scan's own grid.
        params: its hyperparameters, defaults included.
    """

    event: Literal["described"] = "described"
    fit: tuple[str, ...]
    score: tuple[str, ...]
    native: bool = False
    params: dict[str, Any] = Field(default_factory=dict)
    deterministic: bool | None = None


class Advance(Event):
    """Progress of a stage; shown and not logged."""

    event: Literal["progress"] = "progress"
    stage: str
    step: int
    total: int
    loss: float | None = None
    slices_per_s: float | None = None

    @property
    def progress(self) -> Progress:
        """As it is shown."""
        return Progress(self.stage, self.step, self.total, loss=self.loss, slices_per_s=self.slices_per_s)


class Spent(Event):
    """Work that was measured.

    Attributes:
        seconds: wall time.
        cpu_seconds: of all threads and ended children.
    """

    seconds: float
    cpu_seconds: float | None = None
    peak_rss_mib: float | None = None
    peak_cuda_mib: float | None = None


class Fit(Spent):
    """The training ended."""

    event: Literal["fit"] = "fit"
    slices: int
    ranks: int = 1


class Fitted(Event):
    """The weights are there: trained now, earlier, or given.

    Attributes:
        checkpoint: SHA-256 of their file.
        ranks: processes that share the work.
    """

    event: Literal["fitted"] = "fitted"
    parameters: int | None = None
    network_calls_per_slice: int | float | None = None
    checkpoint: str | None = None
    ranks: int = 1


class Scored(Spent):
    """A patient's map is stored: SHA-256 and size of its file, and its shape."""

    event: Literal["scored"] = "scored"
    subject: str
    slices: int
    rank: int = 0
    sha256: str
    bytes: int
    shape: tuple[int, ...]


class Imported(Event):
    """A map that another program made is stored."""

    event: Literal["imported"] = "imported"
    subject: str
    sha256: str
    bytes: int
    shape: tuple[int, ...]


class Remark(Event):
    """Something is allowed but strange.

    Attributes:
        merged: distinct scores that float32 makes equal.
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
    """A file that was not what had been stored is removed."""

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
    """Something else than the method ended the attempt: an interrupt, a full disk."""

    event: Literal["stopped"] = "stopped"
    error: str
    message: str = ""


class Determinism(Event):
    """The run was repeated; names of what came out differently."""

    event: Literal["determinism"] = "determinism"
    differing: tuple[str, ...] = ()


class End(Event):
    """The attempt ended, with this status of the record."""

    event: Literal["end"] = "end"
    status: str


AnyEvent = Annotated[
    Start
    | Isolated
    | Described
    | Advance
    | Fit
    | Fitted
    | Scored
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
    """The event of one line of a log; None for a line that a crash cut, or that a newer version wrote."""
    try:
        return _events().validate_json(line)
    except ValidationError:
        return None


def isolation_of(events: Iterable[Event]) -> Isolation | None:
    """The weakest isolation under which any part of a run was made."""
    return weakest(event.kind for event in events if isinstance(event, Isolated))


@cache
def _events() -> TypeAdapter[AnyEvent]:
    return TypeAdapter(AnyEvent)
