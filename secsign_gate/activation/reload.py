"""Having the sshd that listens read its configuration again, and seeing that it has.

On SIGHUP a listening sshd closes its sockets and executes itself anew (sshd(8)); open sessions are processes of their
own and go on. A configuration that it does not take would be its end, so `sshd -t` comes first, each time.

One that was given its socket by systemd (Ubuntu's ssh.socket) has none any more after that, and ends. It is started
anew at once; systemd listens meanwhile, so nobody is turned away.
"""

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from typing import NamedTuple

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
_KILL_MODES = ("process", "none")  # systemd.kill(5): those that leave the sessions alone when their listener ends


class ReloadError(GateError):
    """sshd does not run the configuration that is on disk. `str()` is one sentence."""


def reload_sshd(sshd: Sshd, server: Server) -> str:
    """Have every sshd that listens under the server's configuration read it again; return what was done, a sentence.

    Returns once each has executed itself anew and listens. One that was started meanwhile is told as well: what it has
    read is not known. Raises SshdError if sshd does not take its configuration, and then no listener is told;
    ReloadError if one does not come back, or none is left of those that listened.
    """
    sshd.validate()
    done = [_reload(listener, server.configuration) for listener in listeners_of(server.configuration)]
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
    _wait_for_listener(started, server.configuration)


class _Unit(NamedTuple):
    """A service of systemd. `socket` is the unit that listens for it, empty if none does."""

    name: str
    can_reload: bool
    kill_mode: str
    socket: str


def _reload(listener: Listener, configuration: str) -> str:
    pid = listener.pid
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return f"sshd {pid} has ended"
    try:
        before = image_of(pid)
        unit = _unit_of_listener(pid)
        if unit is not None and unit.socket and unit.kill_mode not in _KILL_MODES:
            raise ReloadError(
                f"{unit.socket} listens for sshd {pid}, so it ends if it is told to read its configuration, and that "
                f"would cut the sessions of {unit.name}; give that KillMode=process, and try again"
            )
        if unit is not None and unit.can_reload and not unit.socket:
            told = ran("systemctl", "reload", unit.name)
            if told.returncode:
                said = told.stdout.strip()
                raise ReloadError(f"`systemctl reload {unit.name}` failed ({said}); see `systemctl status`")
        else:
            signal.pidfd_send_signal(descriptor, signal.SIGHUP)
        if not _reads_again(pid, descriptor, before):
            if unit is None or not unit.socket:
                raise ReloadError(f"sshd {pid} has ended in place of reading its configuration again; look at its log")
            _start_anew(pid, unit, configuration)
            return f"sshd {pid} ({unit.name}) was started anew, for {unit.socket} listens for it"
    except OSError as error:
        raise ReloadError(f"sshd {pid} could not be told to read its configuration ({error.strerror})") from None
    finally:
        os.close(descriptor)
    return f"sshd {pid} ({unit.name}) reads it" if unit and unit.can_reload else f"sshd {pid} reads it"


def _unit_of_listener(pid: int) -> _Unit | None:
    """Return the service of systemd that the listener is the main process of, if it is one's."""
    name = unit_of(pid)
    shown = _properties(name, "MainPID", "CanReload", "KillMode", "TriggeredBy") if name else {}
    if shown.get("MainPID") != str(pid):
        return None
    sockets = [one for one in shown.get("TriggeredBy", "").split() if one.endswith(".socket")]
    listening = [one for one in sockets if _properties(one, "ActiveState").get("ActiveState") == "active"]
    return _Unit(name, shown.get("CanReload") == "yes", shown.get("KillMode", ""), "".join(listening[:1]))


def _properties(unit: str, *names: str) -> dict[str, str]:
    lines = ran("systemctl", "show", f"--property={','.join(names)}", unit).stdout.splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _start_anew(pid: int, unit: _Unit, configuration: str) -> None:
    """Start the service whose listener has just ended, unless a connection has done so. Raises ReloadError."""
    until = time.monotonic() + _SECONDS
    while _properties(unit.name, "MainPID").get("MainPID") == str(pid) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY)  # what systemd takes for running it does not start
    _wait_for_listener(ran("systemctl", "start", unit.name), configuration)


def _wait_for_listener(started: subprocess.CompletedProcess[str], configuration: str) -> None:
    """Return once what was `started` by a command listens under the configuration. Raises ReloadError."""
    until = time.monotonic() + _SECONDS
    while not started.returncode and not listeners_of(configuration):
        if time.monotonic() > until:
            raise ReloadError("sshd has ended, was started again, and does not listen; look at its log")
        time.sleep(_LOOK_EVERY)
    if started.returncode:
        raise ReloadError(f"sshd has ended and does not start again ({started.stdout.strip()}); start it by hand")


def _reads_again(pid: int, descriptor: int, before: tuple[str, ...]) -> bool:
    """Tell whether the process has executed itself anew and listens, or ended. Raises ReloadError if neither."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if select.select([descriptor], [], [], 0)[0]:
            return False
        with suppress(OSError):  # it has just ended, which the descriptor tells
            if image_of(pid) != before and any(one.pid == pid for one in listeners()):
                return True
        time.sleep(_LOOK_EVERY)
    raise ReloadError(f"sshd {pid} does not read its configuration again, {_SECONDS:.0f} s after it was told to")
