"""Measures what the cost model rests on: `python -m uad_bench.suites.cost_measurement SUITE > measured.json`.

Each method of the suite trains two steps on one made slice: its floating-point operations are counted, its processor
seconds taken, on one core. A calibration kernel says how fast that core is.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from uad_bench.benchmark.request import Request, compose_request
from uad_bench.execution.calibration import calibrate
from uad_bench.method import Budget, Compute, Method, SliceBatch, SliceKey
from uad_bench.plugins import registry
from uad_bench.plugins.hyperparameters import build_method
from uad_bench.precision import has_bfloat16
from uad_bench.runs.environment import cpu_name
from uad_bench.suites.suite import Suite, cells_of, load_suite

STEPS = 2  # so that methods that share a budget between two networks train both


@dataclass(frozen=True, slots=True)
class MadeSlices:
    """One slice of noise, as often as asked for; computing takes as long on noise as on brains."""

    modalities: tuple[str, ...]
    size: int

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> SliceBatch:
        return self.take([index])

    def take(self, indices: Sequence[int]) -> SliceBatch:
        """As many slices as there are indices."""
        generator = torch.Generator().manual_seed(0)
        image = torch.rand(len(indices), len(self.modalities), self.size, self.size, generator=generator)
        keys = tuple(SliceKey("made", i) for i in indices)
        return SliceBatch(image, torch.ones_like(image[:, :1], dtype=torch.bool), keys)

    def batches(self, batch_size: int, generator: torch.Generator) -> Iterator[SliceBatch]:
        """The same batch for ever."""
        del generator
        while True:
            yield self.take([0] * batch_size)


def measure_suite(suite: Suite) -> dict[str, dict[str, Any]]:
    """Work and seconds of each method, by name."""
    requests = {cell.request.method: cell.request for cell in cells_of(suite, Request(method=""))}
    return {name: measure_method(requests[name]) for name in suite.methods}


def measure_method(request: Request) -> dict[str, Any]:
    """Budget, network calls, operations and seconds of one training slice."""
    experiment = compose_request(request)
    entry = registry.find("method", request.method, registry.methods(request.plugins))
    method: Method = build_method(entry.load(), experiment.params, pair=experiment.task.pair, name=entry.name)
    data = MadeSlices(method.modalities.fit, experiment.task.size)
    compute = Compute(mixed_precision=has_bfloat16("cpu"))
    with FlopCounterMode(display=False) as counter:
        method.fit(data, budget=Budget(STEPS, 1), compute=compute)
    started = time.process_time()
    method.fit(data, budget=Budget(STEPS, 1), compute=compute)
    return {
        "steps": experiment.task.budget.steps,
        "batch_size": experiment.task.budget.batch_size,
        "size": experiment.task.size,
        "calls_per_slice": getattr(method, "network_calls_per_slice", None) or 1,
        "train_gflop_per_slice": counter.get_total_flops() / STEPS / 1e9,
        "train_cpu_s_per_slice": (time.process_time() - started) / STEPS,
    }


def main() -> None:
    """Print the measurements as JSON."""
    torch.set_num_threads(1)
    machine = {"cpu": cpu_name(), "threads": torch.get_num_threads(), **calibrate("cpu")}
    json.dump({"machine": machine, "methods": measure_suite(load_suite(sys.argv[1]))}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
