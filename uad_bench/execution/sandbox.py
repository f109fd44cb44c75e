"""Starts programs isolated from what an access policy hides, as well as this machine can: namespaces, Landlock, or not.

See docs/isolation.md for what each kind of isolation means.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from uad_bench.errors import unknown
from uad_bench.execution.access import AccessPolicy
from uad_bench.resources import PACKAGE
from uad_bench.runs.events import ENFORCED, KINDS, Isolation

VARIABLE = "UAD_BENCH_ISOLATION"
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from uad_bench.execution.launcher import main; main()"
OPENS = 'if ( : < "$1" ) 2>/dev/null; then exit 1; else exit 42; fi'
REFUSED = 42


def isolation_available() -> Isolation:
    """The strongest isolation that this machine allows, or the one that `UAD_BENCH_ISOLATION` asks for.

    Raises:
        ConfigError: the variable names no kind of isolation.
    """
    asked = os.environ.get(VARIABLE, "")
    for kind in KINDS[:-1]:
        if kind == asked:
            return kind
    if asked:
        raise unknown(f"isolation in {VARIABLE}", asked, KINDS[:-1])
    return _strongest()


@cache
def _strongest() -> Isolation:
    return next((kind for kind in KINDS if kind in ENFORCED and _works(kind)), "audit-hook")


def _works(isolation: Isolation) -> bool:
    """Whether a program that is isolated in this way cannot open a file that is hidden from it."""
    if sys.platform != "linux":
        return False
    with tempfile.TemporaryDirectory() as name:
        secret = Path(name).resolve() / "secret" / "file"
        secret.parent.mkdir()
        secret.touch()
        access = AccessPolicy(hidden=frozenset({str(secret.parent)}), writable=frozenset({"/dev"}))
        sandbox = Sandbox(access, isolation)
        words = ["/bin/sh", "-c", OPENS, "sh", str(secret)]
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        try:
            return sandbox.start(words, **pipes).wait() == REFUSED
        finally:
            sandbox.close()


@dataclass(slots=True)
class Sandbox:
    """Where one method's programs run; to be closed when they have ended.

    Attributes:
        access: what they may reach.
        isolation: how that is enforced.
        scratch: their temporary folder; its path is short, because those of sockets must be.
    """

    access: AccessPolicy
    isolation: Isolation
    scratch: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="uad-")).resolve())

    def close(self) -> None:
        """Remove the temporary folder."""
        shutil.rmtree(self.scratch, ignore_errors=True)

    def start(self, words: Sequence[str], *, pass_fds: Sequence[int] = (), **options: Any) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own; when it ends, or the harness does, all that it started ends too."""
        options["env"] = {**(options.get("env") or os.environ), **self._places()}
        if sys.platform != "linux":
            return subprocess.Popen(words, start_new_session=True, pass_fds=pass_fds, **options)
        access = replace(self.access, writable=self.access.writable | {str(self.scratch)})
        with tempfile.TemporaryFile("w+") as policy:
            json.dump(access.to_json(), policy)
            policy.seek(0)
            launcher = [sys.executable, "-I", "-S", "-c", START, str(PACKAGE.parent), str(policy.fileno())]
            fds = (*pass_fds, policy.fileno())
            return subprocess.Popen(
                [*launcher, self.isolation, *words], start_new_session=True, pass_fds=fds, **options
            )

    def _places(self) -> dict[str, str]:
        """Environment variables that lead caches and temporary files into the scratch folder.

        Weights that were downloaded before are read where they are.
        """
        usual = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111 - there may be no home
        kept = {"TORCH_HOME": usual / "torch", "HF_HOME": usual / "huggingface"}
        own = {
            "TMPDIR": "",
            "XDG_CACHE_HOME": "cache",
            "TORCHINDUCTOR_CACHE_DIR": "inductor",
            "TRITON_CACHE_DIR": "triton",
            "CUDA_CACHE_PATH": "cuda",
            "MPLCONFIGDIR": "matplotlib",
            "NUMBA_CACHE_DIR": "numba",
        }
        found = {key: str(path) for key, path in kept.items() if key not in os.environ and path.is_dir()}
        return {**found, **{key: str(self.scratch / name) for key, name in own.items()}}
