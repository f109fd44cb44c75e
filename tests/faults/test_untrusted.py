"""No code of a stranger runs by reading a file: the ways in that Python offers do not stand in the sources."""

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import uad_bench
from tests.tiny_bench import TinyBench, write_patients
from uad_bench.errors import MethodError, UadBenchError
from uad_bench.runs.folder import find_runs
from uad_bench.runs.opening import open_run

PACKAGES = [Path(uad_bench.__file__).parent, Path(uad_bench.__file__).parents[1] / "methods" / "uad_methods"]
SOURCES = [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]
FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "yaml",
    "xmlrpc",
    "tarfile",
}
FORBIDDEN_CALLS = {"eval", "exec", "torch.load", "os.system", "np.load", "numpy.load", "__import__", "read_pickle"}


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


SAFE_KEYWORD = {"torch.load": "weights_only=True", "np.load": "allow_pickle=False", "numpy.load": "allow_pickle=False"}
"""What each call that can run code from a file must say so that it does not."""


def test_no_source_opens_a_way_for_code_in_data():
    assert len(SOURCES) > 100
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_bytes())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
                assert not {name.partition(".")[0] for name in names} & FORBIDDEN_MODULES, source
            if isinstance(node, ast.Call) and called(node) in FORBIDDEN_CALLS:
                assert called(node).endswith(".load"), source
                assert SAFE_KEYWORD[called(node)] in [ast.unparse(keyword) for keyword in node.keywords], source
            if isinstance(node, ast.keyword) and node.arg in {"allow_pickle", "shell"}:
                assert ast.unparse(node.value) == "False", source


def test_a_checkpoint_of_another_architecture_is_refused_with_a_reason(quick: TinyBench):
    entry = quick.write(
        "grown",
        top="import torch",
        state="return torch.nn.Linear(2, 2).state_dict()",
        load="torch.nn.Linear(3, 2).load_state_dict(state)",
    )
    quick.run(entry)
    run = quick.folder_of(entry)
    for file in (run.done, run.manifest, *run.maps.iterdir()):
        file.unlink()
    record = quick.run(entry)
    assert (record["status"], record["reason"]) == ("failed", "bad_checkpoint")
    assert "size mismatch" in record["message"]


def test_a_patient_whose_id_cannot_be_a_file_name_stops_the_run_before_any_training(tmp_path: Path):
    from tests.tiny_bench import gather_tiny
    from uad_bench.errors import DataError

    data = write_patients(tmp_path / "data")
    for file in [*data.rglob("P*_*.nii.gz")]:
        file.rename(file.with_name(f"=cmd({file.name[1]})<script>x\u202e{file.name[2:]}"))
    with pytest.raises(DataError, match="cannot be a file name"):
        gather_tiny(data)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), piece=st.binary(max_size=4), cut=st.booleans())
def test_whatever_byte_of_a_record_is_changed_it_is_read_or_refused_in_one_sentence(
    quick: TinyBench, place: float, piece: bytes, cut: bool
):
    entry = quick.write("fuzzed")
    run = quick.folder_of(entry)
    if not run.finished:
        quick.run(entry)
        (run.path / "whole").write_bytes(run.record.read_bytes())
    data = (run.path / "whole").read_bytes()
    at = int(place * len(data))
    run.record.write_bytes(data[:at] + piece + (b"" if cut else data[at + len(piece) :]))
    try:
        find_runs(quick.runner.root)
        open_run(quick.runner.root, "fuzzed").read_record()
    except UadBenchError as error:
        assert str(error)  # noqa: PT017 - the other way to end is to return


def test_a_map_of_objects_is_refused_and_not_unpickled(quick: TinyBench, tmp_path: Path):
    from uad_bench.runs.score_maps import read_map

    class Malicious:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "marker",))

    np.save(tmp_path / "map.npy", np.array([Malicious()], object), allow_pickle=True)
    with pytest.raises((ValueError, MethodError, UadBenchError)):
        read_map(tmp_path / "map.npy")
    assert not (tmp_path / "marker").exists()
