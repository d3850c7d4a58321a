"""Having the sshd that listens read its configuration again, and seeing that it has.

On SIGHUP a listening sshd closes its sockets and executes itself anew (sshd(8)); open sessions are processes of their
own and go on. A configuration that it does not take would be its end, so `sshd -t` comes first, each time.
"""

import os
import select
import signal
import time
from contextlib import suppress

from secsign_gate.activation.arming import systemd_runs
from secsign_gate.activation.change import Listener, Server
from secsign_gate.activation.command import ran
from secsign_gate.activation.process import image_of, unit_of
from secsign_gate.activation.server import listeners_of
from secsign_gate.errors import GateError
from secsign_gate.sshd.program import Sshd
from secsign_gate.sshd.running import listeners

_SECONDS = 30.0  # for a host that is busy; a listener that is well takes some milliseconds
_LOOK_EVERY = 0.02


class ReloadError(GateError):
    """sshd does not run the configuration that is on disk. `str()` is one sentence."""


def reload_sshd(sshd: Sshd, server: Server) -> str:
    """Have every sshd that listens under the server's configuration read it again; return what was done, a sentence.

    Returns once each has executed itself anew and listens. One that was started meanwhile is told as well: what it has
    read is not known. Raises SshdError if sshd does not take its configuration, and then no listener is told;
    ReloadError if one does not come back, or none is left of those that listened.
    """
    sshd.validate()
    done = [_reload(listener) for listener in listeners_of(server.configuration)]
    if not done and server.listeners:
        raise ReloadError("the sshd that listened has ended meanwhile; look at its log")
    return "; ".join(done) or "no sshd listens that would have to read it again"


def start_again(sshd: Sshd, server: Server) -> None:
    """Start sshd if it listened when the change began and does no more. Raises SshdError and ReloadError."""
    if not server.listeners or listeners_of(server.configuration):
        return
    sshd.validate()
    by_hand = (sshd.executable, "-f", sshd.configuration, *sshd.options)
    units = sorted({listener.unit for listener in server.listeners if listener.unit})
    if units:
        started = ran("systemctl", "start", *units)
    elif systemd_runs():  # what the watcher's own service starts would be ended with that
        started = ran("systemd-run", "--quiet", "--collect", "--property=KillMode=process", "--", *by_hand, "-D")
    else:
        started = ran(*by_hand)
    until = time.monotonic() + _SECONDS
    while not started.returncode and not listeners_of(server.configuration):
        if time.monotonic() > until:
            raise ReloadError("sshd has ended, was started again, and does not listen; look at its log")
        time.sleep(_LOOK_EVERY)
    if started.returncode:
        raise ReloadError(f"sshd has ended and does not start again ({started.stdout.strip()}); start it by hand")


def _reload(listener: Listener) -> str:
    pid = listener.pid
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return f"sshd {pid} has ended"
    try:
        before = image_of(pid)
        unit = _reloadable_unit(pid)
        if unit:
            told = ran("systemctl", "reload", unit)
            if told.returncode:
                raise ReloadError(f"`systemctl reload {unit}` failed ({told.stdout.strip()}); see `systemctl status`")
        else:
            signal.pidfd_send_signal(descriptor, signal.SIGHUP)
        _wait_for_another_image(pid, descriptor, before)
    except OSError as error:
        raise ReloadError(f"sshd {pid} could not be told to read its configuration ({error.strerror})") from None
    finally:
        os.close(descriptor)
    return f"sshd {pid} ({unit}) reads it" if unit else f"sshd {pid} reads it"


def _reloadable_unit(pid: int) -> str:
    """Return the service of systemd that the listener is the main process of and that can be reloaded, else nothing."""
    unit = unit_of(pid)
    if not unit:
        return ""
    shown = ran("systemctl", "show", "--property=MainPID", "--property=CanReload", unit).stdout.split()
    return unit if f"MainPID={pid}" in shown and "CanReload=yes" in shown else ""


def _wait_for_another_image(pid: int, descriptor: int, before: tuple[str, ...]) -> None:
    """Return once the process has executed itself anew and listens. Raises ReloadError."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if select.select([descriptor], [], [], 0)[0]:
            raise ReloadError(f"sshd {pid} has ended in place of reading its configuration again; look at its log")
        with suppress(OSError):  # it has just ended, which the descriptor tells
            if image_of(pid) != before and any(one.pid == pid for one in listeners()):
                return
        time.sleep(_LOOK_EVERY)
    raise ReloadError(f"sshd {pid} does not read its configuration again, {_SECONDS:.0f} s after it was told to")
