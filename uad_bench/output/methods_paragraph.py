"""What a paper must say about a run, in words, with the works it stands on as BibTeX."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from uad_bench.config import read_toml
from uad_bench.metrics.uncertainty import REPLICATES
from uad_bench.resources import resource_path
from uad_bench.runs.metric_rows import Metric
from uad_bench.runs.record import RunRecord

_WORK = re.compile(r"(?P<authors>.+?) (?P<year>\d{4}), (?P<title>.+), (?P<venue>[^,]+)")
_ARXIV = re.compile(r"arXiv (?P<number>\d{4}\.\d{4,5})")
_TEX = {c: rf"\{c}" for c in "{}$&#_%"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\^{}"}


@dataclass(frozen=True, slots=True)
class Work:
    """A publication, as a method's configuration file names it: `Authors YEAR, Title, venue`."""

    authors: str
    year: str
    title: str
    venue: str

    @property
    def key(self) -> str:
        """`liang2023`."""
        return re.sub(r"\W", "", self.authors.split()[0]).lower() + self.year

    def bibtex(self) -> str:
        """One entry; an arXiv number becomes an eprint."""
        authors = " and ".join(self.authors.removesuffix(" et al.").split(" and "))
        authors += " and others" if self.authors.endswith(" et al.") else ""
        fields = {"author": authors, "title": f"{{{_tex(self.title)}}}", "year": self.year}
        found = _ARXIV.search(self.venue)
        fields |= {"eprint": found["number"], "archivePrefix": "arXiv"} if found else {"howpublished": _tex(self.venue)}
        return _entry("misc", self.key, fields)


def paragraph(record: RunRecord) -> str:
    """Markdown: what was run, on what, how thresholds were chosen, how sure the numbers are, what it cost."""
    return "\n\n".join(["# Methods", *(" ".join(part) for part in _parts(record))]) + "\n"


def bibliography(record: RunRecord) -> str:
    """BibTeX of the harness and of the method's papers; data sets are cited as their owners ask."""
    version = record.environment.uad_bench or "unknown"
    harness = {"author": "{uad-bench maintainers}", "title": "{uad-bench}", "version": version, "year": _year(record)}
    return "\n".join(
        [_entry("software", "uadbench", harness), *(work.bibtex() for work in method_works(_name(record)))]
    )


def method_works(method: str) -> list[Work]:
    """Works that the method's configuration file names; none for a method without one."""
    path = resource_path(f"configs/methods/{method}.toml")
    text = str(read_toml(path).get("paper", "")) if path.is_file() else ""
    return [Work(**match.groupdict()) for part in text.split(";") if (match := _WORK.fullmatch(part.strip()))]


def _parts(record: RunRecord) -> Iterator[list[str]]:
    yield [_what(record), _data(record), _training(record)]
    yield [_evaluation(record), _numbers(record)]
    yield [_cost(record), _versions(record)]


def _name(record: RunRecord) -> str:
    return record.method.name


def _year(record: RunRecord) -> str:
    return record.created[:4]


def _what(record: RunRecord) -> str:
    cited = ", ".join(f"@{work.key}" for work in method_works(_name(record)))
    method, pair = record.method, record.task.pair
    source = f" [{cited}]" if cited else ""
    needs = ", ".join(method.fit or ()) or "no images"
    return (
        f"We ran {_name(record)}{source} (profile {method.profile or 'default'}, {method.origin}) with "
        f"uad-bench [@uadbench]. It learned from {needs} and was given "
        f"{', '.join(method.score or pair[:1])} at test."
    )


def _data(record: RunRecord) -> str:
    task, split, patients = record.task, record.task.split, record.subjects
    roles = {"train": patients.train, "val": patients.val, "test": patients.test}
    counts = ", ".join(f"{len(names)} {role}" for role, names in roles.items() if names is not None)
    return (
        f"Task {task.name} (data set {task.dataset}, digest {task.data_digest[:12]}) was split by patient "
        f"({split.name}, digest {split.digest[:12]}: {counts}){_excluded(record)}; the split was checked for "
        "patients and images that stand in two parts."
    )


def _excluded(record: RunRecord) -> str:
    return f"; excluded were {', '.join(record.task.exclude)}" if record.task.exclude else ""


def _training(record: RunRecord) -> str:
    budget, task = record.budget, record.task
    if not record.method.parameters:
        return "It has no trained weights."
    return (
        f"Training used slices without anomaly ({task.margin} slices of margin) of {task.size} x {task.size} "
        f"pixels, {budget.steps} steps of {budget.batch_size} slices, seed {record.seed}."
    )


def _evaluation(record: RunRecord) -> str:
    return (
        f"Score maps were brought to the scan's own grid once, linearly, and evaluated under protocol "
        f"{record.task.protocol} over brain voxels, without post-processing. AUPRC is the step-sum average "
        "precision of the pooled voxels. The threshold hFPR5 marks 5 % of the voxels in lesion-free slices of "
        "validation patients and sees no lesion label; valDice maximises Dice on validation patients; the oracle "
        "Dice, chosen on the test patients, is no result. Intervals are 95 % percentile intervals of "
        f"{REPLICATES:,} bootstrap draws of patients."
    )


def _numbers(record: RunRecord) -> str:
    chosen = (("AUPRC", "auprc", None), ("Dice at hFPR5", "dice", "hFPR5"), ("Dice at valDice", "dice", "valDice"))
    known = [(label, record.find(name, policy)) for label, name, policy in chosen]
    told = "; ".join(f"{label} {_number(metric)}" for label, metric in known if metric)
    prevalence = record.find("prevalence")
    return f"Results: {told} (prevalence {_number(prevalence, digits=4)})." if told else "There are no results."


def _number(metric: Metric | None, *, digits: int = 3) -> str:
    if metric is None or metric.value is None:
        return "undefined"
    text = f"{metric.value:.{digits}f}"
    return text if metric.low is None or digits > 3 else f"{text} ({metric.low:.3f} to {metric.high:.3f})"


def _cost(record: RunRecord) -> str:
    cost, made = record.cost, record.environment
    told = [
        f"{label} {value:.3g} {unit}"
        for label, value, unit in (
            ("training took", cost.fit_s, "s"),
            ("scoring", cost.score_s_per_volume, "s per volume"),
            ("peak memory was", cost.peak_rss_mib, "MiB"),
        )
        if value is not None
    ]
    text = ", ".join(told) or "time was not measured"
    return f"{text[0].upper()}{text[1:]} on {made.device or 'cpu'} ({list(made.gpu) or made.cpu or 'unknown'})."


def _versions(record: RunRecord) -> str:
    made = record.environment
    packages = ", ".join(f"{name} {version}" for name, version in made.packages.items() if version)
    return f"Versions: uad-bench {made.uad_bench}, Python {made.python}, {packages}."


def _entry(kind: str, key: str, fields: dict[str, Any]) -> str:
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}\n}}\n"


def _tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in text)
