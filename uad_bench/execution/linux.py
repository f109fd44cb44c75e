"""Linux system calls that Python does not provide; imports only the standard library, because the launcher does."""

import ctypes
import os

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
LAST_CAPABILITY = 63
CAPABILITY_VERSION = 0x20080522


def libc() -> ctypes.CDLL:
    """The C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def check(result: int, call: str) -> int:
    """Return the result of a system call.

    Raises:
        OSError: the result is negative.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def set_process_option(option: int, value: int) -> None:
    """Call `prctl(option, value)`."""
    check(libc().prctl(option, ctypes.c_ulong(value), *3 * [ctypes.c_ulong(0)]), f"prctl {option}")


def drop_privileges() -> None:
    """Drop all capabilities, and prevent gaining any by executing another program."""
    for capability in range(LAST_CAPABILITY + 1):
        libc().prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), *3 * [ctypes.c_ulong(0)])
    set_process_option(PR_SET_NO_NEW_PRIVS, 1)
    header, nothing = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    check(libc().capset(header, nothing), "capset")
