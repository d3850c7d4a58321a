"""Connections that are kept, and what sshd checks besides: liveness, PAM, modes of key files (sshd_config(5))."""

from collections.abc import Iterator
from itertools import pairwise

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.sshd_session import Hole, Rule, Session

_NEVER = ("none", "0")
_PUSH_SECONDS = 90  # how long the PAM door waits without --seconds (doors/pam.py)


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


def _grace_time(session: Session) -> Iterator[Hole]:
    grace, gate = session.effective.value("logingracetime"), session.pam_gate
    if gate is None or not grace.isdecimal():
        return
    given = next((value for option, value in pairwise(gate.arguments) if option == "--seconds"), "")
    seconds = int(given) if given.isdecimal() else _PUSH_SECONDS
    if 0 < int(grace) <= seconds:
        what = f"LoginGraceTime {grace}{session.where('LoginGraceTime')} ends a login while the phone is asked"
        why = f"the PAM door asks before the login is complete, and waits for up to {seconds} s"
        yield Hole(Status.BROKEN, what, "write it outside of Match", f"LoginGraceTime {seconds + 30}", why)


def _crowded(session: Session) -> Iterator[Hole]:
    if session.pam_gate is None:
        return
    penalties = session.effective.value("persourcepenalties")
    if penalties not in ("", "no"):
        what = (
            f"PerSourcePenalties{session.where('PerSourcePenalties')} counts a denied or unanswered push as a failure"
        )
        why = "after a few of them everybody behind that address is kept out for a while"
        yield Hole(Status.WEAK, what, "exempt the networks that people come from", "PerSourcePenaltyExemptList …", why)
    what = f"MaxStartups {session.effective.value('maxstartups')}{session.where('MaxStartups')} also counts who waits"
    why = "the PAM door asks before the login is complete, so many who wait at once keep others out"
    yield Hole(Status.NOTE, what, "raise it if many log in at once, outside of Match", "MaxStartups 100:30:300", why)
    if session.pam_gate.group == "auth":
        what = "clients with BatchMode=yes are refused, for the PAM door is asked by keyboard-interactive"
        why = "cron, ansible and git in CI log in like that"
        yield Hole(Status.NOTE, what, "use the door of the account lines, or ForceCommand, for such accounts", why=why)


def _skipped(session: Session) -> Iterator[Hole]:
    gate = session.pam_gate
    if gate is None:
        return
    lines = [line for line in session.host.pam if line.group == gate.group]
    gate_at = lines.index(gate)
    skips = next((line for at, line in enumerate(lines[:gate_at]) if line.may_skip(gate_at - at)), None)
    if skips is not None:
        what = f"{skips.place} ({skips.module}, {skips.control}) may keep PAM from asking {gate.place}"
        mend = f"move the gate's line to the top of the {gate.group} lines"
        why = "where it says yes, the gate is not asked"
        yield Hole(
            Status.WEAK, what, mend, f"{gate.group} {gate.control} {gate.module} {' '.join(gate.arguments)}", why
        )


RULES = (
    Rule("idle-connection", _idle),
    Rule("", _alive),
    Rule("", _strict_modes, after_pam=True),
    Rule("", _pam, after_pam=True),
    Rule("", _grace_time, after_pam=True),
    Rule("", _skipped, after_pam=True),
    Rule("", _crowded, after_pam=True),
)
