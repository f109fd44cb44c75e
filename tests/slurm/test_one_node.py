"""A suite on a real Slurm of one node, where slurm-wlm and munge are installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("slurmd", path=PLACES) is None, reason="no slurmd here: install slurm-wlm and munge")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a cluster of its own")
def test_an_array_survives_a_planned_failure_and_two_preemptions():
    done = subprocess.run(
        [Path(__file__).parent / "run.sh", sys.executable], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
