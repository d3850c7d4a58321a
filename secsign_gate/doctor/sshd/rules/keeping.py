"""Connections that are kept, and what sshd checks besides: liveness, modes of key files, UsePAM (sshd_config(5))."""

from collections.abc import Iterator

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.sshd.session import Hole, Rule, Session

_NEVER = ("none", "0")


def _idle(session: Session) -> Iterator[Hole]:
    timeout = session.effective.value("unusedconnectiontimeout")
    line = "UnusedConnectionTimeout 10m"
    if timeout in _NEVER:
        what = f"a connection without a session is kept for good{session.where('UnusedConnectionTimeout')}"
        yield Hole(Status.OPEN, what, session.mend("UnusedConnectionTimeout"), line)
    elif not timeout:
        what = "this sshd does not know UnusedConnectionTimeout, so a connection without a session is kept for good"
        yield Hole(Status.OPEN, what, "install OpenSSH 9.2 or newer")


def _alive(session: Session) -> Iterator[Hole]:
    if (
        session.effective.value("clientaliveinterval") in _NEVER
        or session.effective.value("clientalivecountmax") == "0"
    ):
        what = f"sshd does not notice a client that vanished{session.where('ClientAliveInterval')}"
        why = "an approval given after that starts what was asked for, with nobody there"
        lines = "ClientAliveInterval 20\nClientAliveCountMax 3"
        yield Hole(Status.WEAK, what, session.mend("ClientAliveInterval"), lines, why)


def _strict_modes(session: Session) -> Iterator[Hole]:
    if session.effective.value("strictmodes") == "no":
        what = f"StrictModes is no{session.where('StrictModes')}"
        why = "sshd takes keys from files that others can write to, so another account can add a key of its own"
        yield Hole(Status.WEAK, what, "write it outside of Match", "StrictModes yes", why)


def _pam(session: Session) -> Iterator[Hole]:
    if session.effective.value("usepam") == "no":
        what = f"UsePAM is no{session.where('UsePAM')}"
        why = "accounts that have expired, and /etc/nologin, are not heeded, and who has a locked password is refused"
        yield Hole(Status.WEAK, what, "write it outside of Match", "UsePAM yes", why)


RULES = (
    Rule("idle-connection", _idle),
    Rule("", _alive),
    Rule("", _strict_modes, after_pam=True),
    Rule("", _pam, after_pam=True),
)
