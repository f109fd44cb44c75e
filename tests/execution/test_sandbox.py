"""Every road to a label ends at the sandbox, of each kind that this machine allows; what a method needs stays open."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.execution.roads import ROADS, SECRET, Places
from uad_bench.errors import ConfigError
from uad_bench.execution.access import AccessPolicy
from uad_bench.execution.sandbox import VARIABLE, Sandbox, _works, isolation_available
from uad_bench.runs.events import ENFORCED, KINDS, MEANING, Isolated, Isolation, Start, isolation_of, weakest

CLOSED_ANYWAY = {"a file handle", "an inherited descriptor"}
"""Roads that lead nowhere without isolation either: the first is for root alone."""


def make_places(root: Path) -> Path:
    """A label, another run, a cache, code and an own folder."""
    for file in ("data/A/label", "runs/other/map", "cache/references/x", "cache/supervision/x"):
        (root / file).parent.mkdir(parents=True)
        (root / file).write_bytes(SECRET)
    for folder in ("runs/own", "cache/slices", "code"):
        (root / folder).mkdir()
    (root / "cache/slices/x").write_text("prepared")
    shutil.copy(Path(__file__).with_name("roads.py"), root / "code")
    return root


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_places(tmp_path_factory.mktemp("sandbox"))


def access(place: Path) -> AccessPolicy:
    hidden = {str(place / name) for name in ("data", "data/A", "runs", "cache")}
    return AccessPolicy(
        hidden=frozenset(hidden),
        read_only=frozenset({str(place / "cache/slices")}),
        writable=frozenset({str(place / "runs/own"), "/dev"}),
    )


@pytest.fixture(scope="module", params=sorted(ENFORCED))
def kind(request: pytest.FixtureRequest) -> Isolation:
    if not _works(request.param):
        pytest.skip(f"this machine has no {request.param}")
    return request.param


@pytest.fixture(scope="module")
def sandbox(place: Path, kind: Isolation) -> Iterator[Sandbox]:
    shutil.rmtree(place / "runs/own")
    (place / "runs/own").mkdir()
    opened = Sandbox(access(place), kind)
    yield opened
    opened.close()


def printed(sandbox: Sandbox, *words: str) -> str:
    with sandbox.start(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        return process.stdout.read().decode()


def tried(sandbox: Sandbox, place: Path) -> dict[str, bool]:
    """By road whether it led anywhere; this process holds the label in memory, open, and as its working folder."""
    before = Path.cwd()
    memory = ctypes.create_string_buffer(SECRET)
    files = (
        "data/A/label",
        "runs/other/map",
        "cache/references/x",
        "cache/supervision/x",
        "cache/slices/x",
        "runs/own",
    )
    with (place / "data/A/label").open("rb") as held:
        os.set_inheritable(held.fileno(), True)
        os.chdir(place / "data/A")
        at = Places(*(str(place / file) for file in files), os.getpid(), held.fileno(), ctypes.addressof(memory))
        program = str(place / "code" / "roads.py")
        try:
            return json.loads(printed(sandbox, sys.executable, program, json.dumps(at)))
        finally:
            os.chdir(before)


@pytest.fixture(scope="module")
def succeeded(place: Path, sandbox: Sandbox) -> dict[str, bool]:
    return tried(sandbox, place)


@pytest.mark.parametrize("road", ROADS)
def test_a_road_to_a_label_another_run_or_the_cache_leads_nowhere(
    succeeded: dict[str, bool], kind: Isolation, road: str
):
    if road == "listing the folder" and kind == "landlock":
        assert succeeded[road], "names are not secret there; docs/isolation.md says so"
    else:
        assert not succeeded[road]


def test_the_same_roads_lead_there_without_isolation(tmp_path: Path):
    place = make_places(tmp_path)
    sandbox = Sandbox(access(place), "none")
    missing = set() if shutil.which("gcc") else {"a compiled program"}
    assert {road for road, led in tried(sandbox, place).items() if not led} - missing <= CLOSED_ANYWAY
    sandbox.close()


def test_nothing_was_changed(succeeded: dict[str, bool], place: Path):
    assert (place / "cache/slices/x").read_text() == "prepared"
    assert (place / "data/A/label").read_bytes() == SECRET


def test_prepared_slices_are_read_and_the_own_and_the_temporary_folder_written(sandbox: Sandbox, place: Path):
    script = f"cat {place}/cache/slices/x; echo x > {place}/runs/own/made; echo y > $TMPDIR/file; cat $TMPDIR/file"
    assert printed(sandbox, "sh", "-c", script) == "preparedy\n"
    assert (place / "runs/own/made").read_text() == "x\n"
    assert (sandbox.scratch / "file").read_text() == "y\n"


@pytest.mark.parametrize("code", ["exit 7", "kill -SEGV $$", "kill -KILL $$"])
def test_it_ends_as_the_program_ended(sandbox: Sandbox, code: str):
    plain = subprocess.run(["sh", "-c", code], check=False).returncode
    assert sandbox.start(["sh", "-c", code]).wait() == plain


def test_a_child_in_a_session_of_its_own_ends_with_the_program(sandbox: Sandbox, place: Path):
    alive = place / "runs/own/alive"
    os.mkfifo(alive)
    process = sandbox.start(["sh", "-c", f"setsid sh -c 'exec 3> {alive}; sleep 600' & exec 4< {alive}; exit 0"])
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    process.wait()
    assert os.read(reader, 1) == b"", "the writing end is closed"
    os.close(reader)


def test_the_weakest_kind_can_be_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, "audit-hook")
    assert isolation_available() == "audit-hook"
    monkeypatch.setenv(VARIABLE, "prison")
    with pytest.raises(ConfigError, match="audit-hook"):
        isolation_available()


def test_each_kind_is_explained():
    assert set(MEANING) == set(KINDS)


def test_a_run_is_as_isolated_as_its_weakest_part():
    parts = [Isolated(kind=kind) for kind in ("landlock", "audit-hook", "mount-namespace")]
    assert isolation_of([Start(), *parts]) == "audit-hook"
    assert isolation_of([Start()]) is None
    assert weakest(["mount-namespace", None]) == "mount-namespace"
