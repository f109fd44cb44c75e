"""`uad-bench data`: inspect, prepare and split a dataset, and manage the cache."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from uad_bench.cli.options import AsJson, Data, Exclude, Task, print_json, root_of

data = typer.Typer(help="Inspect, prepare and split a dataset.", no_args_is_help=True)
cache = typer.Typer(
    help="Show or clear cached data, all of which can be recomputed. The cache is the folder given by the environment "
    "variable UAD_BENCH_CACHE, by default ~/.cache/uad-bench.",
    no_args_is_help=True,
)
data.add_typer(cache, name="cache")

SIZE = re.compile(r"(\d+\.?\d*)\s*([kKMGT]?)(i?)[bB]?")
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the patients.")]


@data.command("doctor")
def doctor(folder: Folder, task: Task = "brats", exclude: Exclude = None, json: AsJson = False) -> int:
    """Say what is in a folder, which published cohort it is, what is broken, and what a run would leave out.

    Exit code 3 if a run would be refused.
    """
    from uad_bench.config import change_task, exclude_patients, load_task
    from uad_bench.console import reporting, stdout
    from uad_bench.data.doctor import examine_task
    from uad_bench.datasets.published import recognise
    from uad_bench.output.doctor_page import doctor_page

    chosen = exclude_patients(load_task(task), exclude or ())
    known = recognise(folder) if task == "brats" and folder.is_dir() else []
    if known:
        chosen = change_task(chosen, {"dataset": known[0].dataset, "options": known[0].options})
    with reporting() as reporter:
        document = examine_task(chosen, folder, any_modalities=task == "brats", report=reporter)
    document["cohorts"] = [asdict(cohort) for cohort in known]
    if json:
        print_json(document)
    else:
        for part in doctor_page(document):
            stdout().print(part)
    return 0 if document["usable"] else 3


@data.command("prepare")
def prepare(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="Folder with the patients.")] = None,
    task: Task = "brats",
    exclude: Exclude = None,
    json: AsJson = False,
) -> None:
    """Read every patient once and keep prepared slices, so that runs start at once. Runs do this by themselves."""
    from uad_bench.config import exclude_patients, load_task
    from uad_bench.console import reporting, stdout
    from uad_bench.data.cache import cache_root, list_cache
    from uad_bench.data.cohort import gather, prepare_working_slices

    with reporting() as reporter:
        cohort = gather(exclude_patients(load_task(task), exclude or ()), folder, report=reporter)
        store = prepare_working_slices(cohort, report=reporter)
    shown = {
        "patients": len(store.entries),
        "modalities": list(store.modalities),
        "digest": cohort.digest,
        "train_slices": sum(map(len, cohort.train_slices(cohort.splits[0]).values())),
        "cache_bytes": sum(use.bytes for use in list_cache(cache_root())),
    }
    if json:
        print_json(shown)
    else:
        stdout().print(
            f"prepared {shown['patients']} patients ({', '.join(store.modalities)}), "
            f"{shown['train_slices']} healthy slices for training"
        )


@data.command("split")
def split(
    data: Data = None,
    task: Task = "brats",
    split: Annotated[str, typer.Option(help="hash or a list.")] = "hash",
    folds: Annotated[int, typer.Option(min=0)] = 0,
    exclude: Exclude = None,
    against: Annotated[str | None, typer.Option(help="A list to compare with.")] = None,
    json: AsJson = False,
) -> None:
    """Show who would train, validate and be tested; or how far two published lists contradict each other."""
    from uad_bench.config import change_task, exclude_patients, load_task
    from uad_bench.console import reporting, stdout
    from uad_bench.data.cohort import gather

    if against:
        document = _disagreement(split, against)
    else:
        with reporting() as reporter:
            chosen = exclude_patients(change_task(load_task(task), {"split": split}), exclude or ())
            document = {
                "splits": [s.to_json() for s in gather(chosen, root_of(data), folds=folds, report=reporter).splits]
            }
    if json:
        print_json(document)
        return
    for line in _lines(document):
        stdout().print(line)


@cache.command("ls")
def cache_ls(json: AsJson = False) -> None:
    """Show where the cache is, what it holds, and its size."""
    from uad_bench.console import stdout
    from uad_bench.data.cache import cache_root, list_cache

    root, uses = cache_root(), list_cache(cache_root())
    total = sum(use.bytes for use in uses)
    if json:
        shown = [{"kind": use.kind, "files": use.files, "bytes": use.bytes} for use in uses]
        print_json({"path": str(root), "bytes": total, "cache": shown})
        return
    stdout().print(str(root), soft_wrap=True)
    for use in uses:
        stdout().print(f"{use.kind:12} {use.bytes / 1e6:10.1f} MB {use.files:7} files  {use.meaning}")
    stdout().print(f"{'total':12} {total / 1e6:10.1f} MB {sum(use.files for use in uses):7} files")


@cache.command("clear")
def cache_clear(
    kind: Annotated[list[str] | None, typer.Argument(help="Kinds of data to remove; by default all.")] = None,
    limit: Annotated[
        str,
        typer.Option(
            metavar="SIZE", help="Remove the least recently used files until this much is left, such as 20GB."
        ),
    ] = "0",
) -> None:
    """Empty the cache, or reduce it to a size. Do not use it during a run, which reads from the cache."""
    from uad_bench.console import stdout
    from uad_bench.data.cache import cache_root, clear_cache

    freed = sum(use.bytes for use in clear_cache(cache_root(), kind or (), limit=_bytes(limit)))
    stdout().print(f"freed {freed / 1e6:.1f} MB in {cache_root()}", soft_wrap=True)


def _bytes(size: str) -> int:
    """Bytes of a size such as `500MB`, `1.5 GiB` or `4096`."""
    from uad_bench.errors import ConfigError

    if not (found := SIZE.fullmatch(size.strip())):
        raise ConfigError(f"--limit {size!r} is not a size; write it as 500MB, 20GB or 1.5GiB")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " KMGT".index(unit.upper() or " "))


def _disagreement(first: str, second: str) -> dict[str, Any]:
    from uad_bench.data.split import disagreement, load_split

    found = disagreement(load_split(first), load_split(second))
    pairs = [{first: roles[0], second: roles[1], "patients": count} for roles, count in found.pairs.items()]
    return {
        "first": first,
        "second": second,
        "common": found.common,
        "moved": found.moved,
        "pairs": pairs,
        "tested_but_trained": list(found.tested_but_trained),
    }


def _lines(document: dict[str, Any]) -> list[str]:
    if "splits" not in document:
        first, second = document["first"], document["second"]
        there, back = document["tested_but_trained"]
        return [
            f"{document['common']} patients are in both lists, {document['moved']} of them with different roles",
            *(
                f"  {pair[first]} in {first}, {pair[second]} in {second}: {pair['patients']}"
                for pair in document["pairs"]
            ),
            (
                f"{there} test patients of {first} are training patients of {second}, and {back} vice versa: "
                "a model trained on one list must not be tested on the other"
            ),
        ]
    return [_split_lines(split) for split in document["splits"]]


def _split_lines(split: dict[str, Any]) -> str:
    roles = [f"  {role} ({len(split[role])}): {', '.join(split[role])}" for role in ("train", "val", "test")]
    return "\n".join([f"{split['name']} {split['digest'][:8]} {split['note']}", *roles])
