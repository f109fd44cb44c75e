"""Energy counters of the hardware: processor packages (RAPL) and NVIDIA GPUs (NVML). What cannot be read is left out.

A counter counts all that its hardware does, for whomever: on a machine that others use as well, it says more than a
run has spent.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
NVML = "libnvidia-ml.so.1"


@dataclass(frozen=True, slots=True)
class EnergyCounter:
    """One counter that only rises, until it starts again at zero.

    Attributes:
        source: `cpu` or `gpu`.
        read: joules since some moment; raises OSError where it is out of reach.
        range: joules after which it starts at zero; 0 if never.
    """

    source: str
    read: Callable[[], float]
    range: float = 0.0


def read_counters(counters: Sequence[EnergyCounter]) -> list[float | None]:
    """What each says now."""
    return [_try(counter) for counter in counters]


def joules_between(
    counters: Sequence[EnergyCounter], before: Sequence[float | None], after: Sequence[float | None]
) -> dict[str, float]:
    """Joules by source; a source with a counter that did not answer is left out."""
    spent: dict[str, float] = {}
    silent: set[str] = set()
    for counter, first, last in zip(counters, before, after, strict=True):
        if first is None or last is None:
            silent.add(counter.source)
            continue
        joules = last - first if last >= first else last - first + counter.range
        spent[counter.source] = spent.get(counter.source, 0.0) + joules
    return {source: joules for source, joules in spent.items() if source not in silent}


def package_counters(folder: Path = POWERCAP) -> list[EnergyCounter]:
    """One for each processor package that this user may read; most systems allow it to root alone."""
    zones = [zone for zone in sorted(folder.glob("intel-rapl:*")) if zone.name.count(":") == 1]
    counters = [EnergyCounter("cpu", _microjoules(zone / "energy_uj"), _range(zone)) for zone in zones]
    return [counter for counter in counters if _try(counter) is not None]


def gpu_counter(uuid: str, library: Any = None) -> list[EnergyCounter]:
    """The counter of the GPU with this UUID (`GPU-...`), if the driver has one.

    Args:
        uuid: as the driver gives it; numbers may be hidden or exchanged by CUDA_VISIBLE_DEVICES.
        library: NVML; by default the driver's.
    """
    try:
        nvml = library or ctypes.CDLL(NVML)
        handle = ctypes.c_void_p()
        _require(nvml.nvmlInit_v2())
        _require(nvml.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(handle)))
    except (OSError, AttributeError):
        return []

    def read() -> float:
        millijoules = ctypes.c_ulonglong()
        _require(nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules)))
        return millijoules.value / 1e3

    counter = EnergyCounter("gpu", read)
    return [counter] if _try(counter) is not None else []


def _microjoules(file: Path) -> Callable[[], float]:
    return lambda: int(file.read_text()) / 1e6


def _range(zone: Path) -> float:
    with contextlib.suppress(OSError, ValueError):
        return int((zone / "max_energy_range_uj").read_text()) / 1e6
    return 0.0


def _try(counter: EnergyCounter) -> float | None:
    try:
        return counter.read()
    except (OSError, ValueError, AttributeError):
        return None


def _require(code: int) -> None:
    """NVML's functions return 0 when all went well."""
    if code:
        raise OSError(code, "NVML refused")
