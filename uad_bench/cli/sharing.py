"""`uad-bench bundle`."""

from pathlib import Path
from typing import Annotated

import typer

from uad_bench.cli.options import RUNS, AsJson, Runs, print_json
from uad_bench.errors import ConfigError


def bundle(
    run: Annotated[str, typer.Argument(help="A run, or the word [b]check[/b].")],
    file: Annotated[Path | None, typer.Argument(help="The bundle to check.", show_default=False)] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The bundle to write.")] = None,
    maps: Annotated[bool, typer.Option("--maps", help="Include the score maps, rounded to 16 bits.")] = False,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Pack a run for sharing, without images or local paths; or check a bundle without executing any of its content."""
    if run == "check":
        _check(file, json=json)
        return
    from uad_bench.runs.bundle import write_bundle
    from uad_bench.runs.folder import open_run

    if output is None or file is not None:
        raise ConfigError("no output file given: uad-bench bundle RUN -o FILE, or uad-bench bundle check FILE")
    write_bundle(open_run(Path(runs), run), output, maps=maps)
    if json:
        print_json({"bundle": str(output), "bytes": output.stat().st_size})
    else:
        typer.echo(f"{output}: {output.stat().st_size / 1e6:.1f} MB", err=True)


def _check(file: Path | None, *, json: bool) -> None:
    from uad_bench.runs.bundle_check import check_bundle

    if file is None:
        raise ConfigError("no bundle given: uad-bench bundle check FILE")
    record = check_bundle(file)
    if json:
        print_json({"bundle": file.name, "sound": True, "run": record.run})
    else:
        typer.echo(f"{file.name}: valid; contains {record.run}")
