"""The cost of a run from its events, the energy counters, and the kernel that machines are compared by."""

import time

import pytest

from uad_bench.execution import calibration
from uad_bench.execution.calibration import KERNELS, calibrate
from uad_bench.execution.energy import EnergyCounter, gpu_counter, joules_between, package_counters, read_counters
from uad_bench.execution.meter import Meter
from uad_bench.runs.cost import cost_of, cost_of_folds


def scored(subject: str, seconds: float, *, slices: int = 10, **more):
    return {"event": "scored", "subject": subject, "seconds": seconds, "slices": slices, **more}


def fit(seconds: float = 60.0, **more):
    return {"event": "fit", "seconds": seconds, **more}


START, FITTED = {"event": "start"}, {"event": "fitted"}


def test_scoring_is_timed_without_the_first_subject_of_each_rank():
    events = [
        START,
        fit(),
        scored("a", 9, rank=0),
        scored("b", 7, rank=1),
        scored("c", 1, rank=0),
        scored("d", 3, rank=1),
    ]
    cost = cost_of(events)
    assert cost["score_s_per_volume"] == 2.0
    assert cost["score_s_per_slice"] == pytest.approx(0.2)
    assert cost["fit_s"] == 60.0


def test_after_an_interruption_the_next_first_subject_is_cold_again():
    cost = cost_of([START, scored("a", 9), scored("b", 1), START, scored("c", 8), scored("d", 3)])
    assert cost["score_s_per_volume"] == 2.0
    assert cost["resumed"]


def test_a_single_subject_is_better_than_no_time():
    assert cost_of([START, scored("a", 4)])["score_s_per_volume"] == 4.0


def test_processor_time_is_all_work_or_nothing():
    assert cost_of([fit(cpu_seconds=10.0), scored("a", 1, cpu_seconds=2.0)])["cpu_s"] == 12.0
    assert cost_of([fit(cpu_seconds=10.0), scored("a", 1)])["cpu_s"] is None


def test_a_subject_that_was_scored_twice_counts_once():
    assert cost_of([scored("a", 1, cpu_seconds=5.0), scored("a", 1, cpu_seconds=2.0)])["cpu_s"] == 2.0


def test_gpu_seconds_are_those_for_which_gpus_were_held():
    events = [fit(50.0, ranks=4, peak_cuda_mib=900.0), scored("a", 3.0, peak_cuda_mib=1000.0)]
    assert cost_of(events)["gpu_s"] == 4 * 50 + 3
    assert cost_of(events)["peak_cuda_mib"] == 1000.0
    assert cost_of([fit(50.0), scored("a", 3.0)])["gpu_s"] is None


def test_energy_is_left_out_where_one_part_was_not_counted():
    both = {"cpu": 5.0, "gpu": 7.0}
    whole = cost_of([fit(energy_j=both), scored("a", 1, energy_j=both)])
    assert (whole["energy_j"], whole["energy_of"]) == (24.0, ["cpu", "gpu"])
    partly = cost_of([fit(energy_j=both), scored("a", 1, energy_j={"gpu": 1.0})])
    assert (partly["energy_j"], partly["energy_of"]) == (8.0, ["gpu"])
    assert cost_of([fit(energy_j=both), scored("a", 1)])["energy_j"] is None


def test_costs_of_folds_add_up_but_memory_and_speed_do_not():
    folds = [cost_of([fit(s, cpu_seconds=s), scored("a", s, cpu_seconds=0.0, peak_rss_mib=s)]) for s in (10.0, 30.0)]
    merged = cost_of_folds(folds)
    assert (merged["fit_s"], merged["cpu_s"], merged["peak_rss_mib"]) == (40.0, 40.0, 30.0)
    assert merged["score_s_per_volume"] == 20.0
    assert merged["energy_j"] is None


def test_a_counter_that_starts_again_at_zero_is_followed():
    counter = EnergyCounter("cpu", lambda: 0.0, range=100.0)
    assert joules_between([counter], [90.0], [5.0]) == {"cpu": 15.0}


def test_packages_are_added_and_a_silent_one_silences_its_source():
    counters = [EnergyCounter("cpu", lambda: 0.0), EnergyCounter("cpu", lambda: 0.0), EnergyCounter("gpu", lambda: 0.0)]
    assert joules_between(counters, [1.0, 2.0, 3.0], [2.0, 4.0, 9.0]) == {"cpu": 3.0, "gpu": 6.0}
    assert joules_between(counters, [1.0, 2.0, 3.0], [2.0, None, 9.0]) == {"gpu": 6.0}


def test_packages_are_read_from_the_system_but_not_their_parts(tmp_path):
    for zone, energy in (("intel-rapl:0", 7_000_000), ("intel-rapl:0:0", 1), ("intel-rapl:1", 9_000_000)):
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "energy_uj").write_text(f"{energy}\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("262143328850\n")
    counters = package_counters(tmp_path)
    assert read_counters(counters) == [7.0, 9.0]
    assert counters[0].range == pytest.approx(262143.33, abs=0.01)
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    assert len(package_counters(tmp_path)) == 1
    assert package_counters(tmp_path / "absent") == []


class FakeNvml:
    """Counts 1.5 J at every look, unless it refuses."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.millijoules, self.refuses = 0, refuses

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, handle) -> int:
        return 0 if uuid == b"GPU-7" else 6

    def nvmlDeviceGetTotalEnergyConsumption(self, handle, energy) -> int:
        self.millijoules += 1500
        energy._obj.value = self.millijoules
        return 3 if self.refuses else 0


def test_a_gpu_tells_its_energy_in_joules():
    (counter,) = gpu_counter("GPU-7", FakeNvml())
    first = counter.read()
    assert counter.read() - first == pytest.approx(1.5)


def test_a_gpu_without_a_counter_says_nothing():
    assert gpu_counter("GPU-7", FakeNvml(refuses=True)) == []
    assert gpu_counter("GPU-8", FakeNvml()) == []
    assert gpu_counter("GPU-7", object()) == []


def test_a_span_measures_its_own_work_alone():
    readings = iter([10.0, 12.5])
    meter = Meter("cpu", [EnergyCounter("cpu", lambda: next(readings))])
    burnt = time.process_time()
    while time.process_time() - burnt < 0.1:
        pass
    with meter.span() as spent:
        time.sleep(0.05)
    assert spent["seconds"] >= 0.05
    assert spent["cpu_seconds"] < 0.1
    assert spent["energy_j"] == {"cpu": 2.5}
    assert spent["peak_rss_mib"] > 10
    assert "peak_cuda_mib" not in spent


def test_the_kernels_work_is_counted_in_closed_form():
    kernel = KERNELS["cpu"]
    assert kernel.matmul_flop == 2 * kernel.side**3
    per_output = 2 * 9 * kernel.channels
    assert kernel.convolution_flop == per_output * kernel.slices * kernel.channels * kernel.size**2


def test_calibration_is_the_best_repeat_of_known_work(monkeypatch):
    monkeypatch.setattr(calibration, "_best", lambda work, device: 0.5)
    speed = calibrate.__wrapped__("cpu")
    kernel = KERNELS["cpu"]
    assert speed == {"matmul_gflops": kernel.matmul_flop / 5e8, "conv_gflops": kernel.convolution_flop / 5e8}


def test_this_machine_computes():
    assert all(value > 0 for value in calibrate("cpu").values())
