"""Methods that crash, hang, flood, spy or spoil: each fails alone, and what the others store keeps its bytes."""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.tiny_bench import SameProcess, TinyBench, living, result_files
from uad_bench.cli.app import _run
from uad_bench.data.cohort import Cohort
from uad_bench.errors import MethodError, ResourceError
from uad_bench.execution.isolation import LOG_LIMIT, WorkerProcess
from uad_bench.execution.sandbox import isolation_available
from uad_bench.execution.scoring import DEPENDS
from uad_bench.plugins.registry import Entry
from uad_bench.runs.events import ENFORCED


@dataclass
class Fault:
    """What a method does, how it is judged, and what its message must hold."""

    reason: str
    says: str = ""
    top: str = ""
    fit: str = "pass"


FORGES = """
import os
for descriptor in range(3, 256):
    try:
        os.write(descriptor, b'{"event": "done", [[[\\n')
    except OSError:
        pass
"""
FAULTS = {
    "leaves in fit as if all were well, and a child behind": Fault(
        "crash",
        "exit code 0",
        fit="import os, time\nif os.fork() == 0: time.sleep(600)\nos._exit(0)",
    ),
    "exits at import": Fault("crash", "exit code 3", top="raise SystemExit(3)"),
    "reads address zero": Fault("signal 11", "SIGSEGV", top="import ctypes; ctypes.string_at(0)"),
    "writes into the harness's pipe": Fault("crash", "pipe", top=FORGES),
}
EXCEPTIONS = {
    "needs a package that is not there": Fault("unavailable: no_such_package", top="import no_such_package"),
    "asks for more memory than there is": Fault("oom", top="bytearray(1 << 60)"),
}


def check_failure(bench: TinyBench, fault: Fault) -> Entry:
    """The method, whose run has failed in this way."""
    entry = bench.write("faulty", top=fault.top, fit=fault.fit)
    record = bench.run(entry)
    assert (record["status"], record["reason"], record["metrics"]) == ("failed", fault.reason, [])
    assert fault.says in record["message"]
    assert not living(str(bench.folder))
    return entry


@pytest.mark.parametrize("what", FAULTS)
def test_the_failure_is_named_and_is_the_methods_alone(tiny: TinyBench, what: str):
    check_failure(tiny, FAULTS[what])


@pytest.mark.parametrize("what", EXCEPTIONS)
def test_an_exception_is_named_by_its_kind(quick: TinyBench, what: str):
    check_failure(quick, EXCEPTIONS[what])


def test_the_traceback_of_an_exception_leaves_the_process_and_is_in_the_runs_events(tiny: TinyBench):
    entry = check_failure(tiny, Fault("crash", "ValueError: it broke", fit="raise ValueError('it broke')"))
    (event,) = tiny.events(entry, "failed")
    assert "faulty.py" in event["notes"][0]
    assert "ValueError: it broke" in event["notes"][0]


@pytest.mark.slow
def test_a_method_that_hangs_with_the_interpreter_and_ignores_requests_is_killed_with_its_children(tiny: TinyBench):
    hang = """
    import ctypes, signal, subprocess, sys
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stays = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", stays, __file__])
    ctypes.PyDLL(None).sleep(600)
    """
    entry = tiny.write("hanging", top=hang)
    tiny.limit(seconds=1)
    started = time.monotonic()
    record = tiny.run(entry)
    assert (record["status"], record["reason"]) == ("failed", "timeout")
    assert "1 s" in record["message"]
    assert not tiny.folder_of(entry).log.exists()  # nothing was printed, and there is no traceback
    assert time.monotonic() - started < 600
    assert not living("hanging.py")


def test_memory_over_the_limit_ends_the_method_and_not_the_harness(tiny: TinyBench):
    entry = tiny.write("greedy", top="import time\nkept = bytearray(b'x') * (400 << 20)\ntime.sleep(600)")
    tiny.limit(memory_mib=300)
    record = tiny.run(entry)
    assert (record["reason"], "over the limit of 300 MiB" in record["message"]) == ("oom", True)


@pytest.mark.slow
def test_a_gigabyte_of_output_neither_blocks_nor_fills_the_disk(tiny: TinyBench):
    flood = "import os, sys\nfor _ in range(1024): os.write(1, b'x' * (1 << 20))\nraise ValueError('after the flood')"
    entry = tiny.write("talker", top=flood)
    assert "after the flood" in tiny.run(entry)["message"]
    log = tiny.folder_of(entry).log.read_bytes()
    assert set(log[:LOG_LIMIT]) == {ord("x")}
    assert log[LOG_LIMIT:].startswith(b"Traceback")


SPY = """
import ctypes, os, subprocess
from pathlib import Path
import numpy, torch
seen = {{
    "open": lambda: open({label!r}, "rb"),
    "open by another name": lambda: open({link!r}, "rb"),
    "list the patient": lambda: os.listdir({folder!r}),
    "list the cohort": lambda: os.listdir(os.path.dirname({folder!r})),
    "open the source image": lambda: open({image!r}, "rb"),
    "list the cached references": lambda: os.scandir({references!r}),
    "map by numpy": lambda: numpy.memmap({label!r}),
    "list other runs": lambda: os.listdir({runs!r}),
}}
unseen = {{
    "map by torch": lambda: torch.from_file({label!r}, size=9, dtype=torch.uint8),
    "open by the C library": lambda: os.read(ctypes.CDLL(None).open({label!r}.encode(), 0), 9),
    "ask a program": lambda: subprocess.run(["cat", {label!r}], check=True),
    "ask a shell": lambda: 1 / (os.system("cat < '" + {label!r} + "'") == 0),
    "add prepared slices": lambda: Path({slices!r}, "mine").write_bytes(b""),
}}
outcomes = []
for name, attempt in ({{**seen, **unseen}} if {enforced} else seen).items():
    try:
        attempt()
        outcomes.append(name)
    except Exception:
        pass
raise ValueError("succeeded: " + repr(outcomes))
"""


def test_labels_are_out_of_reach_and_attempts_from_python_are_noted(tiny: TinyBench, cache: Path, tmp_path: Path):
    subject = tiny.cohort.subjects["P0"]
    assert subject.label
    (link := tmp_path / "innocent.bin").symlink_to(subject.label.path)
    for folder in ("references", "slices"):
        (cache / folder).mkdir(exist_ok=True)
    places = {"label": subject.label.path, "link": link, "folder": subject.label.path.parent}
    places |= {"image": subject.images["flair"].path, "references": cache / "references", "slices": cache / "slices"}
    texts = {key: str(path) for key, path in {**places, "runs": tiny.folder / "runs"}.items()}
    entry = tiny.write("spy", top=SPY.format(**texts, enforced=isolation_available() in ENFORCED))
    record = tiny.run(entry)
    assert "succeeded: []" in record["message"]
    assert len(tiny.events(entry, "label_access")) == 8
    assert record["environment"]["isolation"] == isolation_available()
    assert [w["kind"] for w in record["warnings"]] == ["label_access"]


BUILDS = """
import torch
def double(x):
    return 2 * x + 1
x = torch.arange(6.0)
assert torch.equal(torch.compile(double)(x), double(x))
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), num_workers=2)
assert torch.equal(torch.cat([batch for (batch,) in loader]), x)
"""


@pytest.mark.slow
def test_compiled_code_and_loader_processes_work_in_isolation(tiny: TinyBench):
    record = tiny.run(tiny.write("builder", fit=BUILDS))
    assert record["status"] == "ok", record["message"]
    assert record["environment"]["isolation"] == isolation_available()


@pytest.mark.slow
def test_the_harness_follows_no_link_that_a_method_leaves(tiny: TinyBench, tmp_path: Path):
    (secret := tmp_path / "secret").write_text("kept")
    links = f"""
        import pathlib
        run = pathlib.Path(pathlib.Path({str(tmp_path / "where")!r}).read_text())
        (run / "method.log").unlink(missing_ok=True)
        for name in ("method.log", "maps/P9.npy"):
            (run / name).symlink_to({str(secret)!r})
        print("overwritten", flush=True)
    """
    entry = tiny.write("linker", fit=links)
    (tmp_path / "where").write_text(str(tiny.folder_of(entry).path))
    record = tiny.run(entry)
    assert "left a link in its run folder" in record["message"]
    assert record["reason"] == "bad_output"
    assert secret.read_text() == "kept"


def test_no_label_nor_source_path_is_in_what_a_method_is_told(quick: TinyBench, monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    monkeypatch.setattr(SameProcess, "work", lambda _, assignment: told.append(repr(assignment)) or iter(()))
    quick.run(quick.write("told"))
    roots = {str(subject.images["flair"].path.parent.parent) for subject in quick.cohort.subjects.values()}
    assert told
    assert not any(root in text or "_seg" in text for root in roots for text in told)


@pytest.mark.slow
def test_what_others_store_is_byte_equal_with_and_without_a_method_that_changes_all_global_state(
    tiny_cohort: Cohort, tmp_path: Path
):
    draws = (
        "import torch, numpy, random; return batch.image[:, 0] + torch.rand(1) + numpy.random.rand() + random.random()"
    )
    spoils = """
    import locale, os, random, sys, warnings
    import numpy, torch
    numpy.random.seed(1); random.seed(1); torch.manual_seed(1)
    torch.set_default_dtype(torch.float64); os.chdir("/"); os.environ["OMP_NUM_THREADS"] = "7"
    warnings.simplefilter("error"); sys.path.clear(); numpy.seterr(all="raise")
    open(os.path.join(os.path.dirname(__file__), "spoiled"), "w").close()
    """
    alone, beside = (TinyBench(tiny_cohort, tmp_path / name) for name in ("alone", "beside"))
    first = [bench.write("first", score=draws) for bench in (alone, beside)]
    alone.run(first[0])
    spoiler = beside.write("spoiler", fit=spoils, score="raise ValueError")
    assert beside.run(spoiler)["status"] == "failed"
    assert (tmp_path / "beside" / "plugins" / "spoiled").exists()
    beside.run(first[1])
    assert result_files(alone.folder_of(first[0])) == result_files(beside.folder_of(first[1]))
    assert len(result_files(alone.folder_of(first[0]))) == 9


def test_a_process_that_cannot_be_started_is_a_lack_of_resources(tiny: TinyBench, monkeypatch: pytest.MonkeyPatch):
    from uad_bench.execution import isolation

    def full(*_: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(isolation, "_start", full)
    with pytest.raises(ResourceError, match="temporarily unavailable"):
        tiny.run(tiny.write("any"))


@pytest.mark.slow
@pytest.mark.parametrize(("free", "kind"), [(1 << 40, "crash"), (1 << 20, ResourceError)], ids=["roomy", "full"])
def test_a_full_disk_is_believed_only_where_there_is_one(
    tiny: TinyBench, monkeypatch: pytest.MonkeyPatch, free: int, kind: str | type[ResourceError]
):
    entry = tiny.write("liar", fit="from uad_bench.errors import ResourceError; raise ResourceError('no space left')")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    if kind == "crash":
        record = tiny.run(entry)
        assert (record["status"], record["reason"]) == ("failed", "crash")
        assert "no space left (but the disk has space)" in record["message"]
    else:
        with pytest.raises(kind, match="no space left"):
            tiny.run(entry)


def test_a_worker_is_not_misled_by_a_stranger_module_and_leaves_no_zombie_and_no_pipe(
    tiny: TinyBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "uad_bench.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with WorkerProcess(tiny.write("plain")) as worker:
        assert worker.describe({}, ("flair", "t2")).fit == ("flair",)
    assert worker._process.returncode is not None
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_wrong_hyperparameter_is_the_users_error_and_not_the_methods(tiny: TinyBench):
    from uad_bench.errors import ConfigError

    with WorkerProcess(tiny.write("plain")) as worker, pytest.raises(ConfigError, match="did you mean 'scale'"):
        worker.describe({"scal": 1}, ("flair", "t2"))


def test_a_plugin_file_that_is_gone_is_unavailable(tiny: TinyBench):
    entry = tiny.write("plain")
    assert entry.file
    entry.file.unlink()
    with WorkerProcess(entry) as worker, pytest.raises(MethodError):
        worker.describe({}, ("flair", "t2"))


@pytest.mark.slow
def test_limits_are_options_of_the_command(tiny: TinyBench, capsys: pytest.CaptureFixture[str]):
    plugin = tiny.write("slow", top="import time; time.sleep(600)").file
    words = ["run", "-m", "slow", "--plugin", str(plugin), "--task", "phantom-tiny", "--no-baselines"]
    assert _run([*words, "--runs", str(tiny.folder / "runs"), "--time-limit", "0.5"], debug=False) == 2
    assert "FAILED(timeout)" in capsys.readouterr().out


@pytest.mark.slow
def test_attempts_and_dependent_scores_are_said_on_standard_error_and_kept_in_the_record(
    tiny: TinyBench, capsys: pytest.CaptureFixture[str]
):
    spies = """
    import os
    from uad_bench.data.cache import cache_root
    try:
        os.listdir(cache_root() / "references")
    except OSError:
        pass
    """
    plugin = tiny.write("spy", top=spies, score="x = batch.image[:, 0]; return x / x.abs().mean()").file
    words = ["run", "-m", "spy", "--plugin", str(plugin), "--task", "phantom-tiny", "--no-baselines", "--json"]
    assert _run([*words, "--runs", str(tiny.folder / "runs")], debug=False) == 0
    shown = capsys.readouterr()
    assert "spy: warning: tried to read labels or source images (1 x)" in shown.err
    assert "spy: warning: scores depend on the batch or on other cases (difference" in shown.err
    assert [w["kind"].partition(" (")[0] for w in json.loads(shown.out)["warnings"]] == ["label_access", DEPENDS]
