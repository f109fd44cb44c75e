"""Finds what is wrong with a request before any method of it runs: the baselines cost minutes, too."""

from uad_bench.config import Task
from uad_bench.errors import ConfigError
from uad_bench.evaluation.protocol import load_protocol


def check_protocol(task: Task) -> None:
    """Refuse a protocol that does not exist, before the data is read."""
    load_protocol(task.protocol)


def check_modalities(method: str, needed: set[str], available: tuple[str, ...]) -> None:
    """Refuse a method that needs what the task does not have."""
    if lacking := sorted(needed - set(available)):
        raise ConfigError(f"method {method} needs {', '.join(lacking)}; the task has {', '.join(available)}")
