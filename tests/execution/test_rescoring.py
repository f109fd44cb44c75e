"""What is scored again at the end of a run: methods whose scores are not those of the slice alone get a warning."""

import numpy as np
import pytest

from tests.made_results import made_record
from tests.tiny_bench import TinyBench
from uad_bench.benchmark.request import say_warnings
from uad_bench.console import Reporter, stderr
from uad_bench.execution import scoring as rescoring
from uad_bench.execution.scoring import DEPENDS, Sample
from uad_bench.method import SliceKey

BREAKS = {
    "standardises by batch": "x = batch.image[:, 0]; return (x - x.mean()) / x.std()",
    "divides by the highest score so far": """
        self.top = max(getattr(self, "top", 1.0), float(batch.image.max()) * 1.1 ** len(getattr(self, "seen", ())))
        self.seen = {*getattr(self, "seen", ()), batch.keys[0].subject_id}
        return batch.image[:, 0] / self.top
    """,
    "draws for the batch": "import torch; return batch.image[:, 0] + torch.randn(batch.image[:, 0].shape)",
    "fails on a slice alone": "assert len(batch) > 1; return batch.image[:, 0]",
}


@pytest.fixture(autouse=True)
def precise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on every machine."""
    monkeypatch.setattr(rescoring, "CLOSE_IN_BFLOAT16", {"cpu": rescoring.CLOSE})


@pytest.mark.parametrize("how", BREAKS)
def test_scores_that_depend_on_the_batch_or_on_other_cases_are_kept_with_a_warning(quick: TinyBench, how: str):
    record = quick.run(quick.write("dependent", score=BREAKS[how]))
    assert record["status"] == "ok"
    (warning,) = record["warnings"]
    assert warning["kind"].startswith(DEPENDS)
    assert warning["count"] == 1


@pytest.mark.parametrize("score", ["return batch.image[:, 0]", "return batch.image[:, 0] * 0"])
def test_scores_of_the_slice_alone_get_none(quick: TinyBench, score: str):
    assert not [w for w in quick.run(quick.write("alone", score=score))["warnings"] if DEPENDS in w["kind"]]


def test_four_slices_of_the_first_patient_come_again_one_by_one_after_all_others(quick: TinyBench):
    entry = quick.write(
        "told",
        score="""
            import pathlib
            with pathlib.Path(__file__).with_suffix(".log").open("a") as log:
                print(batch.keys[0].subject_id, len(batch), file=log)
            return batch.image[:, 0]
        """,
    )
    quick.run(entry)
    assert entry.file
    calls = entry.file.with_suffix(".log").read_text().splitlines()
    first = calls[0].split()[0]
    assert calls[-4:] == [f"{first} 1"] * 4
    assert len({call.split()[0] for call in calls[:-4]}) == len(calls) - 4


def test_a_method_of_whole_volumes_is_not_asked_again(quick: TinyBench):
    whole = quick.write("whole", fit="type(self).whole_volume = True", score=BREAKS["standardises by batch"])
    assert quick.run(whole)["warnings"] == []


def test_the_rest_of_an_interrupted_run_is_not_asked_again(quick: TinyBench):
    last = quick.cohort.splits[0].test[-1]
    gated = f"import pathlib; assert batch.keys[0].subject_id != {last!r} or pathlib.Path(__file__ + '.go').exists()"
    entry = quick.write("gated", score=f"{gated}\n{BREAKS['standardises by batch']}")
    assert quick.run(entry)["status"] == "failed"
    assert entry.file
    entry.file.with_name("gated.py.go").touch()
    assert quick.run(entry)["warnings"] == []


def test_a_sample_is_spread_over_the_patient_and_keeps_its_range():
    keys = [SliceKey("a", z) for z in range(10)]
    scores = np.arange(10, dtype=np.float32).reshape(10, 1, 1)
    sample = Sample.of(keys, scores)
    assert [key.z for key in sample.keys] == [0, 3, 6, 9]
    assert sample.spread == 9
    assert [key.z for key in Sample.of(keys[:2], scores[:2]).keys] == [0, 1]


def test_a_methods_own_brackets_are_said_as_they_are(capsys: pytest.CaptureFixture[str]):
    record = made_record("m", warnings=[{"kind": f"{DEPENDS} (score raised E: [/x] [1])", "count": 1}])
    say_warnings(record, Reporter(stderr()))
    assert "score raised E: [/x] [1]) (1 x)" in capsys.readouterr().err
