"""Checks of a request that precede the first method, since even the baselines take minutes."""

from uad_bench.config import Task
from uad_bench.errors import ConfigError
from uad_bench.evaluation.protocol import load_protocol


def check_protocol(task: Task) -> None:
    """Refuse a protocol that does not exist."""
    load_protocol(task.protocol)


def check_modalities(method: str, needed: set[str], available: tuple[str, ...]) -> None:
    """Refuse a method that needs a modality that the task lacks."""
    if lacking := sorted(needed - set(available)):
        raise ConfigError(f"method {method} needs {', '.join(lacking)}; the task has {', '.join(available)}")
