"""Text for a paper about a run: a methods section, its results, and BibTeX of the cited works."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from uad_bench.plugins.registry import method_facts
from uad_bench.runs.metric_rows import MetricRow
from uad_bench.runs.record import RunRecord

EXTERNAL = "external"  # profile of score maps made by other programs
_WORK = re.compile(r"(?P<authors>.+?) (?P<year>\d{4}), (?P<title>.+), (?P<venue>[^,]+)")
_ARXIV = re.compile(r"arXiv (?P<number>\d{4}\.\d{4,5})")
_TEX = {c: rf"\{c}" for c in "{}$&#_%"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\^{}"}


@dataclass(frozen=True, slots=True)
class Work:
    """A publication, written as `Authors YEAR, Title, venue` in a method's configuration file."""

    authors: str
    year: str
    title: str
    venue: str

    @property
    def key(self) -> str:
        """Citation key, such as `liang2023`."""
        return re.sub(r"\W", "", self.authors.split()[0]).lower() + self.year

    def bibtex(self) -> str:
        """BibTeX entry; an arXiv number becomes an eprint."""
        authors = " and ".join(self.authors.removesuffix(" et al.").split(" and "))
        authors += " and others" if self.authors.endswith(" et al.") else ""
        fields = {"author": authors, "title": f"{{{_tex(self.title)}}}", "year": self.year}
        found = _ARXIV.search(self.venue)
        fields |= {"eprint": found["number"], "archivePrefix": "arXiv"} if found else {"howpublished": _tex(self.venue)}
        return _entry("misc", self.key, fields)


def paragraph(record: RunRecord) -> str:
    """Markdown with a methods section (method, data, training, evaluation, computation) and the results."""
    methods = ([_method(record), _training(record)], [_data(record)], [_evaluation(record)], [_computation(record)])
    parts = (" ".join(filter(None, sentences)) for sentences in methods)
    return "\n\n".join(["# Methods", *parts, "# Results", _results(record)]) + "\n"


def bibliography(record: RunRecord) -> str:
    """BibTeX of uad-bench and of the method's papers; datasets are to be cited as their providers ask."""
    version = record.environment.uad_bench or "unknown"
    harness = {"author": "{uad-bench maintainers}", "title": "{uad-bench}", "version": version}
    software = _entry("software", "uadbench", {**harness, "year": record.created[:4]})
    return "\n".join([software, *(work.bibtex() for work in method_works(record.method.name))])


def method_works(method: str) -> list[Work]:
    """Publications listed in the method's configuration file; none for a method without one."""
    text = str(method_facts(method).get("paper", ""))
    return [Work(**match.groupdict()) for part in text.split(";") if (match := _WORK.fullmatch(part.strip()))]


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


def _method(record: RunRecord) -> str:
    name = record.method.name
    cited = "; ".join(f"@{work.key}" for work in method_works(name))
    source = f" [{cited}]" if cited else ""
    if record.method.profile == EXTERNAL:
        return f"Score maps of {name}{source} were evaluated with uad-bench [@uadbench]."
    profile = f"{record.method.profile or 'default'} hyperparameters, {record.method.origin}"
    return f"We evaluated {name}{source} ({profile}) with uad-bench [@uadbench]. {_modalities(record)}"


def _modalities(record: RunRecord) -> str:
    """Which images the method was trained and tested on."""
    trained, tested = record.method.fit, record.method.score or record.task.pair[:1]
    images = listed([name.upper() for name in tested])
    if not trained:
        return f"The method requires no training and was applied to {images} images."
    if set(trained) == set(tested):
        return f"The method was trained and tested on {images} images."
    return f"The method was trained on {listed([name.upper() for name in trained])} and tested on {images} images."


def _training(record: RunRecord) -> str:
    budget, task, weights = record.budget, record.task, record.method.weights
    if not record.method.fit:
        return ""
    size = f" of {task.size} x {task.size} pixels" if task.size else ""
    several = task.margin is not None and task.margin > 1
    nearest = f"{task.margin} nearest slices on either side are" if several else "nearest slice on either side is"
    margin = f" whose {nearest} also lesion-free" if task.margin else ""
    budgeted = f"{budget.steps:,} optimisation steps with a batch size of {budget.batch_size}"
    if weights is not None and not weights.further:
        return (
            f"The weights are those of the run {weights.run} (SHA-256 {weights.checkpoint[:12]}) and were used without "
            "further training."
        )
    start = "" if weights is None else f" Training started from the weights of the run {weights.run}."
    return (
        f"Training used lesion-free axial slices{size}{margin}, and a budget of {budgeted} "
        f"(random seed {record.seed}).{start}{_selection(record)}"
    )


def _selection(record: RunRecord) -> str:
    if not (every := record.method.select):
        return ""
    chosen = record.selection
    patients = f"{len(chosen.patients)} held-out training" if chosen else "held-out training"
    kept = f" (step {chosen.step:,})" if chosen else ""
    return (
        f" Weights were selected without labels: every {every:,} steps the AUPRC of synthetic anomalies implanted in "
        f"healthy slices of {patients} patients was computed, and the weights of the best step were kept{kept}."
    )


def _data(record: RunRecord) -> str:
    task, split = record.task, record.task.split
    excluded = f" Excluded were the patients {listed(task.exclude)}." if task.exclude else ""
    return (
        f"The data (task {task.name}, dataset {task.dataset}, digest {task.data_digest[:12]}) were split by patient: "
        f"{_patients(record)} (split {split.name}, digest {split.digest[:12]}). The split was checked for patient "
        f"overlap and duplicate images.{excluded}"
    )


def _patients(record: RunRecord) -> str:
    patients = record.subjects
    if record.n_folds:
        return f"{record.n_folds}-fold cross-validation over {len(patients.test)} patients, each tested once"
    roles = {"training": patients.train, "validation": patients.val, "test": patients.test}
    return f"{listed([f'{len(names)} {role}' for role, names in roles.items() if names])} patients"


def _evaluation(record: RunRecord) -> str:
    external = record.method.profile == EXTERNAL
    resampled = "" if external else "resampled once to the original image grid by linear interpolation and "
    folds = " Metrics were computed for each fold and averaged over folds." if record.n_folds else ""
    return (
        f"Score maps were {resampled}evaluated under the protocol {record.task.protocol}, over all brain voxels and "
        "without post-processing. The area under the precision-recall curve (AUPRC) is the average precision over the "
        f"pooled voxels of the test patients.{folds} The threshold hFPR5 gives a false-positive rate of 5 % on "
        "lesion-free slices of the validation patients, and valDice maximises the Dice coefficient on the validation "
        "patients. Confidence intervals (95 %) use Student's t distribution over patients with the jackknife standard "
        "error, for proportions on the logit scale."
    )


def _results(record: RunRecord) -> str:
    chosen = (("AUPRC", "auprc", None), ("Dice at hFPR5", "dice", "hFPR5"), ("Dice at valDice", "dice", "valDice"))
    known = [(label, record.find(name, policy)) for label, name, policy in chosen]
    metrics = [f"{label} was {_number(metric)}" for label, metric in known if metric]
    if not metrics:
        return "No metrics were computed."
    prevalence = _number(record.find("prevalence"), digits=4)
    return f"{listed(metrics)}; the prevalence of lesion voxels was {prevalence}."


def _number(metric: MetricRow | None, *, digits: int = 3) -> str:
    if metric is None or metric.value is None:
        return "undefined"
    text = f"{metric.value:.{digits}f}"
    return text if metric.low is None or digits > 3 else f"{text} (95 % CI {metric.low:.3f} to {metric.high:.3f})"


def _computation(record: RunRecord) -> str:
    cost, made = record.cost, record.environment
    measured = [
        f"{label} {value:.3g} {unit}"
        for label, value, unit in (
            ("training took", cost.fit_s, "s"),
            ("scoring took", cost.score_s_per_volume, "s per volume"),
            ("peak memory was", cost.peak_rss_mib, "MiB"),
        )
        if value is not None
    ]
    hardware = ", ".join(made.gpu) or made.cpu or "unknown hardware"
    versions = [f"uad-bench {made.uad_bench}", f"Python {made.python}"]
    versions += [f"{name} {version}" for name, version in made.packages.items() if version]
    where = f"on {hardware} with {listed(versions)}"
    return f"Computations were performed {where}{': ' if measured else ''}{listed(measured)}."


def _entry(kind: str, key: str, fields: dict[str, Any]) -> str:
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}\n}}\n"


def _tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in text)
