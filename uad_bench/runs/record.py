"""What a run record is: one JSON document that says what was run, on what, where, and what came out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from uad_bench.digests import digest_json
from uad_bench.method import Budget
from uad_bench.runs.cost import Cost
from uad_bench.runs.document import Document
from uad_bench.runs.environment import Environment
from uad_bench.runs.events import Event, LabelAccess, Remark
from uad_bench.runs.metric_rows import Metric, find_row

SCHEMA = 1
METRICS_VERSION = 1

Status = Literal["ok", "failed", "unlabelled"]
"""`unlabelled`: there are maps and no reference labels, so that metrics do not exist."""


def _from_hex(value: Any) -> Any:
    try:
        return float.fromhex(value) if isinstance(value, str) else value
    except OverflowError as error:
        raise ValueError(str(error)) from error


HexFloat = Annotated[float, BeforeValidator(_from_hex), PlainSerializer(float.hex)]
"""An exact value, hexadecimal in JSON, because a decimal may round to another score."""


class SplitFacts(Document):
    """The split's name, the digest of its patients, and what should be known about it."""

    name: str
    digest: str
    note: str = ""


class TaskFacts(Document):
    """The task as far as numbers depend on it; what is None was not recorded by an older version."""

    name: str
    dataset: str
    pair: tuple[str, str]
    modalities: tuple[str, ...] | None = None
    slices: tuple[int, int] | None = None
    size: int | None = None
    scaling: str | None = None
    field_of_view: float | None = None
    margin: int | None = None
    protocol: str
    data_digest: str
    split: SplitFacts


class Weights(Document):
    """Weights that were learned in another run.

    Attributes:
        checkpoint: SHA-256.
        further: training went on from them; else they were applied as they are.
    """

    checkpoint: str
    further: bool


class WeightsOfRun(Weights):
    """The same, with the name of the run that learned them."""

    run: str


class MethodFacts(Document):
    """The method, its hyperparameters and its code.

    Attributes:
        source: digest of the code.
        fit: modalities of its training slices; None where the method failed before it said so. `score` likewise.
        parameters: trained weights, counted.
    """

    name: str
    profile: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    origin: str = "unknown"
    source: str | None = None
    deterministic: bool | None = None
    weights: WeightsOfRun | None = None
    fit: tuple[str, ...] | None = None
    score: tuple[str, ...] | None = None
    parameters: int | None = None
    network_calls_per_slice: int | float | None = None


class Subjects(Document):
    """Patients by role. Over folds only `test` is known, for every patient is tested once."""

    train: tuple[str, ...] | None = None
    val: tuple[str, ...] | None = None
    test: tuple[str, ...]


class ChosenOn(Document):
    """What a threshold does where it was chosen (healthy FPR for `hFPR*`, else Dice), or why there is none."""

    realised: float | None = None
    undefined: str | None = None


class Bootstrap(Document):
    """Digest of the bootstrap rows (over folds one a fold), and keys of the metrics that have replicates."""

    rows: str | tuple[str | None, ...]
    metrics: tuple[str, ...]


class RunWarning(Document):
    """What is allowed but strange, with the number of cases; `message` where it is about the patients."""

    kind: str
    count: int
    message: str | None = None


def event_warnings(events: Sequence[Event]) -> list[RunWarning]:
    """What is allowed but strange, by kind with the number of cases: constant maps, attempts to read labels."""
    remarks = {(event.kind, event.subject) for event in events if isinstance(event, Remark)}
    accesses = {(event.event, event.path) for event in events if isinstance(event, LabelAccess)}
    kinds = Counter(kind for kind, _ in (*remarks, *accesses))
    return [RunWarning(kind=kind, count=count) for kind, count in sorted(kinds.items())]


class Numbers(Document):
    """The part of a document that holds numbers.

    Attributes:
        thresholds: by policy; None where there is none.
        groups: metrics of parts of the patients, such as tertiles of lesion size.
        size_cuts_mm3: where these tertiles lie.
    """

    thresholds: dict[str, HexFloat | None] = Field(default_factory=dict)
    chosen_on: dict[str, ChosenOn] = Field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    groups: tuple[Metric, ...] = ()
    size_cuts_mm3: tuple[float, ...] = ()
    bootstrap: Bootstrap | None = None

    @property
    def bootstrap_rows(self) -> str | tuple[str | None, ...] | None:
        """Digest of the bootstrap rows; runs with the same rows resampled the same patients."""
        return self.bootstrap.rows if self.bootstrap else None

    def find(
        self, name: str, policy: str | None = None, *, aggregation: str = "pooled", chain: str = "none"
    ) -> Metric | None:
        """The metric of this name, policy, aggregation and chain, if there is one."""
        return find_row(self.metrics, name, policy, aggregation=aggregation, chain=chain)

    def value(self, name: str, policy: str | None = None, *, aggregation: str = "pooled") -> float | None:
        """The metric's value on raw maps; None where it is undefined or absent."""
        metric = self.find(name, policy, aggregation=aggregation)
        return metric.value if metric else None


class RunFacts(Document):
    """The part of a record that says what was run, and how it ended.

    Attributes:
        reason: why the method failed, as a code; None where it did not. `message` likewise, as a sentence.
        fold: the fold's number; None for a run that is none.
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
        n_folds: of a record over folds, else None.
        fold_validation: validation patients of each fold.
        files: SHA-256 of the tables beside the record.
        digest: SHA-256 of everything else in the record.
    """

    warnings: tuple[RunWarning, ...] = ()
    cost: Cost = Field(default_factory=Cost)
    environment: Environment = Field(default_factory=Environment)
    created: str
    n_folds: int | None = None
    fold_validation: tuple[int, ...] | None = None
    files: dict[str, str] | None = None
    digest: str | None = None


NO_NUMBERS = Numbers(bootstrap=None)


def record_digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of everything in a JSON document but its own digest."""
    return digest_json({key: value for key, value in document.items() if key != "digest"})
