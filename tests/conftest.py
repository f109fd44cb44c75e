"""Every test has a cache of its own session, one torch thread, and the real cases only where they lie beside the checkout."""

import os
from pathlib import Path

import pytest

REAL = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder of this session; phantom patients are made once a worker."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["UAD_BENCH_CACHE"] = str(folder)
    os.environ["OMP_NUM_THREADS"] = "1"
    return folder


@pytest.fixture(scope="session")
def real_cases() -> Path:
    """The folder of real cases beside the checkout, or a skip."""
    if not (REAL / "brats").is_dir():
        pytest.skip(f"no real cases at {REAL}")
    return REAL
