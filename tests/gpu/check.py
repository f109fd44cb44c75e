"""What a GPU does with this project, in under eight minutes: `make gpu-check`. Writes one JSON file and prints a table.

`--rehearse` runs the same code on the CPU with tiny sizes, which proves the script but measures nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score
from torch import Tensor

from uad_bench import training
from uad_bench.config import compose, load_task
from uad_bench.method import Budget, Compute, Progress, SliceBatch, SliceKey
from uad_bench.plugins.hyperparameters import build_method
from uad_bench.plugins.registry import methods
from uad_bench.precision import has_bfloat16
from uad_methods.networks import NetworkMethod

AGREEMENT = 0.002  # of AP between CPU and GPU
LIMIT_S = 480.0
TEST_SLICES = 139
TINY = {"unet": {"width": 8, "multipliers": [1, 2], "blocks": 1, "groups": 4}, "rescale": "never"}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is computed: as published, or next to nothing for a rehearsal."""

    side: int = 128
    slices: int = 512
    steps: int = 120
    masks: tuple[int, int] = (2, 100)  # stride of the stripes, which gives 128 masks, and sampling steps
    params: dict[str, Any] = field(default_factory=dict)  # in place of the published network


REHEARSAL = Sizes(side=16, slices=12, steps=4, masks=(32, 2), params=TINY)


class Slices:
    """Random slices with a brain in the middle, and a bright square in every other one."""

    modalities = ("flair", "t2")

    def __init__(self, n: int, side: int, *, channels: int = 2) -> None:
        draws = torch.Generator().manual_seed(0)
        self.brain = torch.zeros(n, 1, side, side, dtype=torch.bool)
        self.brain[..., side // 8 : -side // 8, side // 8 : -side // 8] = True
        self.lesion = torch.zeros_like(self.brain)
        self.lesion[::2, :, side // 3 : side // 2, side // 3 : side // 2] = True
        noise = torch.randn(n, channels, side, side, generator=draws)
        self.image = torch.where(self.brain, noise + 2.0 * self.lesion, -3.0)

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index: int) -> SliceBatch:
        return self.take([index])

    def take(self, indices: list[int]) -> SliceBatch:
        keys = tuple(SliceKey(f"p{i % 4}", i) for i in indices)
        return SliceBatch(self.image[indices], self.brain[indices], keys)


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table: what was checked, whether it holds (None for a measurement), and what was found."""

    name: str
    passed: bool | None
    found: dict[str, Any]


def build(method: str, sizes: Sizes, **changes: Any) -> NetworkMethod:
    """The method as published, or tiny."""
    params = {**compose(method, load_task("brats21-mmccd"), profile="published").params, **sizes.params}
    params["optimisation"] = {**params.get("optimisation", {}), **changes.pop("optimisation", {})}
    built: NetworkMethod = build_method(
        methods()[method].load(), {**params, **changes}, pair=("flair", "t2"), name=method
    )
    return built


def data_for(method: NetworkMethod, sizes: Sizes) -> Slices:
    return Slices(sizes.slices, sizes.side, channels=len(method.modalities.fit))


def agreement(device: str, sizes: Sizes) -> Check:
    """AP of one checkpoint whose scores were computed on the CPU and on the device."""
    method = build("dae", sizes)
    data = data_for(method, sizes)
    method.fit(data, budget=Budget(min(sizes.steps, 20), 4), compute=Compute(device, mixed_precision=False))
    batch, state = data.take(list(range(12))), {key: value.cpu() for key, value in method.state_dict().items()}
    truth = data.lesion[:12][batch.brain_mask].numpy()
    found = {}
    for place in ("cpu", device):
        restored = build("dae", sizes).load_state_dict(state, compute=Compute(place, mixed_precision=place != "cpu"))
        scores = restored.score(batch.to(place)).float().cpu()[batch.brain_mask[:, 0]]
        found[f"AP on {place}"] = float(average_precision_score(truth, scores.numpy()))
    values = list(found.values())
    return Check("one checkpoint on CPU and GPU", abs(values[0] - values[-1]) <= AGREEMENT, found)


def determinism(device: str, sizes: Sizes) -> Check:
    """Whether two trainings with one seed hold the same bits."""

    def trained() -> dict[str, Tensor]:
        method = build("dae", sizes)
        method.fit(data_for(method, sizes), budget=Budget(min(sizes.steps, 20), 4), compute=Compute(device, seed=1))
        return method.state_dict()

    first, second = trained(), trained()
    differ = [key for key in first if not torch.equal(first[key], second[key])]
    return Check("trained twice with one seed", not differ, {"tensors that differ": len(differ)})


def halving(device: str, sizes: Sizes) -> Check:
    """Scores after a pass that runs out of memory, which halves the passes until they fit."""
    method = build("dae", sizes)
    data = data_for(method, sizes)
    method.fit(data, budget=Budget(2, 4), compute=Compute(device))
    batch = data.take(list(range(8))).to(device)
    expected = method.score(batch)

    def runs_out(_: Any, inputs: tuple[Tensor, ...]) -> None:
        if len(inputs[0]) > 4:
            raise torch.OutOfMemoryError("made by the check")

    with method.networks_["denoiser"].register_forward_pre_hook(runs_out):
        again = method.score(batch)
    difference = float((again - expected).abs().max() / expected.abs().max().clamp(min=1e-12))
    return Check("passes halved after out of memory", difference < 1e-3, {"slices per pass": method.fits_})


def training_rates(device: str, sizes: Sizes) -> Iterator[Check]:
    """Slices per second of a published training step, and the share of time spent waiting for data."""
    for name, batch_size in (("mmccd", 32), ("dae", 16)):
        for mode, mixed, compiled in (("float32", False, False), ("bf16", True, False), ("bf16 compiled", True, True)):
            method = build(name, sizes, optimisation={"compile": compiled})
            mixed_precision = mixed and has_bfloat16(device.partition(":")[0])
            found = rate(method, data_for(method, sizes), Budget(sizes.steps, batch_size), device, mixed_precision)
            yield Check(f"{name}, {mode}", None, found)


def rate(method: NetworkMethod, data: Slices, budget: Budget, device: str, mixed_precision: bool) -> dict[str, Any]:
    """Measured over the second half of the first network's training; the first half compiles and warms up."""
    times: list[tuple[str, int, float]] = []

    def note(progress: Progress) -> None:
        times.append((progress.stage, progress.step, time.perf_counter()))

    compute = Compute(device, mixed_precision=mixed_precision, report=note)
    with waiting() as waited:
        started = time.perf_counter()
        method.fit(data, budget=budget, compute=compute)
        total = time.perf_counter() - started
    first = [(step, at) for stage, step, at in times if stage == times[0][0]]
    half = next((i for i, (step, _) in enumerate(first) if 2 * step >= first[-1][0]), 0)
    (step, at), (last, end) = first[min(half, max(0, len(first) - 2))], first[-1]
    if last == step:
        step, at = 0, started
    return {"slices per s": (last - step) * budget.batch_size / (end - at), "waiting for data": waited[0] / total}


class waiting:
    """Seconds that training waits for batches."""

    def __enter__(self) -> list[float]:
        self.original, total = training._read_ahead, [0.0]

        def timed(*args: Any) -> Iterator[SliceBatch]:
            batches = self.original(*args)
            while True:
                started = time.perf_counter()
                batch = next(batches, None)
                total[0] += time.perf_counter() - started
                if batch is None:
                    return
                yield batch

        training._read_ahead = timed
        return total

    def __exit__(self, *_: object) -> None:
        training._read_ahead = self.original


def masked_scoring(device: str, sizes: Sizes) -> Check:
    """One slice through every mask and every step of the published MMCCD, extrapolated to its test set."""
    stride, steps = sizes.masks
    method = build("mmccd", sizes, stripe_stride=stride, steps=steps)
    data = data_for(method, sizes)
    mixed = has_bfloat16(device.partition(":")[0])
    method.fit(data, budget=Budget(2, 2), compute=Compute(device, mixed_precision=mixed))
    batch = data.take([0])
    one = SliceBatch(batch.image[:, :1], batch.brain_mask, batch.keys)
    started = time.perf_counter()
    method.score(one).cpu()
    seconds = time.perf_counter() - started
    found = {"network calls": method.network_calls_per_slice, "s per slice": seconds}
    return Check("mmccd, all masks and steps", None, {**found, f"s for {TEST_SLICES} slices": TEST_SLICES * seconds})


def run_checks(device: str, sizes: Sizes, *, limit_s: float = LIMIT_S) -> list[Check]:
    """All checks, as many as fit into the time."""
    started, found = time.perf_counter(), []
    parts: list[Callable[[], Any]] = [
        lambda: [agreement(device, sizes)],
        lambda: [determinism(device, sizes)],
        lambda: [halving(device, sizes)],
        lambda: training_rates(device, sizes),
        lambda: [masked_scoring(device, sizes)],
    ]
    for part in parts:
        for check in part():
            found.append(check)
            if time.perf_counter() - started > limit_s:
                return [*found, Check("stopped", False, {"limit_s": limit_s})]
    return found


def document(checks: list[Check], device: str, *, rehearsal: bool) -> dict[str, Any]:
    """Everything as JSON."""
    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    return {
        "rehearsal": rehearsal,
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "checks": [asdict(check) for check in checks],
    }


def table(checks: list[Check], title: str) -> Table:
    """A row per check."""
    shown = Table("check", "holds", "found", title=title)
    for check in checks:
        found = ", ".join(f"{key} {value:.4g}" for key, value in check.found.items())
        shown.add_row(check.name, {True: "yes", False: "no", None: "-"}[check.passed], found)
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on the CPU")
    parser.add_argument("--output", type=Path, default=Path("gpu-check.json"))
    asked = parser.parse_args()
    if not asked.rehearse and not torch.cuda.is_available():
        parser.error("torch finds no GPU; --rehearse runs the script on the CPU with tiny sizes")
    device, sizes = ("cpu", REHEARSAL) if asked.rehearse else ("cuda", Sizes())
    checks = run_checks(device, sizes)
    asked.output.write_text(json.dumps(document(checks, device, rehearsal=asked.rehearse), indent=1) + "\n")
    Console().print(table(checks, f"rehearsal on the CPU; written to {asked.output}" if asked.rehearse else ""))
    return int(any(check.passed is False for check in checks))


if __name__ == "__main__":
    raise SystemExit(main())
