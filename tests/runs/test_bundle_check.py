"""A stranger's bundle is refused for whatever is wrong with it, and nothing of it reaches the disk or runs."""

import contextlib
import hashlib
import io
import json
import stat
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tiny_bench import SameProcess, TinyBench
from uad_bench.data.cohort import Cohort
from uad_bench.errors import ConfigError, UadBenchError, VerificationError
from uad_bench.runs.bundle import write_bundle
from uad_bench.runs.bundle_check import check_bundle

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def sound(tiny_cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound bundle with maps."""
    tiny = TinyBench(tiny_cohort, tmp_path_factory.mktemp("sound"))
    entry = tiny.write("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uad_bench.benchmark.runner.WorkerProcess", SameProcess)
        tiny.run(entry)
    write_bundle(tiny.folder_of(entry), tiny.folder / "a.zip", maps=True)
    write_bundle(tiny.folder_of(entry), tiny.folder / "weights.zip", weights=True)
    return tiny.folder / "a.zip"


@pytest.fixture(scope="module")
def sound_with_weights(sound: Path) -> Path:
    """A sound bundle with weights."""
    return sound.with_name("weights.zip")


def rewritten(sound: Path, change: Callable[[Members], object], *, index: bool = True) -> Path:
    """A bundle with changed members; by default its index fits them again, as a forger would see to."""
    with ZipFile(sound) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    if index:
        listed = json.loads(members["bundle.json"])
        listed["files"] = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in members.items()
            if name != "bundle.json"
        }
        members["bundle.json"] = json.dumps(listed).encode()
    forged = sound.with_name("forged.zip")
    with ZipFile(forged, "w", ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return forged


def edit(name: str, change: Callable[[dict], object]) -> Callable[[Members], object]:
    def apply(members: Members) -> None:
        document = json.loads(members[name])
        change(document)
        members[name] = json.dumps(document).encode()

    return apply


def first_map(members: Members) -> str:
    return next(name for name in members if name.startswith("maps/"))


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=array.dtype == object)
    return stream.getvalue()


def count_levels(members: Members) -> int:
    return np.load(io.BytesIO(members["levels.npy"])).size


def levels(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Members], object]:
    def apply(members: Members) -> None:
        members["levels.npy"] = npy(change(np.load(io.BytesIO(members["levels.npy"]))))

    return apply


class Marked:
    def __reduce__(self):
        return (Path.touch, (Path("marker"),))


FORGERIES: dict[str, tuple[str, Callable[[Members], object]]] = {
    "a number in the record": ("sealed", edit("record.json", lambda r: r["metrics"][0].update(value=0.99))),
    "a table": (
        "metrics.csv does not match the digest in the record",
        lambda m: m.update({"metrics.csv": m["metrics.csv"] + b"P9,1\n"}),
    ),
    "a path in the experiment": ("path", edit("experiment.json", lambda e: e.update(params={"x": "/home/me/data"}))),
    "a duplicate key": ("duplicate key", lambda m: m.update({"experiment.json": b'{"a": 1, "a": 2}'})),
    "NaN": ("NaN", lambda m: m.update({"experiment.json": b'{"a": NaN}'})),
    "a bomb of brackets": ("nested", lambda m: m.update({"experiment.json": b"[" * 100_000})),
    "a document that is a list": ("not a JSON object", lambda m: m.update({"record.json": b"[]"})),
    "an absent record": ("record.json", lambda m: m.pop("record.json")),
    "a script": ("unexpected file in bundle", lambda m: m.update({"setup.py": b"raise SystemExit"})),
    "a way out": ("unexpected file in bundle", lambda m: m.update({"../evil.npy": b""})),
    "an absolute name": ("unexpected file in bundle", lambda m: m.update({"/etc/evil": b""})),
    "a way out of maps": ("unexpected file in bundle", lambda m: m.update({"maps/../../evil.npy": b""})),
    "a map of floats": (
        "not an array of uint16",
        lambda m: m.update({first_map(m): npy(np.zeros((16, 16, 6), np.float32))}),
    ),
    "a map of objects": (
        "not an array of uint16",
        lambda m: m.update({first_map(m): npy(np.array([Marked()], object))}),
    ),
    "a map of another shape": ("has shape", lambda m: m.update({first_map(m): npy(np.zeros((16, 6, 16), np.uint16))})),
    "a map with a tail": ("trailing data", lambda m: m.update({first_map(m): m[first_map(m)] + b"tail"})),
    "a map of nobody": ("P99", lambda m: m.update({"maps/P99.npy": m[first_map(m)]})),
    "another format": ("format", edit("bundle.json", lambda b: b.update(format=2))),
    "a code without a level": (
        r"has code 65535, but levels.npy has \d+ levels",
        lambda m: m.update({first_map(m): npy(np.full((16, 16, 6), 65535, np.uint16))}),
    ),
    "the first code without a level": (
        r"has code (\d+), but levels.npy has \1 levels",
        lambda m: m.update({first_map(m): npy(np.full((16, 16, 6), count_levels(m), np.uint16))}),
    ),
    "absent levels": ("levels.npy", lambda m: m.pop("levels.npy")),
    "levels in another order": ("strictly increasing", levels(lambda levels: levels[::-1])),
    "equal levels": ("strictly increasing", levels(lambda levels: 0 * levels)),
    "a level that is not finite": ("finite", levels(lambda levels: np.append(levels, np.float32(np.inf)))),
    "too many levels": ("1 to 65536 levels", levels(lambda _: np.arange(65_537, dtype=np.float32))),
    "no level": ("1 to 65536 levels", levels(lambda levels: levels[:0])),
    "levels of objects": ("not an array of float32", levels(lambda _: np.array([Marked()], object))),
    "levels of doubles": ("not an array of float32", levels(np.float64)),
    "cut levels": ("truncated", lambda m: m.update({"levels.npy": m["levels.npy"][:-1]})),
}


def without_a_patient(members: Members) -> None:
    edit("checkpoint.json", lambda facts: facts["training_set"].popitem())(members)


def with_other_weights(members: Members) -> None:
    members["checkpoint.safetensors"] = b"x"
    edit("checkpoint.json", lambda facts: facts.update(sha256=hashlib.sha256(b"x").hexdigest()))(members)


WEIGHT_FORGERIES: dict[str, tuple[str, Callable[[Members], object]]] = {
    "other weights": (
        "checkpoint.safetensors does not match its digests",
        lambda m: m.update({"checkpoint.safetensors": b"x"}),
    ),
    "other weights with their digest": ("checkpoint.safetensors does not match its digests", with_other_weights),
    "a training patient that is kept quiet": ("lacks the signature of training patient", without_a_patient),
    "a path in the log": ("path", lambda m: m.update({"events.jsonl": b'{"event": "start", "x": "/home/me"}\n'})),
}


@pytest.mark.parametrize("what", WEIGHT_FORGERIES)
def test_forged_weights_and_logs_are_refused(sound_with_weights: Path, what: str):
    says, change = WEIGHT_FORGERIES[what]
    with pytest.raises(VerificationError, match=says):
        check_bundle(rewritten(sound_with_weights, change))


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_is_refused_and_named(sound: Path, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    says, change = FORGERIES[what]
    forged = rewritten(sound, change)
    with pytest.raises(VerificationError, match=says):
        check_bundle(forged)
    assert not list(tmp_path.iterdir())


def test_a_member_that_the_index_does_not_state_is_refused(sound: Path):
    changed = rewritten(sound, lambda m: m.update({"sweep.csv": b"x"}), index=False)
    with pytest.raises(VerificationError, match=r"'sweep.csv' does not match the index"):
        check_bundle(changed)


def test_a_member_that_the_index_states_and_that_is_not_there_is_refused(sound: Path):
    changed = rewritten(sound, lambda m: m.pop("metrics.csv"), index=False)
    with pytest.raises(VerificationError, match=r"'metrics.csv' is listed but absent"):
        check_bundle(changed)


def test_a_symbolic_link_is_refused(sound: Path, tmp_path: Path):
    link = ZipInfo("maps/P0.npy")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(VerificationError, match="link"):
        check_bundle(tmp_path / "link.zip")


def test_a_member_that_stands_twice_is_refused(tmp_path: Path):
    with ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("bundle.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("bundle.json", "{}")
    with pytest.raises(VerificationError, match="twice"):
        check_bundle(tmp_path / "twice.zip")


def test_a_bomb_is_refused_by_what_it_claims_before_any_of_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from uad_bench.runs import bundle_check

    monkeypatch.setattr(bundle_check, "LARGEST_MEMBER", 1000)
    with ZipFile(tmp_path / "bomb.zip", "w", ZIP_DEFLATED) as archive:
        archive.writestr("record.json", bytes(1001))
    with pytest.raises(VerificationError, match="claims 1001 bytes"):
        check_bundle(tmp_path / "bomb.zip")


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from uad_bench.runs import bundle_check

    monkeypatch.setattr(bundle_check, "MOST_MEMBERS", 2)
    with ZipFile(tmp_path / "many.zip", "w") as archive:
        for i in range(3):
            archive.writestr(f"maps/P{i}.npy", b"")
    with pytest.raises(VerificationError, match="too many"):
        check_bundle(tmp_path / "many.zip")


def test_a_file_that_is_absent_is_the_users_error(tmp_path: Path):
    with pytest.raises(ConfigError, match="No such file"):
        check_bundle(tmp_path / "absent.zip")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), cut=st.booleans())
def test_whatever_byte_of_a_bundle_is_changed_it_is_refused_in_one_sentence_or_still_sound(
    sound: Path, place: float, byte: int, cut: bool
):
    data = bytearray(sound.read_bytes())
    at = int(place * len(data))
    data[at:] = [byte] if cut else [byte, *data[at + 1 :]]
    sound.with_name("fuzzed.zip").write_bytes(data)
    with contextlib.suppress(UadBenchError):
        assert check_bundle(sound.with_name("fuzzed.zip")) == check_bundle(sound)
