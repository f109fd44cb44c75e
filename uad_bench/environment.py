"""Where a run was made: versions, hardware and settings that its numbers may depend on."""

import os
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

from uad_bench import __version__
from uad_bench.fingerprint import digest_json

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "nibabel", "safetensors", "pydantic")


def environment(device: str) -> dict[str, Any]:
    """Versions, hardware and thread settings, as they go into the record."""
    return {
        "uad_bench": __version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "packages_digest": _installed_digest(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "device": device,
        "threads": {key: os.environ[key] for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if key in os.environ},
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv and sys.argv[0] else [],
    }


@cache
def cpu_name() -> str:
    """The processor as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _installed_digest() -> str:
    return digest_json(sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()}))
