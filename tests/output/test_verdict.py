"""The sentence that a run ends with."""

from pathlib import Path

import pytest

from tests.made_results import KEYS, made_failure, made_record, write_run
from uad_bench.boards.comparison import PairComparison
from uad_bench.output.verdict import _sentence, next_steps, verdict

BOUND = {"jackknife": {"rows": "b" * 64, "metrics": [*KEYS]}}


def made_pair(**changes):
    numbers = {
        "first": "ae", "second": "intensity", "difference": 0.008, "low": -0.025, "high": 0.039, "retrained": None,
        "p": 0.72, "patient_difference": None, "patient_p": None, "shift": None, "wilcoxon_p": None, "n_patients": 20,
        "patients_needed": 60, "seeds_needed": None,
    }  # fmt: skip
    return PairComparison(**{**numbers, **changes})


def test_a_difference_that_is_unclear_comes_with_the_patients_it_would_take():
    assert _sentence(made_pair(), made_record("ae"), "intensity") == (
        "ae is not significantly better than intensity, the strongest baseline here: +0.008 AUPRC [-0.025, 0.039], "
        "p = 0.72; about 40 more patients would be needed to show a difference of this size."
    )


def test_a_clear_difference_asks_for_seeds_of_a_trained_method():
    better = _sentence(made_pair(p=0.001, low=0.002), made_record("ae"), "intensity")
    assert "ae is significantly better than intensity" in better
    assert better.endswith("p = 0.001; run at least 5 seeds before claiming it.")


def test_a_method_below_the_baseline_is_named_first_all_the_same():
    below = made_pair(first="intensity", second="ae", difference=0.4, low=0.3, high=0.5, p=0.0005)
    assert "ae is significantly worse than intensity, the strongest baseline here: -0.400 AUPRC [-0.500, -0.300]" in (
        _sentence(below, made_record("ae"), "intensity")
    )


def test_the_strongest_baseline_is_the_one_compared_with(tmp_path):
    records = [made_record(name, 0, auprc, **BOUND) for name, auprc in (("random", 0.02), ("z", 0.5), ("ae", 0.6))]
    for record in records:
        write_run(tmp_path, record)
    assert "z, the strongest baseline here: +0.100 AUPRC [0.100, 0.100]" in verdict(records, tmp_path)


@pytest.mark.parametrize(
    "records", [[made_record("ae")], [made_failure("ae")], [made_record("random"), made_failure("ae")]]
)
def test_a_failed_method_and_one_without_baselines_have_no_verdict(records, tmp_path):
    assert verdict(records, tmp_path) == ""


def test_after_a_failed_method_the_next_step_is_to_check_its_file_not_to_report(tmp_path: Path):
    record = made_failure("crashing")
    record = record.model_copy(update={"method": record.method.model_copy(update={"origin": "crashing.py"})})
    log = tmp_path / record.run / "method.log"
    log.parent.mkdir(parents=True)
    log.write_text("Traceback")
    assert list(next_steps(record, tmp_path, [Path("here/crashing.py")])) == [
        f"Traceback and output: {log}",
        "Next: uad-bench check-method here/crashing.py",
    ]
    assert list(next_steps(made_record("ae"), tmp_path)) == [
        f"Next: uad-bench report --task {record.task.name} -o report.html"
    ]
