"""Evaluate a run's stored maps against the patients' references; the only module that reads both."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from uad_bench.data.cache import Cache, cache_root
from uad_bench.data.cohort import Cohort, read_input
from uad_bench.data.split import Split
from uad_bench.evaluation.cases import Cases
from uad_bench.evaluation.evaluation import Evaluation, evaluate
from uad_bench.evaluation.protocol import Protocol, load_protocol
from uad_bench.method import Progress, Report
from uad_bench.runs.checkpoints import Manifest
from uad_bench.runs.events import Described
from uad_bench.runs.folder import Run
from uad_bench.runs.score_maps import read_map


def judge(
    run: Run, cohort: Cohort, split: Split, report: Report, *, carried: Mapping[str, float] = MappingProxyType({})
) -> Evaluation:
    """Compare the stored maps with the references under the task's protocol, on raw maps.

    Args:
        split: validation and test patients.
        carried: thresholds by policy that come with the weights.
    """
    cases = cases_of(run, cohort, split, load_protocol(cohort.task.protocol), report)
    cases = replace(cases, carried=carried)
    report(Progress("evaluating", 0, 1))
    result = evaluate(cases, val=validated(run, split), test=split.test)
    report(Progress("evaluating", 1, 1))
    return result


def validated(run: Run, split: Split) -> tuple[str, ...]:
    """The validation patients, if all of them have maps; imported maps may lack them."""
    mapped = set(Manifest.read(run.manifest).maps)
    return split.val if mapped.issuperset(split.val) else ()


def cases_of(
    run: Run, cohort: Cohort, split: Split, protocol: Protocol, report: Report, *, cache: Path | None = None
) -> Cases:
    """The run's validation and test patients under a protocol; `cache` defaults to the user's cache."""
    cache = cache or cache_root()
    read = partial(read_input, cohort, native=_native(run), cache=cache)
    return Cases(
        references=cohort.references((*split.val, *split.test), cache=cache, report=report),
        read=lambda name: read_map(run.map(name)),
        protocol=protocol,
        slices=cohort.task.slices,
        filtered=Cache.of(cache, "filtered"),
        healthy_slices=cohort.healthy_slices,
        inputs=read if cohort.task.pair[0] in cohort.task.modalities else None,
    )


def _native(run: Run) -> bool:
    """Whether the method worked on the scan's own voxels; of maps from elsewhere it is not known."""
    return any(isinstance(event, Described) and event.native for event in run.read_events())
