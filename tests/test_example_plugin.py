"""A stranger's distribution is installed as any other, listed, run beside the baselines, and keeps the contract."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "example_plugin"
BUILDERS = ("pip", "hatchling")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Function that runs Python where the plugin is installed, from a folder that is nobody's."""
    if missing := [name for name in BUILDERS if importlib.util.find_spec(name) is None]:
        pytest.skip(f"building a distribution needs {missing[0]}")
    place, source = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("source") / "plugin"
    shutil.copytree(PLUGIN, source, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    environment = {**os.environ, "PYTHONPATH": str(place)}

    def call(*words: str) -> str:
        command = [sys.executable, *map(str, words)]
        ended = subprocess.run(command, env=environment, cwd=source, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    call("-m", "pip", "install", *options, "--target", place, source)
    return call


def test_it_is_listed_with_its_distribution(python):
    rows = {row["name"]: row for row in json.loads(python("-m", "uad_bench", "list", "methods", "--json"))["methods"]}
    row = rows["patch-memory"]
    assert (row["origin"], row["problem"]) == ("patch-memory 0.3.0", None)
    assert row["file"].endswith("patch_memory/method.py")


@pytest.mark.slow
def test_it_runs_at_once_and_is_far_better_than_chance(python, tmp_path):
    command = ("-m", "uad_bench", "run", "--method", "patch-memory", "--task", "phantom-tiny", "--runs", tmp_path)
    record = json.loads(python(*command, "--no-baselines", "--json"))
    auprc = next(m for m in record["metrics"] if (m["name"], m["aggregation"]) == ("auprc", "pooled"))
    prevalence = next(m for m in record["metrics"] if m["name"] == "prevalence")
    assert record["method"]["origin"] == "patch-memory 0.3.0"
    assert auprc["value"] > 3 * prevalence["value"]


@pytest.mark.slow
def test_its_own_tests_pass(python):
    assert "22 passed" in python("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
