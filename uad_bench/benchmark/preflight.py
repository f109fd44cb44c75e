"""Checks of a request that precede the first method, since even the baselines take minutes."""

from dataclasses import replace

from uad_bench.config import Task
from uad_bench.data.cohort import Cohort
from uad_bench.data.split import Split
from uad_bench.errors import ConfigError
from uad_bench.evaluation.protocol import load_protocol


def check_protocol(task: Task) -> None:
    """Refuse a protocol that does not exist."""
    load_protocol(task.protocol)


def check_slices(cohort: Cohort) -> None:
    """Refuse a slice range in which no patient has brain.

    Raises:
        ConfigError: naming the slices that contain brain.
    """
    if any(cohort.scored_slices(name) for name in cohort.census):
        return
    brain = [z for facts in cohort.census.values() for z, area in enumerate(facts.brain_area) if area]
    first, last = cohort.task.slices or (0, 0)
    raise ConfigError(
        f"task {cohort.task.name}: task.slices {first} to {last} contain no brain of any patient; "
        f"brain is in slices {min(brain)} to {max(brain)}"
    )


def check_healthy(cohort: Cohort, split: Split) -> None:
    """Refuse a task without healthy training slices.

    Raises:
        ConfigError: naming the setting to change.
    """
    if any(cohort.train_slices(split).values()):
        return
    closer = replace(cohort, task=replace(cohort.task, margin=0))
    found = any(closer.train_slices(split).values())
    advice = (
        f"lower the margin of {cohort.task.margin} with --set task.margin=0"
        if found
        else f"no slice without labels has {cohort.task.min_brain:.0%} brain; lower task.min_brain or widen task.slices"
    )
    raise ConfigError(f"task {cohort.task.name}: no healthy slice is left to train on: {advice}")


def check_modalities(method: str, needed: set[str], available: tuple[str, ...]) -> None:
    """Refuse a method that needs a modality that the task lacks."""
    if lacking := sorted(needed - set(available)):
        raise ConfigError(f"method {method} needs {', '.join(lacking)}; the task has {', '.join(available)}")
