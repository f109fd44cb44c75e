"""Detection of bfloat16 hardware, and autocast on such hardware."""

from functools import cache
from pathlib import Path

import torch

from uad_bench.errors import ConfigError
from uad_bench.method import Compute, Precision

BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # the last one is used by ARM processors


def uses_bfloat16(asked: Precision, device: str) -> bool:
    """Whether networks compute in bfloat16 on the device; "auto" does where the hardware has instructions for it.

    Raises:
        ConfigError: bfloat16 is asked for where there are none.
    """
    found = asked != "float32" and has_bfloat16(device.partition(":")[0])
    if asked == "bfloat16" and not found:
        raise ConfigError(f"precision bfloat16: {device} has no instructions for it; use float32 or auto")
    return found


def autocast(compute: Compute) -> torch.autocast:
    """bfloat16 autocast if the run requests it and the hardware supports it; otherwise disabled autocast."""
    kind = torch.device(compute.device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=compute.mixed_precision and has_bfloat16(kind))


@cache
def has_bfloat16(kind: str) -> bool:
    """Whether `"cpu"` or `"cuda"` has native bfloat16 instructions; emulated bfloat16 is slower than float32."""
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(BFLOAT16_FLAGS & cpu_flags())


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Instruction-set flags of this processor; empty if the system does not list them."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    flags = (line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features")))
    return frozenset(next(flags, "").split())
