"""Rendering of the shipped Jinja2 templates; all inserted values are escaped."""

from functools import cache
from typing import Any

from markupsafe import Markup

from uad_bench.console import visible
from uad_bench.resources import PACKAGE
from uad_bench.version import VERSION

TEMPLATES = PACKAGE / "output" / "report" / "templates"


def render(template: str, **values: Any) -> str:
    """Render a template with these values; styles and scripts are embedded, so that the page needs no other file."""
    return str(_environment().get_template(template).render(version=VERSION, **values))


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["visible"] = visible
    environment.globals["asset"] = _asset
    return environment


def _asset(name: str) -> Markup:
    """A shipped style sheet or script, not escaped because it contains no data."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704
