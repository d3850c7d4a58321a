"""Giving up all of root's capabilities but one, for good (capabilities(7))."""

import ctypes
import errno
import os
import struct

CAP_SYS_PTRACE = 19  # include/uapi/linux/capability.h: to see of processes what else only their owners see
_CAPABILITIES = 64  # as many as capset(2) can name; a kernel has fewer
_VERSION_3 = 0x20080522
_HEADER = struct.Struct("=Ii")  # version, pid
_DATA = struct.Struct("=6I")  # effective, permitted, inheritable: the lower 32 of each, then the upper
# include/uapi/linux/prctl.h
_PR_SET_DUMPABLE, _PR_SET_NAME, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 4, 15, 24, 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4  # the kernel refuses some options unless the rest is 0


def keep_only(capability: int, name: str) -> None:
    """Give up every capability but this one, in this process and for whatever it might exec.

    Its name in `ps -o comm` becomes `name`. It leaves no core dump, and only who has CAP_SYS_PTRACE may trace it.
    Raises OSError.
    """
    for unwanted in range(_CAPABILITIES):
        if unwanted != capability and not _dropped(unwanted):
            raise _failure("drop from the bounding set")
    _prctl("clear the ambient set", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _prctl("gain nothing by exec", _PR_SET_NO_NEW_PRIVS, 1)
    lower, upper = (1 << capability) & 0xFFFFFFFF, (1 << capability) >> 32
    if _libc.capset(_HEADER.pack(_VERSION_3, 0), _DATA.pack(lower, lower, 0, upper, upper, 0)):
        raise _failure("keep one capability")
    _prctl("be closed to tracing", _PR_SET_DUMPABLE, 0)
    text = ctypes.create_string_buffer(name.encode("ascii"))
    _prctl("take a name", _PR_SET_NAME, ctypes.addressof(text))


def _dropped(capability: int) -> bool:
    """Drop `capability` from the bounding set, unless the kernel has none of that number."""
    return _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0 or ctypes.get_errno() == errno.EINVAL


def _prctl(what: str, option: int, argument: int) -> None:
    if _libc.prctl(option, argument, 0, 0, 0):
        raise _failure(what)


def _failure(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"cannot {what}: {os.strerror(number)}")
