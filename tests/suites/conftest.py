"""A suite over the tiny patients, and places without any process behind them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tiny_bench import TASK
from uad_bench.benchmark.request import Request
from uad_bench.runs.folder import Run
from uad_bench.suites.states import Place, Standing, State
from uad_bench.suites.suite import Cell


@dataclass
class SuiteFiles:
    """A suite's TOML file with its task, written where a test wants it."""

    folder: Path

    def write(self, *methods: str, **more: str) -> Path:
        (self.folder / "small.toml").write_text(TASK)
        suite = self.folder / "matrix.toml"
        lines = [f"methods = {list(methods)}", f'tasks = ["{self.folder / "small.toml"}"]', "baselines = false"]
        suite.write_text("\n".join([*lines, *(f"{key} = {value}" for key, value in more.items())]))
        return suite


@pytest.fixture
def suite_files(tmp_path: Path) -> SuiteFiles:
    """Writes suites."""
    return SuiteFiles(tmp_path)


def standing(method: str, state: State, seconds: float | None = None, *, number: int = 0, record=None) -> Standing:
    """A cell in this state, with no file behind it."""
    request = Request(method=method, task="phantom-tiny", seed=number)
    return Standing(Place(Cell(f"{method}-{number}", request), Run(Path("nowhere"))), state, record, seconds)


@pytest.fixture
def make_standing():
    """Makes standings."""
    return standing
