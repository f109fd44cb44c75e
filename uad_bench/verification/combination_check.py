"""Recompute the score maps of a combined run from those of its members, by another formula of the ranks."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uad_bench.benchmark.combine import digest_members
from uad_bench.data.reference import Reference
from uad_bench.errors import ConfigError
from uad_bench.evaluation.rank_average import MOST, brain_scores
from uad_bench.runs.checkpoints import Manifest
from uad_bench.runs.folder import Run
from uad_bench.runs.integrity import Finding
from uad_bench.runs.origin import StoredExperiment
from uad_bench.runs.reopen import Stored
from uad_bench.runs.score_maps import read_map

CLOSE = 4 / MOST  # of ranks between 0 and 1: rounding, and the scores left out where there are many


def check_combination(run: Run, parts: Sequence[Stored], cache: Path) -> Iterator[Finding]:
    """Compare every brain voxel of every combined map; nothing for other runs, or without the members."""
    asked = StoredExperiment.read(parts[0].run.experiment).members or {}
    if unchecked_members(run):
        return
    members = [Run(_root(run) / name) for name in asked]
    for member, digest in zip(members, asked.values(), strict=True):
        if digest_members(member) != digest:
            yield Finding(f"experiment.json members {member.name}", "is not the digest of the maps of that run")
            return
    for number, part in enumerate(parts if members else ()):
        yield from _check_part(part, [(member.folds or (member,))[number] for member in members], cache)


def unchecked_members(run: Run) -> list[str]:
    """The members of a combined run whose maps are not in the same runs folder, so that it cannot be recomputed."""
    asked = StoredExperiment.read((run.folds or (run,))[0].experiment).members or {}
    return [f"maps of member {name}" for name in asked if not _has_maps(Run(_root(run) / name))]


def _check_part(part: Stored, members: Sequence[Run], cache: Path) -> Iterator[Finding]:
    from scipy.stats import rankdata

    names = sorted(Manifest.read(part.run.manifest).maps)
    references = part.cohort.references(names, cache=cache)
    ranks: list[NDArray[np.float64]] = []
    for member in members:
        scores = _brain_scores(member, names, references)
        ranks.append((rankdata(scores) - 0.5) / scores.size)
    found = _brain_scores(part.run, names, references)
    if np.max(np.abs(found - np.mean(ranks, axis=0))) > CLOSE:
        yield Finding(f"{part.part}/maps".lstrip("/"), "are not the rank average of the maps of the members")


def _brain_scores(run: Run, names: Sequence[str], references: Mapping[str, Reference]) -> NDArray[np.float32]:
    return np.concatenate([brain_scores(read_map(run.map(name)), references[name]) for name in names])


def _has_maps(member: Run) -> bool:
    try:
        digest_members(member)
    except ConfigError:
        return False
    return True


def _root(run: Run) -> Path:
    return run.path.resolve().parents[2]
