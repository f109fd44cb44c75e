"""What `new-method` writes works, is typed, and is tested."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from uad_bench.errors import ConfigError
from uad_bench.plugins.registry import methods
from uad_bench.plugins.scaffold import write_method
from uad_bench.testing import Candidate, method_checks


def test_a_written_file_offers_its_method_and_keeps_the_contract(tmp_path):
    (file, _), _ = write_method("rare-voxels", kind="file", folder=tmp_path)
    assert methods([file])["rare-voxels"].target == "rare_voxels.py:RareVoxels"
    candidate = Candidate.of(str(file))
    found = {check.name: check.result(candidate).status for check in method_checks()}
    assert found.pop("reconstruction") == "skipped"  # it reconstructs nothing
    assert set(found.values()) == {"passed"}


def test_a_written_method_has_under_60_lines(tmp_path):
    (_, _, _, method, *_), _ = write_method("rare-voxels", kind="package", folder=tmp_path)
    assert method.name == "method.py"
    assert len(method.read_text().splitlines()) < 60


def test_a_written_package_registers_its_class_and_is_typed(tmp_path):
    write_method("rare-voxels", kind="package", folder=tmp_path)
    place = tmp_path / "rare-voxels"
    project = tomllib.loads((place / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["uad_bench.methods"] == {"rare-voxels": "rare_voxels.method:RareVoxels"}
    assert (place / "src/rare_voxels/py.typed").exists()


@pytest.mark.slow
def test_the_tests_of_a_written_package_pass(tmp_path):
    write_method("rare-voxels", kind="package", folder=tmp_path)
    place = tmp_path / "rare-voxels"
    environment = {**os.environ, "PYTHONPATH": str(place / "src")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(place)]
    ended = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    assert "22 passed" in ended.stdout


@pytest.mark.parametrize("name", ["Rare", "rare_voxels", "-x", "class", "../x", "random"])
def test_a_name_that_cannot_be_used_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"is no valid method name|registered already"):
        write_method(name, kind="file", folder=tmp_path)


def test_nothing_is_written_over(tmp_path):
    write_method("rare-voxels", kind="file", folder=tmp_path)
    Path(tmp_path / "rare_voxels.py").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write_method("rare-voxels", kind="file", folder=tmp_path)
    assert (tmp_path / "rare_voxels.py").read_text() == "mine"
