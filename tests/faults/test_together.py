"""Methods of this project that run one after the other in one process."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.tiny_bench import TinyBench, result_files
from uad_bench.benchmark.started import started_together
from uad_bench.execution import isolation
from uad_bench.execution.isolation import Limits
from uad_bench.plugins import registry

NAMES = ("random", "mean-distance", "intensity")


@pytest.mark.slow
def test_methods_in_one_process_give_the_bytes_of_methods_in_one_each(tiny: TinyBench, monkeypatch):
    started, start = Counter[str](), isolation._start
    monkeypatch.setattr(isolation, "_start", lambda *given: started.update(["process"]) or start(*given))
    entries = registry.methods()
    alone = [tiny.folder_of(entries[name]) for name in NAMES]
    for name in NAMES:
        tiny.run(entries[name])
    assert started.total() == len(NAMES)
    tiny.runner = replace(tiny.runner, root=tiny.folder / "together")
    jobs = [tiny.plan(entries[name]) for name in NAMES]
    subjects = tiny.cohort.subjects.values()
    with started_together(jobs, subjects, root=tiny.runner.root, limits=Limits()) as turn_to:
        records = [tiny.runner.run(job, turn_to(job)) for job in jobs]
        assert all(turn_to(job) is None for job in jobs)
    assert started.total() == len(NAMES) + 1
    assert {record.status for record in records} == {"ok"}
    assert [result_files(job.run) for job in jobs] == [result_files(run) for run in alone]
    assert not list(tiny.runner.root.glob(".starting-*"))
