"""The service manager's side of a daemon: the sockets that it opened for us, and what it wants to be told.

Two small protocols of systemd, which other managers speak too: sd_listen_fds(3) and sd_notify(3). Where no manager is,
there are no sockets, and telling does nothing.
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

from secsign_gate.errors import ConfigError, Problem

_FIRST = 3  # SD_LISTEN_FDS_START, after standard input, output and error
_MOST = 64  # of an administrator's socket units we need two; a number beyond this is a mistake
_NAMELESS = "unknown"  # sd_listen_fds_with_names(3)
_SOCKET_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
_MANAGER_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_LONGEST = 500  # characters of a value
_SECONDS = 1.0  # how long a manager that does not read may hold us up


def listening_sockets(environ: MutableMapping[str, str] = os.environ) -> dict[str, socket.socket]:
    """Return the sockets that the service manager opened for this process, by the name that its unit gave each.

    The name is `FileDescriptorName=` of the unit, its file name where that is missing, and `unknown` where the manager
    gives no names. The descriptors are not inherited by programs that this process starts, and the variables are gone
    afterwards, so that no child takes the sockets for its own. There are none if the variables are for another process.

    Raises ConfigError if what was passed is not what this daemon can serve: listening unix stream sockets, one a name.
    """
    said = {name: environ.pop(name, "") for name in _SOCKET_VARIABLES}
    if _number(said["LISTEN_PID"]) != os.getpid():
        return {}
    count = _number(said["LISTEN_FDS"])
    if count is None or count > _MOST:
        raise _unusable(f"LISTEN_FDS is {said['LISTEN_FDS']!a}, which is no number of sockets up to {_MOST}")
    names = said["LISTEN_FDNAMES"].split(":") if said["LISTEN_FDNAMES"] else [_NAMELESS] * count
    if len(names) != count:
        raise _unusable(f"LISTEN_FDNAMES has {len(names)} names for {count} sockets")
    found: dict[str, socket.socket] = {}
    try:
        for descriptor, name in enumerate(names, _FIRST):
            if name in found:
                raise _unusable(f"two sockets have the name {name!a}")
            found[name] = _listening(descriptor, name)
    except ConfigError:
        for one in found.values():
            one.close()
        raise
    return found


def _listening(descriptor: int, name: str) -> socket.socket:
    """Return the socket behind `descriptor`, which must be one that doors can connect to."""
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as error:
        raise _unusable(f"descriptor {descriptor} ({name!a}) is no socket ({error.strerror})") from None
    listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if found.family != socket.AF_UNIX or found.type != socket.SOCK_STREAM or not listens:
        found.close()
        raise _unusable(f"descriptor {descriptor} ({name!a}) is no unix stream socket that listens")
    found.set_inheritable(False)
    return found


def _unusable(what: str) -> ConfigError:
    remedy = "give secsign-gate.socket one ListenStream=/run/... and Accept=no"
    return ConfigError([Problem("sockets from the service manager", 0, "", what, remedy)])


def _number(text: str) -> int | None:
    """Return the number that `text` writes in decimal digits, None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(1 << 64)) else None


class Notifier:
    """Tells the service manager how this process is. Make it once, at the start: it takes the variables away.

    `watchdog_seconds` is how often to send WATCHDOG=1, half of the time after which the manager would end us; None if
    it does not ask.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        said = {name: environ.pop(name, "") for name in _MANAGER_VARIABLES}
        self.watchdog_seconds = _interval(said["WATCHDOG_USEC"], said["WATCHDOG_PID"])
        self._address = _address(said["NOTIFY_SOCKET"])

    def notify(self, **state: str | int) -> bool:
        """Send the assignments, e.g. `READY=1, STATUS="12 wait"`, as sd_notify(3) lists them, in one message.

        Returns whether the manager's socket took them. Never raises and holds nobody up for more than a second: a
        manager that cannot be told must not end what it manages. What is not printable in a value becomes a blank, and
        what is beyond 500 characters is cut: systemd passes over messages with a NUL or of more than 4,096 bytes.
        """
        if self._address is None or not state:
            return False
        lines = [f"{name}={_one_line(str(value))}" for name, value in state.items()]
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(_SECONDS)
            manager.sendto("\n".join(lines).encode(), self._address)
            return True
        return False


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:_LONGEST])


def _address(text: str) -> bytes | None:
    """Return the address for sendto(2): a path, or a name in the abstract namespace, which is written with an `@`."""
    if text.startswith("@"):
        return b"\0" + os.fsencode(text[1:])
    return os.fsencode(text) if text.startswith("/") else None


def _interval(microseconds: str, pid: str) -> float | None:
    """Return half of the manager's limit in seconds, as sd_watchdog_enabled(3) advises, or None if it is not for us."""
    limit = _number(microseconds)
    if not limit or (pid and _number(pid) != os.getpid()):
        return None
    return limit / 2_000_000
