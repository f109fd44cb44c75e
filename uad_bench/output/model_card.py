"""Texts beside shared runs: a model card for the Hugging Face Hub with its weights, and the README of a bundle."""

import json
import shutil
from pathlib import Path

from uad_bench.errors import ConfigError
from uad_bench.files import write_text
from uad_bench.output.formats import escape_markdown, markdown_text
from uad_bench.output.methods_paragraph import bibliography, paragraph
from uad_bench.output.tables import run_table
from uad_bench.runs.folder import Run
from uad_bench.runs.record import RunRecord

USE = """\
# Use

```sh
uad-bench score RUN --task TASK --data FOLDER
```

The score map is for research. It has not been validated for clinical use, and its thresholds hold for the cohort on
which they were chosen.
"""


def write_model_card(run: Run, folder: Path) -> list[Path]:
    """Write `README.md` with metadata, results and methods, and copy the weights beside it.

    Raises:
        ConfigError: the run failed.
    """
    record = run.read_record()
    if record.status != "ok":
        raise ConfigError(f"{record.run} failed ({record.reason}); it has no model card")
    folder.mkdir(parents=True, exist_ok=True)
    card, weights = folder / "README.md", folder / run.checkpoint.name
    title = f"{record.method.name} trained on {record.task.name}"
    references = f"# References\n\n```bibtex\n{bibliography(record).rstrip()}\n```\n"
    parts = [_front_matter(record), f"# {title}", paragraph(record).replace("\n# ", "\n## ").replace("# ", "## ", 1)]
    write_text(card, "\n\n".join([*(part.rstrip() for part in parts), USE.rstrip(), references]))
    if not run.checkpoint.exists():
        return [card]
    shutil.copyfile(run.checkpoint, weights)
    return [card, weights]


def _front_matter(record: RunRecord) -> str:
    """YAML metadata of the card; JSON values are YAML too."""
    metrics = [
        {"type": row.name, "name": row.key, "value": row.value}
        for row in record.metrics
        if row.value is not None and row.group is None and row.name in {"auprc", "dice"} and row.aggregation == "pooled"
    ]
    result = {
        "task": {"type": "image-segmentation", "name": "unsupervised anomaly segmentation"},
        "dataset": {"type": record.task.dataset, "name": record.task.name},
        "metrics": metrics,
    }
    fields = {
        "library_name": "uad-bench",
        "tags": ["anomaly-segmentation", "brain-mri", record.method.name],
        "model-index": [{"name": record.method.name, "results": [result]}],
    }
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in fields.items()), "---"])


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
    return f"# {escape_markdown(record.run)}\n\n{markdown_text(run_table([record], runs=Path()).sheets)}{COMMANDS}"
