"""From root to a uid of its own with a capability or two, for good (capabilities(7))."""

import ctypes
import errno
import os
import struct

# include/uapi/linux/capability.h
CAP_DAC_READ_SEARCH = 2  # to read any file, and to list any folder
CAP_SYS_PTRACE = 19  # to see of processes what else only their owners see
_CAPABILITIES = 64  # as many as capset(2) can name; a kernel has fewer
_VERSION_3 = 0x20080522
_HEADER = struct.Struct("=Ii")  # version, pid
_DATA = struct.Struct("=6I")  # effective, permitted, inheritable: the lower 32 of each, then the upper
# include/uapi/linux/prctl.h
_PR_SET_DUMPABLE, _PR_SET_NAME, _PR_CAPBSET_DROP, _PR_SET_SECUREBITS = 4, 15, 24, 28
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
# include/uapi/linux/securebits.h; each bit that is set has its lock beside it. Uid 0 means nothing any more, a change
# of uid changes no capability (those to be kept now stay, and none comes later), and none becomes ambient.
_NOROOT, _NO_SETUID_FIXUP, _NO_CAP_AMBIENT_RAISE = 0b11, 0b11 << 2, 0b11 << 6
_KEEP_CAPS_LOCKED = 1 << 5  # and off, as exec(2) would leave it
_SECUREBITS = _NOROOT | _NO_SETUID_FIXUP | _KEEP_CAPS_LOCKED | _NO_CAP_AMBIENT_RAISE

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4  # the kernel refuses some options unless the rest is 0


def keep_only(capabilities: frozenset[int], uid: int, gid: int, name: str) -> None:
    """Become `uid` and `gid`, in no other group, and give up every capability but these.

    Nothing brings back what was given up: no exec, no change of uid. The process's name in `ps -o comm` becomes `name`.
    It leaves no core dump, its files in /proc belong to root, and only who has CAP_SYS_PTRACE may trace it.
    Raises OSError.
    """
    for capability in range(_CAPABILITIES):
        if not _dropped(capability):
            raise _failure("drop from the bounding set")
    _prctl("clear the ambient set", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _prctl("lock the securebits", _PR_SET_SECUREBITS, _SECUREBITS)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    _prctl("gain nothing by exec", _PR_SET_NO_NEW_PRIVS, 1)
    kept = sum(1 << capability for capability in capabilities)
    lower, upper = kept & 0xFFFFFFFF, kept >> 32
    if _libc.capset(_HEADER.pack(_VERSION_3, 0), _DATA.pack(lower, lower, 0, upper, upper, 0)):
        raise _failure(f"keep the capabilities {sorted(capabilities)}")
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
