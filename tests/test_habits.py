"""The project's own settings agree with each other."""

import re
import tomllib
from pathlib import Path

from uad_bench.resources import PACKAGE

ROOT = PACKAGE.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = (ROOT / ".github/workflows/checks.yml").read_text()


def test_the_workflow_tests_every_supported_python():
    supported = [
        c.rpartition(" ")[2] for c in PROJECT["classifiers"] if c.startswith("Programming Language :: Python :: 3.")
    ]
    assert supported == ["3.11", "3.12", "3.13", "3.14"]
    assert f"python: {supported}".replace("'", '"') in WORKFLOW


def test_the_files_to_read_are_at_most_20_and_exist():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    files = re.findall(r"^\d+\. `(.+?)`: ", guide, re.MULTILINE)
    assert 10 < len(files) <= 20
    assert [file for file in files if not (PACKAGE / file).is_file()] == []


def test_every_room_has_its_place_in_the_contract_and_in_the_table():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    placed = {name.strip() for layer in tool["contracts"][0]["layers"] for name in layer.split("|")}
    rooms = {p.stem for p in (ROOT / "uad_bench").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert placed == {f"uad_bench.{room}" for room in rooms - {"__init__"}} | {"uad_methods"}
    table = Path(ROOT / "CONTRIBUTING.md").read_text()
    assert [
        room for room in rooms - {"__init__", "__main__"} if f"`{room}`" not in table and f"`{room}/`" not in table
    ] == []
