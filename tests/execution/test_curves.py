"""Training curves for TensorBoard, read back with its own reader."""

import importlib.util
from dataclasses import replace

import pytest

from tests.tiny_bench import TRAINED, TinyBench
from uad_bench.benchmark import curves as module
from uad_bench.benchmark.curves import Curves, check_tensorboard, curves
from uad_bench.errors import ConfigError
from uad_bench.method import Progress

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="the extra tensorboard is not installed"
)


def read(folder):
    """(tag, step) -> value of all event files of a folder."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    events = [event for file in sorted(folder.glob("*tfevents*")) for event in EventFileLoader(str(file)).Load()]
    scalars = [(value, event.step) for event in events for value in event.summary.value]
    return {(value.tag, step): value.tensor.float_val[0] for value, step in scalars}


@needs_tensorboard
def test_an_event_file_holds_the_loss_and_the_steps_per_second_of_each_training(tmp_path):
    shown, times = [], iter([0.0, 2.0, 3.0, 7.0])
    written = Curves(tmp_path, shown.append, clock=lambda: next(times))
    reports = [Progress("a", 1, 9, 0.5), Progress("a", 5, 9, 0.25), Progress("scoring", 0, 3), Progress("b", 1, 2, 4.0)]
    for progress in [*reports, Progress("b", 2, 2, 3.0)]:
        written(progress)
    written.file.close()
    assert shown[:4] == reports
    assert read(tmp_path) == {
        ("loss/a", 1): 0.5,
        ("loss/a", 5): 0.25,
        ("steps per second/a", 5): 2.0,
        ("loss/b", 1): 4.0,
        ("loss/b", 2): 3.0,
        ("steps per second/b", 2): 0.25,
    }


def test_without_a_training_there_is_no_event_file(tmp_path):
    with curves(tmp_path, lambda _: None) as report:
        report(Progress("scoring", 1, 1))
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_one_sentence_names_the_extra(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"^--tensorboard needs tensorboard: pip install 'uad-bench\[tensorboard\]'$"):
        check_tensorboard()


@pytest.mark.slow
@needs_tensorboard
def test_a_run_with_curves_is_a_finished_run_with_one_event_file(quick: TinyBench):
    entry = quick.write("curved", **TRAINED)
    quick.runner = replace(quick.runner, tensorboard=True)
    assert quick.run(entry)["status"] == "ok"
    folder = quick.folder_of(entry).path
    assert {tag for tag, _ in read(folder)} >= {"loss/training net"}
    assert len(list(folder.glob("*tfevents*"))) == 1
