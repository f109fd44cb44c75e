"""Adds the leaderboards, the page on methods and the generated reference to the site when it is built (MkDocs hook)."""

import re
import runpy
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
OUTSIDE_THE_SITE = re.compile(r"\[([^\]]+)\]\(\.\./docs/")


def on_files(files: Files, *, config: Any) -> Files:
    """Append pages that are kept beside the files they describe; links into docs/ are made links within the site."""
    for page in (ROOT / "methods" / "README.md", *sorted((ROOT / "leaderboards").glob("*.md"))):
        text = OUTSIDE_THE_SITE.sub(r"[\1](../", page.read_text(encoding="utf-8"))
        files.append(File.generated(config, f"{page.parent.name}/{page.name}", content=text))
    generated = runpy.run_path(str(Path(__file__).with_name("reference_pages.py")))["pages"]()
    for name, text in generated.items():
        files.append(File.generated(config, name, content=text))
    return files
