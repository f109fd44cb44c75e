"""The verbs in Python: a class or an object from a session runs beside the baselines, with progress."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch

import uad_bench
from uad_bench.console import reporting
from uad_bench.errors import ConfigError, MethodError
from uad_bench.method import Modalities, Progress
from uad_bench.runs.folder import runs_folder

pytestmark = pytest.mark.usefixtures("no_processes")
SHIFT = 0.5


@dataclass
class MeanShift:
    """Distance from the mean of healthy slices."""

    gain: float = 1.0
    modalities = Modalities(fit=("flair",), score=("flair",))

    def fit(self, train, *, budget, compute):
        self.mean_ = torch.stack([train[i].image.mean() for i in range(len(train))]).mean()
        compute.report(Progress("thinking", 1, 1))
        return self

    def score(self, batch):
        return self.gain * (batch.image[:, 0] - self.mean_) + SHIFT

    def state_dict(self):
        return {"mean": self.mean_}

    def load_state_dict(self, state, *, compute):
        self.mean_ = state["mean"]
        return self


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def run(runs):
    """Function that runs on the tiny phantom."""
    return lambda method, **options: uad_bench.run(
        method, "phantom-tiny", **{"runs": runs, "baselines": False, **options}
    )


@pytest.fixture(scope="module")
def beside(tmp_path_factory, tiny_baselines):
    """A folder of runs that holds the baselines, and nothing that cannot share a table with them."""
    folder = tmp_path_factory.mktemp("beside") / "runs"
    return shutil.copytree(tiny_baselines, folder)


def test_an_object_gets_a_row_beside_the_baselines_and_is_left_fitted(run, beside, capsys):
    method = MeanShift(gain=2.0)
    result = run(method, baselines=True, runs=beside)
    assert [r.method.name for r in result.records][-1] == "mean-shift"
    assert result.record.method.params == {"gain": 2.0}
    assert {"random", "intensity"} < {r.method.name for r in result.records}
    assert -3 < float(method.mean_) < 3
    assert "mean-shift: thinking done" in capsys.readouterr().err


def test_a_class_takes_settings(run):
    assert run(MeanShift, settings={"gain": 3.0}).record.method.params == {"gain": 3.0}


def test_the_gain_of_a_score_changes_no_rank_metric(run):
    one, two = (run(MeanShift(gain=gain)).metric("auprc") for gain in (1.0, 4.0))
    assert one == pytest.approx(two, abs=1e-6)


def test_a_run_is_known_by_the_source_of_its_class_and_what_it_uses(run, monkeypatch):
    first = run(MeanShift())
    assert run(MeanShift()).path == first.path
    monkeypatch.setattr(sys.modules[__name__], "SHIFT", 0.75)
    assert run(MeanShift()).path != first.path


def test_the_variable_chooses_the_folder_of_runs_and_the_argument_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("UAD_BENCH_RUNS", str(tmp_path / "runs"))
    assert runs_folder() == tmp_path / "runs"
    with pytest.raises(ConfigError, match=f"nothing to report in {tmp_path / 'runs'}"):
        uad_bench.report()
    with pytest.raises(ConfigError, match="nothing to report in elsewhere"):
        uad_bench.report(runs="elsewhere")


def test_dir_lists_the_public_names_alone():
    assert dir(uad_bench) == sorted(uad_bench.__all__)


def test_folds_fit_the_same_object_anew(run):
    record = run(MeanShift(), folds=2, name="folded").record
    assert record.n_folds == 2


def test_a_failing_method_raises_and_leaves_its_traceback(run, runs):
    class Failing(MeanShift):
        def score(self, batch):
            raise KeyError("gone")

    with pytest.raises(MethodError, match=r"score raised KeyError: 'gone' \(test_api\.py:\d+, in score\).*method\.log"):
        run(Failing())
    (log,) = runs.glob("phantom-tiny/failing/*/method.log")
    assert "test_api.py" in log.read_text()


def test_the_session_keeps_its_random_state(run):
    before = torch.get_rng_state()
    run(MeanShift(gain=5.0))
    assert torch.equal(before, torch.get_rng_state())


def test_a_result_prints_as_the_table_and_knows_its_metrics(run):
    result = run(MeanShift())
    assert "AUPRC" in str(result)
    assert (result.path / "DONE").exists()
    with pytest.raises(ConfigError, match="unknown metric 'auprcc'; did you mean 'auprc'"):
        result.metric("auprcc")


def test_a_metric_without_its_policy_names_the_policies(run):
    result = run("random")
    with pytest.raises(ConfigError, match=r"dice needs a threshold policy: oracle, hFPR1, hFPR5, "):
        result.metric("dice")
    with pytest.raises(ConfigError, match="unknown threshold policy of dice 'hFPR4'; did you mean 'hFPR"):
        result.metric("dice", "hFPR4")
    with pytest.raises(ConfigError, match="unknown aggregation of auprc 'pool'; did you mean 'pooled'"):
        result.metric("auprc", aggregation="pool")
    assert result.metric("dice@oracle") == result.metric("dice", "oracle")


def test_a_result_is_a_data_frame_of_metrics_runs_or_patients(run):
    result = run("random")
    metrics = result.to_frame().set_index(["name", "policy", "aggregation"])["value"]
    assert metrics["dice", "oracle", "pooled"] == result.metric("dice", "oracle")
    (row,) = result.to_frame("runs").to_dict("records")
    assert (row["method"], row["auprc"]) == ("random", result.metric("auprc"))
    patients = result.to_frame("patients")
    assert tuple(patients.index) == result.record.subjects.test
    assert patients["auprc"].mean() == pytest.approx(result.metric("auprc", aggregation="mean"))
    with pytest.raises(ConfigError, match="unknown kind of rows 'patient'; did you mean 'patients'"):
        result.to_frame("patient")


def test_notebooks_get_a_fragment_and_no_page(run):
    result = run("random")
    for shown in (result, uad_bench.compare(result, run("intensity")), uad_bench.leaderboard("phantom")):
        fragment = shown._repr_html_()
        assert "<table>" in fragment
        assert "<html" not in fragment
        assert ":root" not in fragment


def test_text_has_no_colours_even_where_rich_sees_a_notebook(monkeypatch):
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = str(uad_bench.leaderboard("phantom"))
    assert "AUPRC" in text
    assert "\x1b" not in text


def test_progress_in_a_notebook_is_one_line_that_changes(monkeypatch):
    shown = []
    handle = SimpleNamespace(update=lambda content, *, raw: shown.append(content["text/plain"]))
    display = SimpleNamespace(display=lambda *_, **options: handle if options["display_id"] else None)
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell, display=display))
    with reporting() as reporter:
        reporter.start("ae")
        reporter(Progress("training", 1, 8))
        reporter(Progress("training", 8, 8))
    assert [line.partition(",")[0] for line in shown] == ["ae: training 1/8", "ae: training 8/8"]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: uad_bench.run("ae", fold=3), "unknown parameter of run 'fold'; did you mean 'folds'"),
        (lambda: uad_bench.score("x", plugin=[]), "unknown parameter of score 'plugin'; did you mean 'plugins'"),
        (lambda: uad_bench.evaluate("x", nam="y"), "unknown parameter of evaluate 'nam'; did you mean 'name'"),
        (
            lambda: uad_bench.compare("x", "y", metrics="z"),
            "unknown parameter of compare 'metrics'; did you mean 'metric'",
        ),
        (lambda: uad_bench.leaderboard(tsk="z"), "unknown parameter of leaderboard 'tsk'; did you mean 'task'"),
        (lambda: uad_bench.report(out="z"), "unknown parameter of report 'out'; did you mean 'output'"),
        (lambda: uad_bench.leaderboard("phantom").to("latx"), "unknown format 'latx'; did you mean 'latex'"),
    ],
)
def test_a_misspelt_name_gets_the_near_one(call, sentence):
    with pytest.raises(ConfigError, match=sentence):
        call()


def test_a_report_is_a_path_and_shows_itself(run, runs, tmp_path):
    page = uad_bench.report(run("random"), output=tmp_path / "new" / "r.html", images=False, runs=runs)
    assert page.path.read_text().startswith("<!doctype html>")
    assert os.fspath(page) == str(page) == str(tmp_path / "new" / "r.html")
    assert page._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')


def test_a_report_of_nothing_says_what_to_name(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing to report in .*: name runs, or a task that has runs"):
        uad_bench.report(runs=tmp_path)


def test_a_name_that_is_registered_is_refused(run):
    with pytest.raises(ConfigError, match="two methods have the name 'random'"):
        run(MeanShift(), name="random")


def test_settings_of_an_object_are_refused(run):
    with pytest.raises(ConfigError, match="settings gain: set the hyperparameters of an object when creating it"):
        run(MeanShift(), settings={"gain": 2.0})


def test_a_class_outside_the_contract_is_refused_at_once(run):
    with pytest.raises(ConfigError, match="str lacks modalities, fit, score"):
        run(str)


def test_a_plugin_file_is_named_by_its_path(run, tmp_path):
    from uad_bench.plugins.scaffold import write_method

    (file, _), _ = write_method("rare-voxels", kind="file", folder=tmp_path)
    assert run(str(file)).record.method.name == "rare-voxels"


def test_maps_of_a_run_can_be_judged_again_as_anybodys(run, runs, tmp_path):
    result = run("intensity")
    for role in ("val", "test"):
        (tmp_path / role).mkdir()
        for subject in getattr(result.record.subjects, role):
            shutil.copy(result.path / "maps" / f"{subject}.safetensors", tmp_path / role)
    places = {"threshold_maps": tmp_path / "val", "split": "dataset", "runs": runs}
    again = uad_bench.evaluate(tmp_path / "test", "phantom-tiny", name="again", **places)
    assert again.metric("auprc") == result.metric("auprc")


def test_the_leaderboard_prints_and_exports(run, beside):
    run(MeanShift(), runs=beside)
    board = uad_bench.leaderboard("phantom-tiny", runs=beside)
    assert "mean-shift" in str(board)
    assert board.to("csv").startswith("table,rank_first,rank_last,method,auprc,")
    assert any(name.startswith("mean-shift") for name in board.to_frame()["method"])


def test_two_results_are_compared_in_pairs(run):
    comparison = uad_bench.compare(run(MeanShift()), run("random"))
    assert "mean-shift" in str(comparison)
    (pair,) = comparison.to_frame().to_dict("records")
    assert {pair["first"], pair["second"]} == {"mean-shift", "random"}


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, uad_bench; print([m for m in ('torch', 'numpy', 'pydantic') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_verbs_are_listed():
    assert {"run", "score", "evaluate", "compare", "leaderboard", "report"} <= set(dir(uad_bench))


def test_an_unknown_verb_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'judge'"):
        uad_bench.judge
