"""The pages that readers type from are typed here, block by block and in order."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from uad_bench.config import Task
from uad_bench.datasets.folder import Layout
from uad_bench.evaluation.protocol import Protocol
from uad_bench.output.configuration import fields_of
from uad_bench.suites.suite import Suite

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCE = r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$"
BLOCK = re.compile(FENCE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["tutorial.md", "add-a-method.md"])
def test_a_page_does_what_it_says(page, tiny_baselines, tmp_path, monkeypatch):
    if page != "tutorial.md":  # which begins in an empty folder
        shutil.copytree(tiny_baselines, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    session = {"__name__": "session"}
    for language, title, text in BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
        if title:
            Path(title).write_text(text)
        elif language == "sh":
            type_in(text)
        elif language == "python":
            exec(compile(text, page, "exec"), session)
        elif language == "toml":
            assert tomllib.loads(text)


@pytest.mark.slow
def test_the_python_example_of_the_readme_runs(tiny_baselines, tmp_path, monkeypatch, capsys):
    shutil.copytree(tiny_baselines, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    exec(compile(example, "README.md", "exec"), {"__name__": "session"})
    assert "mmccd" in capsys.readouterr().out


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    inside = [target for target in targets if not target.startswith("../../actions/")]
    assert [target for target in inside if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_the_results_table_has_the_numbers_of_the_shipped_leaderboards(page):
    expected = runpy.run_path(str(DOCS / "results_table.py"))["results_table"]()
    assert expected in (ROOT / page).read_text(encoding="utf-8"), "run python docs/results_table.py"


def test_the_reference_names_every_command_and_every_field():
    pages = runpy.run_path(str(DOCS / "reference_pages.py"))["pages"]()
    commands, configuration = pages["commands.md"], pages["configuration-files.md"]
    headings = {"run", "show", "bundle make", "runs prune", "suite run", "leaderboard show", "data cache ls"}
    assert {f"## uad-bench {name}" for name in headings} <= set(commands.splitlines())
    assert "`--runs <path>`" in commands
    assert "[b]" not in commands
    described = [f.name for cls in (Task, Suite, Protocol, Layout) for f in fields_of(cls)]
    assert [name for name in described if f"| `{name}` |" not in configuration] == []


def test_every_page_is_in_the_menu():
    menu = re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert {path.name for path in DOCS.glob("*.md")} <= set(menu)


def test_the_page_of_a_method_names_every_check():
    from uad_bench.testing import method_checks

    page = (DOCS / "add-a-method.md").read_text(encoding="utf-8")
    checks = [check.name for check in method_checks()]
    assert [name for name in checks if f"`{name}`" not in page] == []
    assert f"runs {len(checks)} small checks" in page


def type_in(text: str) -> None:
    ended = subprocess.run(["bash", "-e", "-c", text], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"
