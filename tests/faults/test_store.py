"""The runs folder under attack: two harnesses, damaged files, full and forbidden places."""

import errno
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.tiny_bench import TinyBench, result_files
from uad_bench.benchmark.runner import Runner
from uad_bench.errors import ConfigError, LeakError, ResourceError
from uad_bench.runs.events import Repaired
from uad_bench.runs.folder import find_runs

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.mark.slow
def test_two_harnesses_on_one_run_twenty_times_do_the_work_once_and_agree(quick: TinyBench):
    entry = quick.write("shared")
    for round_ in range(20):
        quick.runner = Runner(root=quick.folder / f"runs{round_}")
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(lambda _: quick.run(entry), range(2))
        assert first == second
        assert len(quick.events(entry, "start")) == len(quick.events(entry, "end")) == 1


def test_four_harnesses_with_different_methods_share_one_store(quick: TinyBench):
    entries = [quick.write(f"method{i}", score=f"return batch.image[:, 0] + {i}") for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        records = list(pool.map(quick.run, entries))
    assert [record["status"] for record in records] == ["ok"] * 4
    assert len(find_runs(quick.runner.root, "tiny")) == 4


def test_a_held_run_is_refused_with_the_pid_of_its_holder_or_waited_for(quick: TinyBench):
    run = quick.folder_of(quick.write("held"))
    waits: list[str] = []
    with run.lock():
        with pytest.raises(ConfigError, match=f"process {os.getpid()} is working"), run.lock():
            pass

        def give_up(pid: str) -> None:
            waits.append(pid)
            raise TimeoutError

        with pytest.raises(TimeoutError), run.lock(waiting=give_up):
            pass
    assert waits == [str(os.getpid())]


def test_the_lock_of_a_dead_process_is_taken_over_and_the_log_names_the_dead(quick: TinyBench):
    entry = quick.write("orphan")
    run = quick.folder_of(entry)
    pid = os.fork()
    if not pid:
        with run.lock():
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert quick.run(entry)["status"] == "ok"
    (start,) = quick.events(entry, "start")
    assert start["after_death_of"] == str(pid)


DAMAGED = ["record.json", "metrics.csv", "sweep.csv", "replicates.npy", "checkpoint.safetensors", "maps"]


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("size", [0, 0.7])
def test_a_finished_run_whose_file_was_cut_is_repaired_to_the_same_bytes(quick: TinyBench, name: str, size: float):
    entry = quick.write("cut")
    before = quick.run(entry)
    run = quick.folder_of(entry)
    undisturbed = result_files(run)
    file = next(run.maps.iterdir()) if name == "maps" else run.path / name
    os.truncate(file, int(size * file.stat().st_size))
    if name == "checkpoint.safetensors":
        run.done.unlink()  # of a finished run only the results are looked at
    after = quick.run(entry)
    assert [event["file"].rpartition("/")[2] for event in quick.events(entry, "repaired")] == [file.name]
    assert result_files(run) == undisturbed
    assert after["metrics"] == before["metrics"]


def test_an_edited_number_in_a_record_is_found_and_computed_anew(quick: TinyBench):
    entry = quick.write("edited")
    before = quick.run(entry)
    run = quick.folder_of(entry)
    forged = json.loads(run.record.read_text())
    forged["metrics"][0]["value"] = 0.999
    run.record.write_text(json.dumps(forged))
    assert quick.run(entry)["metrics"] == before["metrics"]
    assert [event["file"] for event in quick.events(entry, "repaired")] == ["record.json"]


def test_one_flipped_bit_of_a_map_is_found_when_an_unfinished_run_goes_on(quick: TinyBench):
    entry = quick.write("flipped")
    quick.run(entry)
    run = quick.folder_of(entry)
    undisturbed = result_files(run)
    flip(next(run.maps.iterdir()), -1)
    run.done.unlink()
    run.manifest.unlink()
    quick.run(entry)
    assert result_files(run) == undisturbed
    assert len(quick.events(entry, "repaired")) == 1


def test_a_run_whose_maps_were_removed_to_save_space_is_still_shown(quick: TinyBench):
    entry = quick.write("slim")
    record = quick.run(entry)
    run = quick.folder_of(entry)
    for file in run.maps.iterdir():
        file.unlink()
    assert quick.run(entry) == record
    assert not quick.events(entry, "repaired")


def test_maps_of_another_checkpoint_are_scored_anew(quick: TinyBench):
    draws = {
        "top": "import os, torch",
        "state": "return {'drawn': self.drawn_}",
        "load": "self.drawn_ = state['drawn']",
    }
    entry = quick.write(
        "drawing", fit="self.drawn_ = torch.frombuffer(bytearray(os.urandom(4)), dtype=torch.uint8)", **draws
    )
    quick.run(entry)
    run = quick.folder_of(entry)
    for file in (run.done, run.manifest, run.checkpoint):
        file.unlink()
    quick.run(entry)
    assert len(quick.events(entry, "scored")) == 8


def test_a_checkpoint_that_learned_from_a_judged_patient_is_refused(quick: TinyBench):
    entry = quick.write("leaking")
    quick.run(entry)
    run, description = quick.folder_of(entry), quick.folder_of(entry).checkpoint.with_suffix(".json")
    said = json.loads(description.read_text())
    said["training_set"] = {quick.cohort.splits[0].test[0]: "x"}
    description.write_text(json.dumps(said))
    for file in (run.done, run.manifest, *run.maps.iterdir()):
        file.unlink()
    with pytest.raises(LeakError, match=quick.cohort.splits[0].test[0]):
        quick.run(entry)


@pytest.mark.parametrize("failing", ["map", "record"])
def test_a_full_disk_is_a_lack_of_resources_that_leaves_nothing_half_written(
    quick: TinyBench, failing: str, monkeypatch: pytest.MonkeyPatch
):
    entry = quick.write("large")
    run = quick.folder_of(entry)
    fsync, room = os.fsync, {"map": 5, "record": 24}[failing]

    def full(descriptor: int) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ResourceError, match="free some space and run the same command again"):
            quick.run(entry)
    assert not list(run.path.rglob("*.part"))
    assert not run.finished
    assert quick.run(entry)["status"] == "ok"


def test_a_file_size_limit_met_inside_numpy_is_a_lack_of_resources(tmp_path: Path):
    pid = os.fork()
    if not pid:
        os._exit(_store_too_much(tmp_path))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == ResourceError.exit_code
    assert not list(tmp_path.iterdir())


def _store_too_much(folder: Path) -> int:
    import resource

    import numpy as np

    from uad_bench.runs.score_maps import save_map

    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        save_map(folder / "map.safetensors", np.arange(1e5, dtype=np.float32).reshape(100, 100, 10))
    except ResourceError as error:
        return error.exit_code
    return 0


def test_a_runs_folder_that_is_a_file_is_refused_before_anything_starts(quick: TinyBench, tmp_path: Path):
    (tmp_path / "file").touch()
    quick.runner = Runner(root=tmp_path / "file")
    with pytest.raises(ConfigError, match="choose another place"):
        quick.run(quick.write("any"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("started", [False, True])
def test_a_runs_folder_without_permission_is_refused_before_anything_starts(quick: TinyBench, started: bool):
    entry = quick.write("any")
    run = quick.folder_of(entry)
    run.create() if started else quick.runner.root.mkdir()
    for folder in [quick.folder, *quick.folder.parents][:3]:
        folder.chmod(0o755)
    pid = os.fork()
    if not pid:
        os.setuid(65534)
        try:
            with run.lock():
                os._exit(0)
        except ConfigError as error:
            os._exit(9 if "ermission denied" in str(error) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


def test_a_log_line_that_a_crash_cut_is_closed_and_left_out(quick: TinyBench):
    entry = quick.write("cut")
    run = quick.folder_of(entry).create()
    run.append(Repaired(file="first"))
    with run.events.open("ab") as file:
        file.write(b'{"time": "2026-01-01T00:00:00Z", "event": "sco')
    run.append(Repaired(file="second"))
    assert [event.file for event in run.read_events()] == ["first", "second"]


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)
