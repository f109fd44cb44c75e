"""Jinja2 templates that ship with the package; everything put into a page is escaped."""

from functools import cache
from typing import Any

from markupsafe import Markup

from uad_bench.console import visible
from uad_bench.resources import PACKAGE
from uad_bench.version import VERSION

TEMPLATES = PACKAGE / "output" / "report" / "templates"


def render(template: str, **values: Any) -> str:
    """The template's text with these values; style and script are put inside, so that the page needs no other file."""
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
    """A shipped style or script, as it is: it is ours, and holds no data."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704
