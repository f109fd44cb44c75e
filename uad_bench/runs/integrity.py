"""What can be checked of a stored run without any reference: digests, splits, thresholds' form, the order of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from uad_bench.data.splits import Split
from uad_bench.digests import digest_file
from uad_bench.errors import ConfigError, UadBenchError, VerificationError
from uad_bench.files import read_json
from uad_bench.runs.findings import Finding
from uad_bench.runs.folder import Run
from uad_bench.runs.record import METRICS_VERSION, record_digest

ENDS = {"end", "stopped"}
STORED = {"scored", "imported"}


def check_files(run: Run, record: Mapping[str, Any]) -> Iterator[Finding]:
    """The record, the tables beside it, the checkpoint, the manifest and every map against their digests."""
    yield from check_numbers(run, record)
    if not run.manifest.exists():
        return
    manifest = read_json(run.manifest)
    if manifest["checkpoint"]:
        yield from _check_digest(run.checkpoint, manifest["checkpoint"], run.checkpoint.name)
    for subject, entry in manifest["maps"].items():
        if run.map(subject).exists():
            yield from _check_digest(run.map(subject), entry["sha256"], f"maps/{subject}.npy")
    yield from _check_log_against(run, manifest["maps"])


def check_numbers(run: Run, record: Mapping[str, Any]) -> Iterator[Finding]:
    """What tables are made from, without any map: the record, the tables beside it and rescored numbers."""
    if record.get("digest") != record_digest(record):
        yield Finding("record.json", "was changed after it was written (its digest differs)")
    for name, digest in record.get("files", {}).items():
        yield from _check_digest(run.path / name, digest, name)
    yield from _check_rescored(run)


def untouched_record(run: Run) -> dict[str, Any]:
    """The record of a run whose numbers, and those of its folds, are as they were written.

    Raises:
        VerificationError: names the run and the first file that is not.
    """
    for part in (*run.folds, run):
        if finding := next(check_numbers(part, record := part.read_record()), None):
            raise VerificationError(f"{part.path}: {finding}; remove the run and make it again")
    return record


def check_roles(run: Run, record: Mapping[str, Any]) -> Iterator[Finding]:
    """Who trained, validated and was tested, against the split's digest and what the run was asked for."""
    train, val, test = (tuple(record["subjects"].get(role, ())) for role in ("train", "val", "test"))
    try:
        digest = Split(record["task"]["split"]["name"], train, val, test).digest
    except UadBenchError as error:
        yield Finding("record.json subjects", str(error))
        return
    if digest != record["task"]["split"]["digest"]:
        yield Finding(
            "record.json subjects", "are not the patients of the split that the record names (digest differs)"
        )
    asked = read_json(run.experiment)
    if digest not in asked["splits"]:
        yield Finding("experiment.json splits", "do not hold the split of the record")


def check_version(record: Mapping[str, Any]) -> Iterator[Finding]:
    """Numbers of another version of the metrics cannot be checked by this one."""
    if record["metrics_version"] != METRICS_VERSION:
        yield Finding(
            "record.json metrics_version",
            f"is {record['metrics_version']}, this is version {METRICS_VERSION}; uad-bench rescore computes anew",
        )


def check_log(run: Run) -> list[Finding]:
    """Judge the log of a run, and of each of its folds."""
    found = [] if run.folds else check_events(run.read_events(), run.read_record())
    for fold in run.folds:
        findings = check_events(fold.read_events(), fold.read_record())
        found += [Finding(f"{fold.path.name}/{finding.where}", finding.what) for finding in findings]
    return found


def check_events(events: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> list[Finding]:
    """Judge a run's log: each start has one end, in the right order, and every patient was stored once or repaired."""
    found = [*_check_attempts(events), *_check_order(events)]
    if events and events[-1]["event"] == "end" and events[-1].get("status") != record["status"]:
        found.append(
            Finding("events.jsonl", f"ends with {events[-1].get('status')}, the record says {record['status']}")
        )
    if record["status"] == "ok":
        found += _check_patients(events, record)
    return found


def _check_rescored(run: Run) -> Iterator[Finding]:
    for path in sorted(run.path.glob("rescored/*.json")):
        document = read_json(path)
        if document.get("digest") != record_digest(document):
            yield Finding(f"rescored/{path.name}", "was changed after it was written (its digest differs)")


def _check_attempts(events: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Between two starts there is an end, a stop, or a note that the process died."""
    if not events or events[0]["event"] != "start":
        yield Finding("events.jsonl", "does not begin with a start")
        return
    running = False
    for number, event in enumerate(events, 1):
        if problem := _misplaced(event, running=running):
            yield Finding(f"events.jsonl, event {number}", problem)
        running = event["event"] == "start" or (running and event["event"] not in ENDS)
    if running or events[-1]["event"] != "end":
        yield Finding("events.jsonl", "the last attempt has no end")


def _misplaced(event: Mapping[str, Any], *, running: bool) -> str:
    """What is wrong with an event that comes while an attempt is running, or while none is."""
    kind = event["event"]
    if running:
        again = kind == "start" and "after_death_of" not in event
        return "starts again although the attempt before never ended" if again else ""
    if kind in ENDS:
        return f"{kind} without a start"
    return "" if kind in {"start", "repaired"} else f"{kind} outside of any attempt"


def _check_order(events: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Within an attempt: described, then fitted, then scored."""
    rank = {"described": 0, "fit": 1, "fitted": 2, "scored": 3, "failed": 4, "end": 5}
    highest = 0
    for number, event in enumerate(events, 1):
        if event["event"] == "start":
            highest = 0
        place = rank.get(event["event"])
        if place is not None and place < highest:
            yield Finding(f"events.jsonl, event {number}", f"{event['event']} comes too late")
        highest = max(highest, place or 0)


def _check_patients(events: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> Iterator[Finding]:
    stored = Counter(event["subject"] for event in events if event["event"] in STORED)
    repaired = Counter(Path(event.get("file", "")).stem for event in events if event["event"] == "repaired")
    for subject in record["subjects"]["test"]:
        if not stored[subject]:
            yield Finding("events.jsonl", f"no map of test patient {subject} was ever stored")
    anew = sum(event["event"] == "fit" for event in events) - 1  # training again makes every map again
    for subject, times in stored.items():
        if times > 1 + repaired[subject] + max(0, anew):
            yield Finding("events.jsonl", f"{subject} was scored {times} times and repaired {repaired[subject]} times")


def _check_log_against(run: Run, maps: Mapping[str, Any]) -> Iterator[Finding]:
    logged = {e["subject"]: e["sha256"] for e in run.read_events() if e["event"] in STORED}
    for subject, entry in maps.items():
        if logged.get(subject) != entry["sha256"]:
            yield Finding(f"MANIFEST.json {subject}", "is not the digest that was logged when the map was stored")


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
