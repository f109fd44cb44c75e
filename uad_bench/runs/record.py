"""The run record: a JSON document with the experiment, its data, its environment and its results."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, PlainSerializer

from uad_bench.digests import digest_json
from uad_bench.method import Budget
from uad_bench.runs.cost import Cost
from uad_bench.runs.document import Document
from uad_bench.runs.environment import Environment
from uad_bench.runs.events import Event, LabelAccess, Remark
from uad_bench.runs.metric_rows import MetricRow, find_row
from uad_bench.runs.selected import SelectedStep

SCHEMA = 1
METRICS_VERSION = 2

Status = Literal["ok", "failed", "unlabelled"]
"""`unlabelled`: there are maps but no reference labels, so metrics are not computed."""


def _from_hex(value: Any) -> Any:
    try:
        return float.fromhex(value) if isinstance(value, str) else value
    except OverflowError as error:
        raise ValueError(str(error)) from error


HexFloat = Annotated[float, BeforeValidator(_from_hex), PlainSerializer(float.hex)]
"""An exact value, stored as hexadecimal in JSON because a decimal might be rounded to another score."""


class SplitFacts(Document):
    """The split's name, the digest of its patients, and a note about it."""

    name: str
    digest: str
    note: str = ""


class TaskFacts(Document):
    """The settings of the task that affect results; None where an older version did not record them.

    Attributes:
        protocol_digest: of the protocol's file; None for a shipped protocol.
        centre: of the slices that the method works on; None for the centre of the brain.
        resample: how their pixels are computed; None for averages over the area of a pixel.
        exclude: ids that the task leaves out; None if it leaves out no patient.
        perturb: simulated artefact, such as `noise:severe`; None for the scans as they are.
    """

    name: str
    dataset: str
    pair: tuple[str, str]
    modalities: tuple[str, ...] | None = None
    slices: tuple[int, int] | None = None
    size: int | None = None
    scaling: str | None = None
    field_of_view: float | None = None
    centre: str | None = None
    resample: str | None = None
    margin: int | None = None
    exclude: tuple[str, ...] | None = None
    perturb: str | None = None
    protocol: str
    protocol_digest: str | None = None
    data_digest: str
    split: SplitFacts


class Weights(Document):
    """Weights trained in another run.

    Attributes:
        checkpoint: SHA-256 of the weights.
        further: whether training continued from them; otherwise they were applied unchanged.
    """

    checkpoint: str
    further: bool


class WeightsOfRun(Weights):
    """Weights with the name of the run that trained them, and its threshold hFPR5 if they are applied unchanged."""

    run: str
    hfpr5: HexFloat | None = None


class MethodFacts(Document):
    """The method, its hyperparameters and its code.

    Attributes:
        source: digest of the code.
        select: training steps between two measurements by which its weights were selected; None for the last weights.
        fit: modalities of its training slices; None if the method failed before describing them. `score` likewise.
    """

    name: str
    profile: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    origin: str = "unknown"
    source: str | None = None
    deterministic: bool | None = None
    weights: WeightsOfRun | None = None
    select: int | None = None
    fit: tuple[str, ...] | None = None
    score: tuple[str, ...] | None = None
    parameters: int | None = None
    network_calls_per_slice: int | float | None = None


class Subjects(Document):
    """Patients by role. Records over folds have only `test`, because every patient is tested once."""

    train: tuple[str, ...] | None = None
    val: tuple[str, ...] | None = None
    test: tuple[str, ...]


class ChosenOn(Document):
    """Result of a threshold where it was chosen (healthy FPR for `hFPR*`, else Dice), or why it is undefined."""

    realised: float | None = None
    undefined: str | None = None


class Jackknife(Document):
    """Digest of the patients left out in turn (one per fold for records over folds), and keys of the replicates."""

    rows: str | tuple[str | None, ...]
    metrics: tuple[str, ...]


class RunWarning(Document):
    """A warning with its number of occurrences; `message` is set if it is about the patients."""

    kind: str
    count: int
    message: str | None = None


def event_warnings(events: Sequence[Event]) -> list[RunWarning]:
    """Warnings from the log, counted by kind, such as constant maps and attempts to read labels."""
    remarks = {(event.kind, event.subject) for event in events if isinstance(event, Remark)}
    accesses = {(event.event, event.path) for event in events if isinstance(event, LabelAccess)}
    kinds = Counter(kind for kind, _ in (*remarks, *accesses))
    return [RunWarning(kind=kind, count=count) for kind, count in sorted(kinds.items())]


class Numbers(Document):
    """The part of a document with metrics and thresholds.

    Attributes:
        thresholds: by policy; None where undefined.
        groups: metrics of subgroups of patients, such as tertiles of lesion size.
        size_cuts_mm3: limits of these tertiles, mm³.
    """

    thresholds: dict[str, HexFloat | None] = Field(default_factory=dict)
    chosen_on: dict[str, ChosenOn] = Field(default_factory=dict)
    metrics: tuple[MetricRow, ...] = ()
    groups: tuple[MetricRow, ...] = ()
    size_cuts_mm3: tuple[float, ...] = ()
    jackknife: Jackknife | None = Field(
        default=None, validation_alias=AliasChoices("jackknife", "bootstrap")
    )  # the second is its name in older records

    @property
    def jackknife_rows(self) -> str | tuple[str | None, ...] | None:
        """Digest of the patients in the order of the replicates; runs with the same digest are paired."""
        return self.jackknife.rows if self.jackknife else None

    def find(
        self, name: str, policy: str | None = None, *, aggregation: str = "pooled", chain: str = "none"
    ) -> MetricRow | None:
        """The metric of this name, policy, aggregation and chain, if there is one."""
        return find_row(self.metrics, name, policy, aggregation=aggregation, chain=chain)

    def value(self, name: str, policy: str | None = None, *, aggregation: str = "pooled") -> float | None:
        """The metric's value on raw maps; None if it is undefined or absent."""
        metric = self.find(name, policy, aggregation=aggregation)
        return metric.value if metric else None


class RunFacts(Document):
    """The part of a record that describes the run and its status.

    Attributes:
        reason: code of the method's failure, if any; `message` is the corresponding sentence.
        fold: number of the fold; None if the run is not a fold.
    """

    schema_version: int = Field(SCHEMA, alias="schema")
    metrics_version: int = METRICS_VERSION
    run: str
    status: Status
    reason: str | None = None
    message: str | None = None
    task: TaskFacts
    method: MethodFacts
    seed: int
    fold: int | None = None
    budget: Budget
    subjects: Subjects


class RunRecord(Numbers, RunFacts):
    """One run.

    Attributes:
        fold_validation: validation patients of each fold.
        selection: how the weights were selected without labels; None for the last weights, and in records over folds.
        files: SHA-256 of the tables of the run.
        digest: SHA-256 of everything else in the record.
    """

    warnings: tuple[RunWarning, ...] = ()
    cost: Cost = Field(default_factory=Cost)
    environment: Environment = Field(default_factory=Environment)
    created: str
    n_folds: int | None = None
    fold_validation: tuple[int, ...] | None = None
    selection: SelectedStep | None = None
    files: dict[str, str] | None = None
    digest: str | None = None


def carried_thresholds(weights: WeightsOfRun | None) -> dict[str, float]:
    """Thresholds by policy that come with weights from another run."""
    return {} if weights is None or weights.hfpr5 is None else {"hFPR5-origin": weights.hfpr5}


NO_NUMBERS = Numbers(jackknife=None)


def record_digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON document without its `digest` field."""
    return digest_json({key: value for key, value in document.items() if key != "digest"})
