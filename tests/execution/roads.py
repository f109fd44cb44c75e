"""Tries every road to files that are hidden from a method; prints as JSON which attempts succeeded.

Argument: the JSON of a `Places`. Started in a sandbox by test_sandbox.py.
"""

import ctypes
import json
import mmap
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SECRET = b"where the lesion lies"
CLONE_NEWNS, CLONE_NEWUSER, MNT_DETACH, AT_FDCWD = 0x20000, 0x10000000, 2, -100
PRINTS_FILE = """
#include <stdio.h>
int main(int n, char **words) {
    char text[99]; FILE *file = fopen(words[1], "r");
    return file && fgets(text, 99, file) ? puts(text) < 0 : 1;
}
"""


class Places(NamedTuple):
    """Where roads may lead.

    Attributes:
        label: a file with the secret, as are `other_map`, `reference` and `mask`.
        slices: a prepared file that may be read and not changed.
        own: the method's own folder.
        harness: pid of the harness,
        held: the descriptor under which it holds the label open,
        address: and where its memory holds the secret.
    """

    label: str
    other_map: str
    reference: str
    mask: str
    slices: str
    own: str
    harness: int
    held: int
    address: int


Road = Callable[[Places], object]
ROADS: dict[str, Road] = {}
"""By name what is tried; it succeeds where it returns the secret, or anything true that is no bytes."""


def road(function: Road) -> Road:
    ROADS[function.__name__.replace("_", " ")] = function
    return function


def read(path: str) -> bytes:
    return Path(path).read_bytes()


def output(words: list[str], **options: dict[str, str]) -> bytes:
    return subprocess.run(words, stdout=subprocess.PIPE, check=False, **options).stdout


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


@road
def plain_open(at: Places) -> bytes:
    return read(at.label)


@road
def listing_the_folder(at: Places) -> list[str]:
    return [path.name for path in Path(at.label).parent.iterdir()]


@road
def memory_map(at: Places) -> bytes:
    with Path(at.label).open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ).read()


@road
def numpy_memmap(at: Places) -> bytes:
    import numpy as np

    return np.memmap(at.label, np.uint8, "r").tobytes()


@road
def open_of_the_C_library(at: Places) -> bytes:
    return os.read(max(0, libc().open(at.label.encode(), os.O_RDONLY)), 99)


@road
def a_spawned_worker(at: Places) -> bytes:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(Path(at.label).read_bytes)


@road
def a_forked_process(at: Places) -> bytes:
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        try:
            os.write(write_end, read(at.label))
        finally:
            os._exit(0)
    os.close(write_end)
    return os.read(read_end, 99)


@road
def a_program_told_by_its_environment(at: Places) -> bytes:
    code = "import os, sys; sys.stdout.buffer.write(open(os.environ['ASKED'], 'rb').read())"
    return output([sys.executable, "-S", "-c", code], env={**os.environ, "ASKED": at.label})


@road
def a_shell(at: Places) -> bytes:
    return output(["sh", "-c", f"cat '{at.label}'"])


@road
def a_compiled_program(at: Places) -> bytes:
    source, program = f"{at.own}/read.c", f"{at.own}/read"
    Path(source).write_text(PRINTS_FILE)
    subprocess.run(["gcc", source, "-o", program], check=True)
    if b"prepared" not in output([program, at.slices]):
        sys.exit("the compiled program cannot read what it may")
    return output([program, at.label])


@road
def a_symbolic_link(at: Places) -> bytes:
    Path(at.own, "link").symlink_to(at.label)
    return read(f"{at.own}/link")


@road
def a_hard_link(at: Places) -> bytes:
    os.link(at.label, f"{at.own}/hard-link")
    return read(f"{at.own}/hard-link")


@road
def descriptors_from_folder_to_folder(at: Places) -> bytes:
    *_, around, folder, name = at.label.rsplit("/", 2)
    upper = os.open(around, os.O_RDONLY)
    lower = os.open(folder, os.O_RDONLY, dir_fd=upper)
    return os.read(os.open(name, os.O_RDONLY, dir_fd=lower), 99)


@road
def up_from_the_own_folder(at: Places) -> bytes:
    os.chdir(at.own)
    return read(os.path.relpath(at.label))


@road
def a_file_handle(at: Places) -> bytes:
    handle, mount = (ctypes.c_uint32 * 34)(128), ctypes.c_int()
    if libc().name_to_handle_at(AT_FDCWD, at.label.encode(), handle, ctypes.byref(mount), 0):
        return b""
    return os.read(libc().open_by_handle_at(os.open(at.own, os.O_RDONLY), handle, os.O_RDONLY), 99)


@road
def memory_of_the_harness(at: Places) -> bytes:
    with Path(f"/proc/{at.harness}/mem").open("rb", buffering=0) as file:
        file.seek(at.address)
        return file.read(len(SECRET))


@road
def memory_of_the_harness_by_a_call(at: Places) -> bytes:
    buffer = ctypes.create_string_buffer(len(SECRET))
    here, there = ((ctypes.c_size_t * 2)(place, len(SECRET)) for place in (ctypes.addressof(buffer), at.address))
    libc().process_vm_readv(at.harness, here, 1, there, 1, 0)
    return buffer.raw


@road
def descriptors_of_the_harness(at: Places) -> bytes:
    return read(f"/proc/{at.harness}/fd/{at.held}")


@road
def root_of_the_harness(at: Places) -> bytes:
    return read(f"/proc/{at.harness}/root{at.label}")


@road
def working_folder_of_the_harness(at: Places) -> bytes:
    return read(f"/proc/{at.harness}/cwd/{Path(at.label).name}")


@road
def an_inherited_descriptor(at: Places) -> bytes:
    return os.pread(at.held, 99, 0)


@road
def another_runs_map(at: Places) -> bytes:
    return read(at.other_map)


@road
def a_cached_reference(at: Places) -> bytes:
    return read(at.reference)


@road
def masks_of_a_bound(at: Places) -> bytes:
    return read(at.mask)


@road
def changing_prepared_slices(at: Places) -> bool:
    Path(at.slices).chmod(0o666)
    return Path(at.slices).write_text("mine") > 0


@road
def replacing_prepared_slices(at: Places) -> bool:
    Path(shutil.copy(__file__, at.own)).replace(at.slices)
    return True


@road
def adding_prepared_slices(at: Places) -> bool:
    return Path(at.slices).with_name("more").write_text("mine") > 0


@road
def changing_another_run(at: Places) -> bool:
    return Path(at.other_map).write_text("mine") > 0


@road
def changing_code(_: Places) -> bool:
    return Path(__file__).write_text("mine") > 0


@road
def unmounting_what_covers_it(at: Places) -> bytes:
    libc().unshare(CLONE_NEWUSER | CLONE_NEWNS)
    libc().umount2(os.fsencode(Path(at.label).parent), MNT_DETACH)
    return read(at.label)


@road
def moving_the_folder(at: Places) -> bytes:
    label, moved = Path(at.label), Path(at.own, "moved")
    label.parent.rename(moved)
    return read(f"{moved}/{label.name}")


def leads_there(attempt: Road, at: Places) -> bool:
    try:
        found = attempt(at)
    except Exception:  # noqa: BLE001 - however it ends
        return False
    return SECRET in found if isinstance(found, bytes) else bool(found)


if __name__ == "__main__":
    places = Places(*json.loads(sys.argv[1]))
    print(json.dumps({name: leads_there(attempt, places) for name, attempt in ROADS.items()}))
