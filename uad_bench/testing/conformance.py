"""The conformance kit on the command line: runs the checks on one or more methods, and prints a table."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from uad_bench.config import parse_setting
from uad_bench.errors import ConfigError
from uad_bench.plugins import registry

if TYPE_CHECKING:
    from uad_bench.testing import Result

STYLES = {"passed": "green", "failed": "bold red", "skipped": "dim", "excused": "yellow", "noted": "yellow"}


def check_methods(
    method: str,
    plugins: Sequence[Path] = (),
    settings: Sequence[str] = (),
    *,
    device: str = "cpu",
    report: Callable[[str, str], object] = lambda *_: None,
) -> dict[str, list["Result"]]:
    """Results by method.

    Args:
        method: a registered name, or a plugin file, all methods of which are checked.
        settings: hyperparameters as `KEY=VALUE`.
        report: called with the names of the method and the check before each check.
    """
    from uad_bench.testing import Candidate, method_checks

    params = dict(map(parse_setting, settings))
    if outside := [key for key in params if "." in key]:
        raise ConfigError(f"--set {outside[0]}: the checks use a fixed task and budget; set hyperparameters only")
    results: dict[str, list[Result]] = {}
    for name, entry in _chosen(method, plugins).items():
        candidate = Candidate(entry.load(), params, name=name, device=device)
        results[name] = []
        for check in method_checks():
            report(name, check.name)
            results[name].append(check.result(candidate))
    return results


def conformance_table(results: Mapping[str, Sequence["Result"]]) -> Group:
    """One table per method, with a verdict."""
    return Group(*(part for name, found in results.items() for part in _parts(name, found)))


def _chosen(method: str, plugins: Sequence[Path]) -> dict[str, registry.Entry]:
    if not method.endswith(".py"):
        return {method: registry.find("method", method, registry.methods(plugins))}
    file = Path(method)
    entries = registry.methods([*plugins, file])
    return {name: entry for name, entry in entries.items() if entry.file == file.resolve()}


def _parts(name: str, found: Sequence["Result"]) -> tuple[Table, str]:
    table = Table("check", "result", "details", title=escape(name), title_justify="left", box=None)
    for result in found:
        style = STYLES[result.status]
        table.add_row(result.check, f"[{style}]{result.status}[/{style}]", escape(result.message))
    failed = [result.check for result in found if result.status == "failed"]
    seconds = sum(result.seconds for result in found)
    verdict = f"breaks the contract: {', '.join(failed)}" if failed else "keeps the contract"
    return table, f"{escape(name)} {verdict} ({len(found)} checks, {seconds:.1f} s)\n"
