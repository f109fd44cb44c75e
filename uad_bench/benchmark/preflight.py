"""Checks of a request that precede the first method, since even the baselines take minutes."""

from uad_bench.config import Task
from uad_bench.data.splits import load_split
from uad_bench.errors import ConfigError
from uad_bench.evaluation.protocol import load_protocol
from uad_bench.plugins.registry import Entry
from uad_bench.runs.events import Described


def check_protocol(task: Task) -> None:
    """Refuse a protocol that does not exist."""
    load_protocol(task.protocol)


def check_reconstructs(entry: Entry, needs: Described | None) -> None:
    """Refuse a method without pseudo-healthy images; a method that is not described yet is not refused."""
    if entry.live is not None:
        offered = callable(getattr(entry.live, "reconstruct", None))
    else:
        offered = not entry.command and (needs is None or needs.reconstructs)
    if not offered:
        raise ConfigError(
            f"method {entry.name} has no pseudo-healthy images: run it without --reconstructions, or add "
            "reconstruct(batch) to it (see uad_bench.method)"
        )


def check_split_name(task: Task) -> None:
    """Refuse a split list that does not exist or is damaged."""
    if task.split not in {"hash", "dataset"}:
        load_split(task.split)


def check_modalities(method: str, needed: set[str], available: tuple[str, ...]) -> None:
    """Refuse a method that needs a modality that the task lacks."""
    if lacking := sorted(needed - set(available)):
        raise ConfigError(f"method {method} needs {', '.join(lacking)}; the task has {', '.join(available)}")
