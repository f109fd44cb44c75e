"""`uad-bench check-method` and `uad-bench new-method`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from uad_bench.cli.options import AsJson, Plugins, Settings, print_result


def check_method(
    method: Annotated[str, typer.Argument(help="A registered method, or a Python file with methods.")],
    plugin: Plugins = None,
    settings: Settings = None,
    device: Annotated[str, typer.Option(help="Where the method computes: cpu or cuda.")] = "cpu",
    json: AsJson = False,
) -> int:
    """Check that a method follows the method interface, using tiny slices. Exit code 5 if a check fails."""
    from uad_bench.console import stderr
    from uad_bench.testing.conformance import check_methods, conformance_table

    def report(name: str, check: str) -> None:
        stderr().print(f"{name}: {check}", markup=False) if stderr().is_terminal else None

    results = check_methods(method, plugin or (), settings or (), device=device, report=report)
    document = {name: [asdict(result) for result in found] for name, found in results.items()}
    print_result(document, conformance_table(results), json=json)
    return 5 if any(r.status == "failed" for found in results.values() for r in found) else 0


def new_method(
    name: Annotated[str, typer.Argument(help="Name of the method, such as patch-memory.")],
    kind: Annotated[
        Literal["file", "package"], typer.Option(help="One file, or a Python package of its own.")
    ] = "file",
    to: Annotated[Path, typer.Option("--to", help="Folder to write into.")] = Path(),
) -> None:
    """Create a working method, with tests, as a starting point."""
    from uad_bench.console import stdout
    from uad_bench.plugins.scaffold import write_method

    written, next_steps = write_method(name, kind=kind, folder=to)
    for path in written:
        stdout().print(f"wrote {path}", markup=False, soft_wrap=True)
    stdout().print("Next:")
    for step in next_steps:
        stdout().print(f"  {step}", markup=False, soft_wrap=True)
