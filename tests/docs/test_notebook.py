"""The notebook of the documentation runs in a real kernel, and shows tables, one progress display, and the report."""

import json
import shutil
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "three-minutes.ipynb"
MIME = "text/html"


def test_the_notebook_is_stored_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert [cell["id"] for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the notebook's own libraries
def test_the_notebook_runs_and_shows_what_it_says(tiny_baselines, tmp_path):
    shutil.copytree(tiny_baselines, tmp_path / "runs", ignore=shutil.ignore_patterns("mean-distance"))
    pytest.importorskip("ipykernel")
    client, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    nbformat.write(notebook, tmp_path / "executed.ipynb")
    first, patients, mine, comparison, board, report, shipped = (
        outputs for c in notebook.cells if (outputs := c.get("outputs"))
    )
    assert "mean-distance is not significantly better than" in html_of(first)
    for outputs in (first, mine):  # besides the result, one display, which progress updates
        assert sum(output["output_type"] == "display_data" for output in outputs) == 1
    assert "phantom-tiny-" in html_of(patients)
    assert "smoothed is" in mine[-1]["data"]["text/plain"]
    assert all("<table" in html_of(outputs) for outputs in (comparison, board, shipped))
    assert "<iframe srcdoc=" in html_of(report)


def html_of(outputs):
    """HTML that the last result of a cell displays."""
    return next(output["data"][MIME] for output in reversed(outputs) if MIME in output.get("data", {}))
