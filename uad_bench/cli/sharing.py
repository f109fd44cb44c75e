"""`uad-bench bundle`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from uad_bench.cli.options import RUNS, AsJson, RunName, Runs, print_json


class RunOrCommand(TyperGroup):
    """`bundle RUN` with a path, such as `bundle brats/ae/seed0`, is short for `bundle make RUN`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, ["make", *args] if args and "/" in args[0] else args)


bundle = typer.Typer(
    cls=RunOrCommand, help="Pack a run for sharing, and check bundles of others.", no_args_is_help=True
)


@bundle.command("make")
def make(
    run: RunName,
    output: Annotated[Path, typer.Option("--output", "-o", help="The bundle to write; its name ends in .zip.")],
    maps: Annotated[bool, typer.Option("--maps", help="Include the score maps, rounded to 16 bits.")] = False,
    weights: Annotated[
        bool,
        typer.Option(
            "--weights",
            help="Include the trained weights and, so that these patients are recognised, digests and coarse "
            "thumbnails (cells of about 8 mm) of the training scans.",
        ),
    ] = False,
    runs: Runs = RUNS,
    json: AsJson = False,
) -> None:
    """Pack a run: record, tables, log and digests, but no images, labels or local paths."""
    from uad_bench.output.bundle_readme import bundle_readme
    from uad_bench.runs.bundle import write_bundle
    from uad_bench.runs.opening import open_run

    found = open_run(Path(runs), run)
    write_bundle(found, output, maps=maps, weights=weights, readme=bundle_readme(found))
    if json:
        print_json({"bundle": str(output), "bytes": output.stat().st_size})
    else:
        typer.echo(f"{output}: {output.stat().st_size / 1e6:.1f} MB", err=True)


@bundle.command("check")
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.")], json: AsJson = False) -> None:
    """Check the format and all digests of a bundle, without unpacking it. The command [b]verify[/b] checks more."""
    from uad_bench.runs.bundle_check import check_bundle

    record = check_bundle(file)
    if json:
        print_json({"bundle": file.name, "sound": True, "run": record.run})
    else:
        typer.echo(f"{file.name}: valid; contains {record.run}. Next: uad-bench show {file}, uad-bench verify {file}")
