"""Results of verifying a stored run, and checks that need no references: digests, splits and the order of events."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uad_bench.data.split import Split
from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError, UadBenchError, VerificationError
from uad_bench.files import read_json
from uad_bench.runs.checkpoints import Manifest, StoredMap
from uad_bench.runs.events import End, Event, Fit, Imported, Repaired, Scored, Start, Stopped, fitted_of, selection_of
from uad_bench.runs.folder import Run
from uad_bench.runs.origin import StoredExperiment
from uad_bench.runs.record import METRICS_VERSION, RunRecord, event_warnings, record_digest

TOLERANCE = 1e-9  # relative; both implementations sum the same numbers in a different order


@dataclass(frozen=True, slots=True)
class Finding:
    """A discrepancy in a stored run."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of verifying one run.

    Attributes:
        unverifiable: why numbers could not be recomputed; empty otherwise.
        failed: whether the method failed, so that there are no numbers.
        unchecked: additional results that were not recomputed.
        within: the tolerance, if the numbers were recomputed from rounded maps.
    """

    run: str
    numbers: int
    findings: tuple[Finding, ...]
    unverifiable: str = ""
    failed: bool = False
    unchecked: tuple[str, ...] = ()
    within: float | None = None

    def __str__(self) -> str:
        return "\n".join([self._verdict(), *(f"{self.run}: {name}: not verified" for name in self.unchecked)])

    def _verdict(self) -> str:
        if self.findings:
            return "\n".join(f"{self.run}: {finding}" for finding in self.findings)
        if self.unverifiable:
            return f"{self.run}: unverifiable, {self.unverifiable}"
        if self.failed:
            return f"{self.run}: failed, no numbers to verify"
        if self.within:
            return f"{self.run}: {self.numbers} numbers verified to {self.within:g}, from maps of at most 65,536 levels"
        return f"{self.run}: {f'{self.numbers} numbers verified' if self.numbers else 'unchanged since it was written'}"

    def to_json(self) -> dict[str, Any]:
        """The result as JSON-compatible values."""
        findings = [{"where": finding.where, "what": finding.what} for finding in self.findings]
        return {
            "run": self.run,
            "verified": not findings and not self.unverifiable,
            "numbers": self.numbers,
            "findings": findings,
            "unverifiable": self.unverifiable or None,
            "not_verified": list(self.unchecked),
        }

    @property
    def exit_code(self) -> int:
        """0 if verified, 5 if something differs, 3 if the numbers cannot be recomputed."""
        return 5 if self.findings else 3 if self.unverifiable else 0


def differs(where: str, stored: float | None, again: float, *, within: float = TOLERANCE) -> Iterator[Finding]:
    """A finding if a stored number differs from the recomputed one; None and NaN are equal."""
    value = math.nan if stored is None else float(stored)
    both_undefined = math.isnan(value) and math.isnan(again)
    if not both_undefined and not math.isclose(value, again, rel_tol=within, abs_tol=within):
        yield Finding(where, f"is {value:.17g}, recomputed {again:.17g}")


def check_files(run: Run, record: RunRecord) -> Iterator[Finding]:
    """Check the record, its tables, the checkpoint, the manifest and every map against their digests."""
    yield from check_numbers(run, record)
    if not run.manifest.exists():
        return
    manifest = Manifest.read(run.manifest)
    if manifest.checkpoint:
        yield from _check_digest(run.checkpoint, manifest.checkpoint, run.checkpoint.name)
    for subject, stored in manifest.maps.items():
        if (path := run.map(subject)).exists():
            yield from _check_digest(path, stored.sha256, f"maps/{path.name}")
    yield from _check_log_against(run, manifest)


def check_numbers(run: Run, record: RunRecord) -> Iterator[Finding]:
    """Check the record, its tables and rescored results against their digests, without maps."""
    for path in (run.record, *sorted(run.path.glob("rescored/*.json")), *run.path.glob("reconstructions.json")):
        if not is_sealed(path):
            yield Finding(str(path.relative_to(run.path)), "was changed after it was written (its digest differs)")
    for name, digest in (record.files or {}).items():
        yield from _check_digest(run.path / name, digest, name)


def is_sealed(path: Path) -> bool:
    """Whether a JSON file is unchanged, according to the digest that it contains."""
    document = read_json(path)
    return isinstance(document, dict) and document.get("digest") == record_digest(document)


def untouched_record(run: Run) -> RunRecord:
    """The record of a run, after checking that its numbers and those of its folds are unchanged.

    Raises:
        VerificationError: names the run and the first changed file.
    """
    for part in (*run.folds, run):
        if finding := next(check_numbers(part, record := part.read_record()), None):
            raise VerificationError(f"{part.path}: {finding}; remove the run and repeat it")
    return record


def require_stored_maps(run: Run, subjects: Iterable[str] | None = None) -> None:
    """Require that the run's maps, by default all that exist, are those that were scored.

    Raises:
        VerificationError: names the first map that was changed.
    """
    if not run.manifest.exists():
        return
    maps = Manifest.read(run.manifest).maps
    for subject in maps if subjects is None else subjects:
        path = run.map(subject)
        if path.exists() and (subject not in maps or digest_file(path) != maps[subject].sha256):
            raise VerificationError(f"{path}: was changed after it was scored; remove the run and repeat it")


def check_roles(run: Run, record: RunRecord) -> Iterator[Finding]:
    """Check training, validation and test patients against the split's digest and the requested experiment."""
    patients = record.subjects
    try:
        digest = Split(record.task.split.name, patients.train or (), patients.val or (), patients.test).digest
    except UadBenchError as error:
        yield Finding("record.json subjects", str(error))
        return
    if digest != record.task.split.digest:
        yield Finding("record.json subjects", "are not the patients of the split in the record (digest differs)")
    if digest not in StoredExperiment.read(run.experiment).splits:
        yield Finding("experiment.json splits", "do not contain the split of the record")


def check_version(record: RunRecord) -> Iterator[Finding]:
    """Check that the metrics are of this version or an older one."""
    if not 1 <= record.metrics_version <= METRICS_VERSION:
        yield Finding("record.json metrics_version", f"is {record.metrics_version}, this is version {METRICS_VERSION}")


def check_events(events: Sequence[Event], record: RunRecord) -> list[Finding]:
    """Check a run's log: each start has one end, events are in order, and every patient was stored once or repaired."""
    found = [*_check_attempts(events), *_check_order(events)]
    last = events[-1] if events else None
    if isinstance(last, End) and last.status != record.status:
        found.append(Finding("events.jsonl", f"ends with {last.status}, the record says {record.status}"))
    if record.selection != selection_of(events) and record.n_folds is None:
        found.append(Finding("record.json selection", "differs from the selected step in events.jsonl"))
    if record.status == "ok":
        found += _check_patients(events, record)
    return [*found, *_check_warnings(events, record)]


def _check_attempts(events: Sequence[Event]) -> Iterator[Finding]:
    """Check that between two starts there is an end, a stop, or a note that the process died."""
    if not events or not isinstance(events[0], Start):
        yield Finding("events.jsonl", "does not begin with a start event")
        return
    running = False
    for number, event in enumerate(events, 1):
        if problem := _misplaced(event, running=running):
            yield Finding(f"events.jsonl, event {number}", problem)
        running = isinstance(event, Start) or (running and not isinstance(event, End | Stopped))
    if running or not isinstance(events[-1], End):
        yield Finding("events.jsonl", "the last attempt has no end")


def _misplaced(event: Event, *, running: bool) -> str:
    """The problem with an event during or outside an attempt; empty if there is none."""
    if running:
        again = isinstance(event, Start) and event.after_death_of is None
        return "start event although the previous attempt did not end" if again else ""
    if isinstance(event, End | Stopped):
        return f"{event.event} without a start"
    return "" if isinstance(event, Start | Repaired) else f"{event.event} outside of any attempt"


def _check_order(events: Sequence[Event]) -> Iterator[Finding]:
    """Check the order within an attempt: described, fitted, scored."""
    order = ("described",), ("selected", "fit"), ("fitted",), ("scored", "reconstructed"), ("failed",), ("end",)
    rank = {kind: place for place, kinds in enumerate(order) for kind in kinds}
    highest = 0
    for number, event in enumerate(events, 1):
        if isinstance(event, Start):
            highest = 0
        place = rank.get(event.event)
        if place is not None and place < highest:
            yield Finding(f"events.jsonl, event {number}", f"{event.event} is out of order")
        highest = max(highest, place or 0)


def _check_patients(events: Sequence[Event], record: RunRecord) -> Iterator[Finding]:
    stored = Counter(event.subject for event in events if isinstance(event, Scored | Imported))
    removed = [event.file for event in events if isinstance(event, Repaired)]
    repaired = Counter(Path(file).stem for file in removed if file.startswith("maps/"))
    for subject in record.subjects.test:
        if not stored[subject]:
            yield Finding("events.jsonl", f"no map of test patient {subject} was stored")
    anew = sum(isinstance(event, Fit) for event in events) - 1  # retraining recreates every map
    for subject, times in stored.items():
        if times > 1 + repaired[subject] + max(0, anew):
            yield Finding("events.jsonl", f"{subject} was scored {times} times and repaired {repaired[subject]} times")


def _check_warnings(events: Sequence[Event], record: RunRecord) -> Iterator[Finding]:
    """Check the record's warnings about the method against the log; warnings with a message are about the patients."""
    stored = {w.kind: w.count for w in record.warnings if w.message is None}
    logged = {w.kind: w.count for w in event_warnings(events)}
    for kind in sorted({*stored, *logged}):
        if stored.get(kind) != logged.get(kind):
            yield Finding(
                f"record.json warning {kind}", f"is {stored.get(kind, 0)}, events.jsonl has {logged.get(kind, 0)}"
            )


def _check_log_against(run: Run, manifest: Manifest) -> Iterator[Finding]:
    """Check that the manifest lists what was logged when the maps were stored, with the same weights."""
    events = run.read_events()
    logged = {event.subject: event for event in events if isinstance(event, Scored | Imported)}
    for subject in {**logged, **manifest.maps}:
        stored, event = manifest.maps.get(subject), logged.get(subject)
        if event is None or stored != StoredMap(sha256=event.sha256, shape=event.shape, bytes=event.bytes):
            yield Finding(f"MANIFEST.json {subject}", "differs from what was logged when the map was stored")
    if (weights := fitted_of(events).checkpoint) and manifest.checkpoint != weights:
        yield Finding("MANIFEST.json checkpoint", "differs from the weights that were logged")


def _check_digest(path: Path, digest: str, name: str) -> Iterator[Finding]:
    try:
        found = digest_file(path)
    except FileNotFoundError:
        yield Finding(name, "is missing")
        return
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if found != digest:
        yield Finding(name, "is not the file that was stored (SHA-256 differs)")
