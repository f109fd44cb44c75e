import shutil

import pytest

from tests.made_results import made_failure, made_record, write_run
from tests.tiny_bench import SameProcess, TinyBench, gather_tiny

HOSTILE = '<script>alert("1")</script> a_b $x^2$ =cmd()'


@pytest.fixture
def many_runs(tmp_path):
    """Runs of two methods over seeds, one with a hostile name, the baselines, and one failure."""
    methods = (("random", 0.02), ("intensity", 0.4), ("ae", 0.6), (HOSTILE, 0.5))
    subjects = {"train": [], "val": [], "test": ["P1</script>", *(f"P{k:02d}" for k in range(12))]}
    runs = []
    for i, (method, auprc) in enumerate(methods):
        for seed in range(2):
            run = f"made/m{i}/seed{seed}-0123abcd"
            runs.append(write_run(tmp_path / "runs", made_record(method, seed, auprc, run=run, subjects=subjects)))
    failed = made_failure("broken", run="made/broken/seed0-0123abcd", subjects=subjects)
    return [*runs, write_run(tmp_path / "runs", failed)]


@pytest.fixture
def chromium():
    """The browser's command without anything that calls home, or a skip."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine")
    quiet = ["quic", "background-networking", "component-update", "sync", "gpu"]
    return [program, "--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)]


@pytest.fixture
def seen_runs(quick):
    """Two runs with maps on the tiny patients, whose images may be shown when asked for."""
    bright = quick.write("bright")
    dull = quick.write("dull", score="return (batch.image[:, 0] * 37.0) % 11.0")
    for entry in (bright, dull):
        assert quick.run(entry)["status"] == "ok"
    return [quick.folder_of(bright), quick.folder_of(dull)]


@pytest.fixture(scope="session")
def folded_runs(tiny_data, tmp_path_factory):
    """The same over two folds, whose validation patients and so thresholds differ; read-only for tests."""
    bench = TinyBench(gather_tiny(tiny_data, folds=2), tmp_path_factory.mktemp("folded"))
    bright = bench.write("bright")
    dull = bench.write("dull", score="return (batch.image[:, 0] * 37.0) % 11.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uad_bench.benchmark.runner.WorkerProcess", SameProcess)
        assert [bench.run(entry)["n_folds"] for entry in (bright, dull)] == [2, 2]
    return [bench.folder_of(bright), bench.folder_of(dull)]
