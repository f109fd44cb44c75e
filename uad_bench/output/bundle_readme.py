"""The `README.md` of a bundle: the run's row, and the commands that check it."""

from pathlib import Path

from uad_bench.output.formats.markdown import escape, markdown_text
from uad_bench.output.tables import run_table
from uad_bench.runs.folder import Run

COMMANDS = """
## Check it

Put the name of this bundle for `BUNDLE.zip`. The patients are not part of it; `--data DIR` names a folder with them.

```sh
uad-bench show BUNDLE.zip                  # all metrics, and those of each patient
uad-bench verify BUNDLE.zip --data DIR     # digests and event log and, with score maps, every metric recomputed
uad-bench report BUNDLE.zip -o report.html
uad-bench leaderboard add BUNDLE.zip -o leaderboards
uad-bench score BUNDLE.zip --data DIR      # only with weights: apply them to other patients
```
"""


def bundle_readme(run: Run) -> str:
    """Markdown about a finished run."""
    record = run.read_record()
    return f"# {escape(record.run)}\n\n{markdown_text(run_table([record], runs=Path()).sheets)}{COMMANDS}"
