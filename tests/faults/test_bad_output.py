"""Methods that return what they should not: refused with a reason, or stored as they should be."""

import numpy as np
import pytest

from tests.tiny_bench import TinyBench
from uad_bench.runs.score_maps import read_map

REFUSED = {
    "transposed": ("bad_output", "return batch.image[:, 0, :, :8]"),
    "an extra axis": ("bad_output", "return batch.image"),
    "one map for all": ("bad_output", "return batch.image[:1, 0, 0]"),
    "complex numbers": ("bad_output", "return batch.image[:, 0] * 1j"),
    "integers": ("bad_output", "return batch.image[:, 0].long()"),
    "an array of objects": ("bad_output", "import numpy; return numpy.full(batch.image[:, 0].shape, None)"),
    "text": ("bad_output", "return 'high'"),
    "nothing": ("bad_output", "return None"),
    "NaN in one voxel": ("nonfinite", "s = batch.image[:, 0].clone(); s[0, 7, 7] = float('nan'); return s"),
    "infinity": ("nonfinite", "s = batch.image[:, 0].clone(); s[-1, 3, 4] = float('inf'); return s"),
    "minus infinity": ("nonfinite", "s = batch.image[:, 0].clone(); s[0, 0, 0] = -float('inf'); return s"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_map_that_is_none_fails_the_method_with_a_reason(quick: TinyBench, what: str):
    reason, body = REFUSED[what]
    record = quick.run(quick.write("wrong", score=body))
    assert (record["status"], record["reason"], record["metrics"]) == ("failed", reason, [])


def test_a_wrong_shape_is_named_beside_the_expected_one(quick: TinyBench):
    record = quick.run(quick.write("wrong", score="return batch.image"))
    assert "shape (" in record["message"]
    assert "expected (" in record["message"]


def test_a_value_that_is_no_number_is_found_by_patient_slice_and_pixel(quick: TinyBench):
    entry = quick.write("wrong", score="s = batch.image[:, 0].clone(); s[1, 3, 4] = float('nan'); return s")
    message = quick.run(entry)["message"]
    first = quick.cohort.splits[0].val[0]
    assert f"score of {first}, slice {quick.cohort.scored_slices(first)[1]}, pixel (3, 4) is nan" in message


def test_a_constant_map_has_auroc_one_half_and_average_precision_of_the_prevalence(quick: TinyBench):
    record = quick.run(quick.write("flat", score="import torch; return torch.ones_like(batch.image[:, 0])"))
    value = {m["name"]: m["value"] for m in record["metrics"] if m["aggregation"] == "pooled" and m["policy"] is None}
    assert value["auroc"] == 0.5
    assert value["auprc"] == pytest.approx(value["prevalence"], abs=1e-12)
    assert {"kind": "constant", "count": 4} in record["warnings"]


def test_a_flipped_sign_is_shown_and_not_flipped_back(quick: TinyBench):
    def auroc(scale: float) -> float:
        record = quick.run(entry, settings=(f"scale={scale}",))
        return next(m["value"] for m in record["metrics"] if m["name"] == "auroc" and m["aggregation"] == "pooled")

    entry = quick.write("signed")
    assert auroc(-1.0) == pytest.approx(1 - auroc(1.0))
    assert auroc(-1.0) < 0.5


def test_double_precision_is_stored_as_float32_and_lost_ranks_are_said(quick: TinyBench):
    body = "s = batch.image[:, 0]; return 1 + 1e-12 * torch.arange(s.numel()).reshape(s.shape).double()"
    entry = quick.write("double", top="import torch", score=body)
    record = quick.run(entry)
    assert read_map(quick.folder_of(entry).map(quick.cohort.splits[0].test[0])).dtype == np.float32
    assert any("float64" in warning["kind"] for warning in record["warnings"])


def test_a_view_that_the_method_changes_later_does_not_change_the_stored_map(quick: TinyBench):
    keeps = "if hasattr(self, 'last'): self.last.fill_(1e6)\nself.last = batch.image[:, 0].clone()\nreturn self.last"
    later, sane = quick.write("later", score=keeps), quick.write("sane")
    quick.run(later)
    quick.run(sane)
    for patient in quick.cohort.splits[0].test:
        stored = [read_map(quick.folder_of(entry).map(patient)) for entry in (later, sane)]
        np.testing.assert_array_equal(*stored)


def test_writing_into_the_input_reaches_neither_the_prepared_slices_nor_the_next_method(quick: TinyBench):
    before, vandal = (
        quick.write("before"),
        quick.write("vandal", fit="train[0].image.fill_(7)", score="batch.image.fill_(7); return batch.image[:, 0]"),
    )
    after = quick.write("after")
    for entry in (before, vandal, after):
        quick.run(entry)
    for patient in quick.cohort.splits[0].test:
        stored = [quick.folder_of(entry).map(patient).read_bytes() for entry in (before, after)]
        assert stored[0] == stored[1]


def test_maps_of_a_method_that_fails_on_the_third_patient_are_kept_and_not_judged(quick: TinyBench):
    third = [*quick.cohort.splits[0].val, *quick.cohort.splits[0].test][2]
    entry = quick.write(
        "late", score=f"assert batch.keys[0].subject_id != {third!r}, 'not this one'\nreturn batch.image[:, 0]"
    )
    record, run = quick.run(entry), quick.folder_of(entry)
    assert (record["status"], record["reason"]) == ("failed", "crash")
    assert "not this one" in record["message"]
    assert len(list(run.maps.iterdir())) == 2
    assert not run.manifest.exists()
    assert not run.finished


def test_two_maps_more_or_less_than_asked_for_make_no_manifest(quick: TinyBench):
    entry = quick.write("fine")
    quick.run(entry)
    run, absent = quick.folder_of(entry), quick.cohort.splits[0].test[0]
    run.map(absent).unlink()
    from uad_bench.errors import MethodError
    from uad_bench.runs.trust import write_manifest

    with pytest.raises(MethodError, match=f"no score map for {absent}"):
        write_manifest(run, quick.cohort.splits[0].test)


@pytest.mark.parametrize(
    "error",
    [
        "torch.OutOfMemoryError('CUDA out of memory')",
        "MemoryError()",
        'RuntimeError("DefaultCPUAllocator: can\'t allocate memory")',
    ],
)
def test_a_framework_that_runs_out_of_memory_is_told_from_a_crash(quick: TinyBench, error: str):
    assert quick.run(quick.write("hungry", top="import torch", fit=f"raise {error}"))["reason"] == "oom"


def test_a_gpu_that_is_too_small_for_a_batch_gets_smaller_ones(quick: TinyBench):
    body = "if len(batch) > 2: raise torch.OutOfMemoryError('too large')\nreturn batch.image[:, 0]"
    small, large = quick.write("small", top="import torch", score=body), quick.write("large")
    assert quick.run(small)["status"] == "ok"
    quick.run(large)
    patient = quick.cohort.splits[0].test[0]
    np.testing.assert_array_equal(*[read_map(quick.folder_of(entry).map(patient)) for entry in (small, large)])


def test_an_error_of_ours_that_a_method_raises_is_still_the_methods_failure(quick: TinyBench):
    entry = quick.write("borrower", top="from uad_bench.errors import ConfigError", fit="raise ConfigError('mine')")
    record = quick.run(entry)
    assert (record["status"], record["reason"]) == ("failed", "crash")


def test_a_state_that_holds_no_tensors_is_refused(quick: TinyBench):
    record = quick.run(quick.write("stateful", state="return {'weights': [1, 2]}"))
    assert (record["reason"], "named tensors" in record["message"]) == ("bad_output", True)
