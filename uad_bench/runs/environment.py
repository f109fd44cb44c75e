"""The environment of a run: code, versions, hardware and settings that may affect its results."""

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import Field

from uad_bench.digests import digest_json
from uad_bench.resources import PACKAGE
from uad_bench.runs.document import Document, hide_paths_in_command
from uad_bench.runs.events import Isolation
from uad_bench.version import VERSION

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "nibabel", "safetensors", "pydantic")
SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG", "CUDA_VISIBLE_DEVICES")
NVIDIA = Path("/proc/driver/nvidia")
GIT_TIMEOUT_S = 10


class CodeVersion(Document):
    """Commit of the checkout that the harness runs from, and the digest of uncommitted changes."""

    commit: str
    changes: str | None = None


class Environment(Document):
    """Code, versions, hardware and settings; None where not recorded or not applicable.

    Attributes:
        code: None outside a checkout.
        packages_digest: digest of the names and versions of all installed packages.
        settings: environment variables that may affect results, if set.
        command: the command line, without local paths.
        precision: number format in which networks compute, `float32` or `bfloat16`.
        isolation: mechanism that prevented the method from reading labels.
    """

    uad_bench: str | None = None
    code: CodeVersion | None = None
    python: str | None = None
    packages: dict[str, str | None] = Field(default_factory=dict)
    packages_digest: str | None = None
    system: str | None = None
    cpu: str | None = None
    cores: int | None = None
    memory_mib: int | None = None
    device: str | None = None
    precision: str | None = None
    gpu: tuple[str, ...] = ()
    driver: str | None = None
    settings: dict[str, str] = Field(default_factory=dict)
    command: tuple[str, ...] | None = None
    isolation: Isolation | None = None


def environment(device: str) -> Environment:
    """The environment of this process, without local paths."""
    driver = NVIDIA / "version"
    return Environment(
        uad_bench=VERSION,
        code=code_version(),
        python=platform.python_version(),
        packages={name: _version(name) for name in PACKAGES},
        packages_digest=_installed_digest(),
        **{**hardware(), "gpu": gpu_names() if device != "cpu" else []},
        device=device,
        driver=driver.read_text().partition("\n")[0] if device != "cpu" and driver.exists() else None,
        settings={key: os.environ[key] for key in SETTINGS if key in os.environ},
        command=tuple(hide_paths_in_command(sys.argv)) if sys.argv and sys.argv[0] else (),
    )


def hardware() -> dict[str, Any]:
    """System, processor, memory and GPUs."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "gpu": gpu_names(),
    }


@cache
def code_version(folder: Path = PACKAGE.parent) -> CodeVersion | None:
    """Version of the checkout that the harness runs from; None outside a checkout."""
    if not (folder / ".git").exists():
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD").strip()
        changes = _git(folder, "diff", "HEAD", "--", "*.py", "*.toml")
    except (OSError, subprocess.SubprocessError):
        return None
    return CodeVersion(commit=commit, changes=digest_json(changes) if changes else None)


@cache
def cpu_name() -> str:
    """Model name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def gpu_names(folder: Path = NVIDIA / "gpus") -> list[str]:
    """Model names of the NVIDIA GPUs according to the driver, which is faster than importing torch."""
    lines = [line for file in sorted(folder.glob("*/information")) for line in file.read_text().splitlines()]
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", folder, *words], capture_output=True, timeout=GIT_TIMEOUT_S, check=True)
    return done.stdout.decode(errors="replace")


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _installed_digest() -> str:
    # From the names of the folders: reading the metadata of every package takes ten times as long.
    return digest_json(sorted({info.stem for place in sys.path for info in Path(place).glob("*.dist-info")}))
