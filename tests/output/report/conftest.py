import shutil

import pytest

from tests.made_results import made_failure, made_record, write_run
from tests.tiny_bench import SameProcess, TinyBench, gather_tiny
from uad_bench.output.report.building import write_report

HOSTILE = '<script>alert("1")</script> a_b $x^2$ =cmd()'


@pytest.fixture
def many_runs(tmp_path):
    """Runs of two methods over seeds, one with a hostile name, the baselines, and one failure."""
    return write_many_runs(tmp_path / "runs")


def write_many_runs(folder):
    methods = (("random", 0.02), ("intensity", 0.4), ("ae", 0.6), (HOSTILE, 0.5))
    subjects = {"train": [], "val": [], "test": ["P1</script>", *(f"P{k:02d}" for k in range(12))]}
    runs = []
    for i, (method, auprc) in enumerate(methods):
        for seed in range(2):
            run = f"made/m{i}/seed{seed}-0123abcd"
            runs.append(write_run(folder, made_record(method, seed, auprc, run=run, subjects=subjects)))
    failed = made_failure("broken", run="made/broken/seed0-0123abcd", subjects=subjects)
    return [*runs, write_run(folder, failed)]


@pytest.fixture(scope="session")
def many_page(tmp_path_factory):
    """The page of such runs, and the folder of its figures."""
    folder = tmp_path_factory.mktemp("many")
    write_report(write_many_runs(folder / "runs"), folder / "report.html", images=False, figures=folder / "figures")
    return (folder / "report.html").read_text(), folder / "figures"


@pytest.fixture(scope="session")
def folded_page(folded_runs, tiny_data, tmp_path_factory):
    """The page of runs over folds, and the folder of its figures."""
    folder = tmp_path_factory.mktemp("folded-page")
    write_report(folded_runs, folder / "report.html", data=tiny_data, figures=folder / "figures")
    return (folder / "report.html").read_text(), folder / "figures"


@pytest.fixture
def chromium():
    """The browser's command without anything that calls home, or a skip."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine")
    quiet = ["quic", "background-networking", "component-update", "sync", "gpu"]
    return [program, "--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)]


@pytest.fixture(scope="session")
def seen_runs(tiny_cohort, tmp_path_factory):
    """Two runs with maps on the tiny patients, whose images may be shown when asked for; read-only for tests."""
    return two_runs(TinyBench(tiny_cohort, tmp_path_factory.mktemp("seen")))


@pytest.fixture(scope="session")
def folded_runs(tiny_data, tmp_path_factory):
    """The same over two folds, whose validation patients and so thresholds differ; read-only for tests."""
    return two_runs(TinyBench(gather_tiny(tiny_data, folds=2), tmp_path_factory.mktemp("folded")))


def two_runs(bench):
    bright = bench.write("bright")
    dull = bench.write("dull", score="return (batch.image[:, 0] * 37.0) % 11.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uad_bench.benchmark.runner.WorkerProcess", SameProcess)
        for entry in (bright, dull):
            assert bench.run(entry)["status"] == "ok"
    return [bench.folder_of(bright), bench.folder_of(dull)]
