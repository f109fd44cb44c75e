"""The identity of a run. Its digest is part of the folder name, so changed config, code or data give a new run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from uad_bench.config import Experiment, Task
from uad_bench.data.cohort import Cohort
from uad_bench.errors import ConfigError
from uad_bench.files import read_json, safe_name
from uad_bench.plugins.registry import Entry
from uad_bench.plugins.source_digest import digest_source
from uad_bench.runs.folder import Run, run_at
from uad_bench.runs.origin import Origin, digest_protocol, identifying_fields, run_digest

SHOWN = 5


def identify(experiment: Experiment, entry: Entry, cohort: Cohort, origin: Origin | None = None) -> dict[str, Any]:
    """All settings that define a run, as plain values; paths and the harness version are not included."""
    return {
        **settings_of(experiment, entry, cohort.task, origin),
        "data": cohort.digest,
        "splits": [split.digest for split in cohort.splits],
    }


def settings_of(experiment: Experiment, entry: Entry, task: Task, origin: Origin | None = None) -> dict[str, Any]:
    """The part of a run's identity that is known before data is read."""
    return {
        "method": experiment.method,
        "profile": experiment.profile,
        "params": dict(experiment.params),
        "source": digest_source(entry),
        "task": identifying_fields(task),
        "seed": experiment.seed,
        **({"precision": experiment.precision} if experiment.precision != "auto" else {}),
        **({"select": experiment.select} if experiment.select else {}),
        **({"protocol": protocol} if (protocol := digest_protocol(task)) else {}),
        **({"weights": origin.weights.to_json()} if origin else {}),
    }


def was_finished(root: Path, settings: Mapping[str, Any]) -> bool:
    """Whether any run with these settings is finished, regardless of the patients."""
    method = root / safe_name(settings["task"]["name"], "task") / safe_name(settings["method"], "method")
    finished = (done.with_name("experiment.json") for done in method.glob(f"seed{settings['seed']}-*/DONE"))
    return any({key: _stored(path).get(key) for key in settings} == _plain(settings) for path in finished)


def run_of(root: Path, identity: Mapping[str, Any]) -> Run:
    """The run folder of an identity.

    Raises:
        ConfigError: a value has no JSON form (NaN, infinity, lone surrogate), or a name is not a valid folder name.
    """
    try:
        digest = run_digest(identity)
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"method {identity['method']}: a setting cannot be recorded: {error}") from error
    return run_at(root, identity["task"]["name"], identity["method"], identity["seed"], digest)


def changes_since(run: Run, identity: Mapping[str, Any]) -> str:
    """Differences to the most similar run of this method and seed, as `params.steps 4 -> 8`; empty without one."""
    others = [_stored(path) for path in sorted(run.path.parent.glob(f"seed{identity['seed']}-*/experiment.json"))]
    differences = [list(_differences(other, identity)) for other in others if other]
    nearest = min((found for found in differences if found), key=len, default=[])
    return "; ".join(nearest[:SHOWN]) + (f"; and {len(nearest) - SHOWN} more" if len(nearest) > SHOWN else "")


def _stored(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path))
    except (ConfigError, TypeError, ValueError):
        return {}


def _differences(old: Any, new: Any, name: str = "") -> Iterator[str]:
    """One phrase per value that differs; long values are shortened."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            yield from _differences(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))
    elif _plain(old) != _plain(new):
        yield f"{name} {_short(old)} -> {_short(new)}"


def _plain(value: Any) -> Any:
    """The value after a JSON round trip: tuples become lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _short(value: Any) -> str:
    text = f"{value}"
    return f"{text[:8]}…" if len(text) > 40 else text
