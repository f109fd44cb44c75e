"""Checks of a cohort that do not depend on the method, shared by `run` and `data doctor`."""

from dataclasses import replace

from uad_bench.data.cohort import Cohort
from uad_bench.data.cohort_warnings import skull_state
from uad_bench.data.split import Split
from uad_bench.errors import ConfigError, DataError


def check_cohort(cohort: Cohort) -> None:
    """Refuse a cohort that a run with baselines would refuse.

    Raises:
        ConfigError: no slice to score, or none to train on.
        DataError: scans that are not skull-stripped.
    """
    check_scans(cohort)
    for split in cohort.splits:
        check_healthy(cohort, split)


def check_scans(cohort: Cohort) -> None:
    """Refuse a slice range without brain, and scans that are not skull-stripped.

    Raises:
        ConfigError: no slice to score.
        DataError: scans that are not skull-stripped.
    """
    _check_slices(cohort)
    _check_stripped(cohort)


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


def _check_slices(cohort: Cohort) -> None:
    if any(cohort.scored_slices(name) for name in cohort.census):
        return
    brain = [z for facts in cohort.census.values() for z, area in enumerate(facts.brain_area) if area]
    first, last = cohort.task.slices or (0, 0)
    raise ConfigError(
        f"task {cohort.task.name}: task.slices {first} to {last} contain no brain of any patient; "
        f"brain is in slices {min(brain)} to {max(brain)}"
    )


def _check_stripped(cohort: Cohort) -> None:
    """Without brain masks, the skull counts as brain where most volumes are filled."""
    whole = [name for name, facts in cohort.census.items() if skull_state(facts) == "whole head"]
    bare = [name for name in whole if cohort.subjects[name].brain_mask is None]
    if 2 * len(bare) > len(cohort.census) and not cohort.task.whole_head:
        raise DataError(
            f"{len(bare)} of {len(cohort.census)} patients, first {bare[0]}, are not skull-stripped: nearly all "
            "voxels are non-zero and would count as brain; set the background to 0, add brain masks, or accept it with "
            "--set task.whole_head=true"
        )
