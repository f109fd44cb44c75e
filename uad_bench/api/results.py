"""Return values of the Python interface: text on a terminal, a table in a notebook, and a pandas data frame."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from rich.console import Group
from rich.text import Text

from uad_bench.boards import comparison as pairs
from uad_bench.boards.overall_result import Overall
from uad_bench.boards.sheet import Sheet
from uad_bench.console import as_text
from uad_bench.errors import ConfigError, unknown
from uad_bench.output.comparison_table import comparison_sheets, comparison_tables
from uad_bench.output.formats import FORMATS, fragment, table_rows
from uad_bench.output.overall_table import overall_sheets, overall_view, summary
from uad_bench.output.tables import run_table
from uad_bench.output.verdict import verdict
from uad_bench.runs.folder import Run
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.record import RunRecord
from uad_bench.runs.tables import read_patients

Rows = Literal["metrics", "runs", "patients"]


class Shown:
    """Base class of results whose representation is their text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, repr=False)
class Result(Shown):
    """A run, with the runs of the trivial baselines.

    Attributes:
        records: records of the baselines, followed by the record of the method.
        runs: the folder of runs.
    """

    records: tuple[RunRecord, ...]
    runs: Path

    @property
    def record(self) -> RunRecord:
        """Record of the method's run; `record.to_json()` gives plain values."""
        return self.records[-1]

    @cached_property
    def path(self) -> Path:
        """The run's folder, with its score maps in `maps`."""
        return self.runs / self.record.run

    def metric(self, name: str, policy: str | None = None, aggregation: str = "pooled") -> float | None:
        """A metric of the method, such as `metric("dice", "hFPR5")` or `metric("dice@hFPR5")`; None where undefined.

        Raises:
            ConfigError: there is no such metric; the message lists the available names or policies.
        """
        name, _, written = name.partition("@")
        policy = policy or written or None
        found = self.record.find(name, policy, aggregation=aggregation)
        if found is None:
            raise _no_metric(self.record.metrics, name, policy, aggregation)
        return found.value

    def to_frame(self, rows: Rows = "metrics") -> Any:
        """A pandas data frame.

        Args:
            rows: `metrics` for a row per run and metric, with its confidence interval; `runs` for a row per run;
                `patients` for a row per test patient with the method's metrics.
        """
        import pandas as pd

        if rows == "patients":
            patients = read_patients(Run(self.path))
            return pd.DataFrame(patients.values, index=pd.Index(patients.names, name="subject"))
        if rows == "runs":
            return pd.DataFrame([_run_row(record) for record in self.records])
        if rows != "metrics":
            raise unknown("kind of rows", rows, ("metrics", "runs", "patients"))
        return pd.DataFrame(
            [{"method": record.method.name, **metric.to_json()} for record in self.records for metric in record.metrics]
        )

    @cached_property
    def verdict(self) -> str:
        """Whether the method is significantly better than the strongest baseline; empty without baselines."""
        return verdict(self.records, self.runs)

    def __str__(self) -> str:
        return as_text(Group(run_table(self.records, runs=self.runs), Text(self.verdict)))

    def _repr_html_(self) -> str:
        return fragment(run_table(self.records, runs=self.runs).sheets, [self.verdict] if self.verdict else ())


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """Pairwise comparison of methods.

    Attributes:
        comparison: ranks of the methods and statistics of every pair.
    """

    comparison: pairs.Comparison

    def to_frame(self) -> Any:
        """A pandas data frame with a row per pair; differences are the first method minus the second."""
        import pandas as pd

        return pd.DataFrame(self.comparison.to_json()["pairs"])

    def __str__(self) -> str:
        return as_text(comparison_tables(self.comparison))

    def _repr_html_(self) -> str:
        return fragment(comparison_sheets(self.comparison), pairs.sentences(self.comparison))


@dataclass(frozen=True, repr=False)
class Board(Shown):
    """A leaderboard.

    Attributes:
        sheets: tables with headings, rows and notes.
        origin: where the rows come from.
    """

    sheets: Sequence[Sheet]
    origin: str

    def to(self, form: str) -> str:
        """The board as text: `table`, `md`, `csv`, `json`, `latex`, or `html` for a complete page.

        Raises:
            ConfigError: there is no such format.
        """
        if form not in FORMATS:
            raise unknown("format", form, FORMATS)
        return FORMATS[form](self.sheets)

    def to_frame(self) -> Any:
        """A pandas data frame with the unrounded values of the table; undefined values are missing."""
        import pandas as pd

        return pd.DataFrame(table_rows(self.sheets))

    def __str__(self) -> str:
        return self.to("table")

    def _repr_html_(self) -> str:
        return fragment(self.sheets)


@dataclass(frozen=True, repr=False)
class OverallBoard(Shown):
    """Methods compared over several tasks.

    Attributes:
        overall: ranks, pairs and statement; `overall.to_json()` gives plain values.
    """

    overall: Overall

    def to_frame(self) -> Any:
        """A pandas data frame with a row per method: mean rank, and AUPRC gain and rank by task."""
        import pandas as pd

        return pd.DataFrame(table_rows(overall_sheets(self.overall)[:1]))

    def report(self, output: str | Path = "overall.html") -> "ReportPage":
        """Write an HTML page with the tables, a rank heat map and a forest plot."""
        from uad_bench.output.report.building import write_overall

        write_overall(self.overall, Path(output))
        return ReportPage(Path(output))

    def __str__(self) -> str:
        return as_text(overall_view(self.overall))

    def _repr_html_(self) -> str:
        return fragment(overall_sheets(self.overall)[:1], summary(self.overall))


@dataclass(frozen=True)
class ReportPage:
    """An HTML report, which a notebook displays inline.

    Attributes:
        path: the HTML file.
    """

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        page = html.escape(self.path.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" title="report" style="width: 100%; height: 80vh; border: 0"></iframe>'


def _run_row(record: RunRecord) -> dict[str, Any]:
    """Identity, cost, and pooled metrics of the raw score maps of one run."""
    pooled = (metric for metric in record.metrics if metric.aggregation == "pooled" and metric.chain == "none")
    numbers = {"@".join(filter(None, (metric.name, metric.policy))): metric.value for metric in pooled}
    facts = {"method": record.method.name, "task": record.task.name, "run": record.run}
    return {**facts, "status": record.status, "seed": record.seed, **record.cost.to_json(), **numbers}


def _no_metric(metrics: Sequence[MetricRow], name: str, policy: str | None, aggregation: str) -> ConfigError:
    same = [metric for metric in metrics if metric.name == name]
    if not same:
        return unknown("metric", name, {metric.name for metric in metrics})
    policies = dict.fromkeys(m.policy for m in same if m.aggregation == aggregation and m.policy)
    if not policies:
        return unknown(f"aggregation of {name}", aggregation, {m.aggregation for m in same})
    if policy is None:
        return ConfigError(f"{name} needs a threshold policy: {', '.join(policies)}")
    return unknown(f"threshold policy of {name}", policy, policies)
