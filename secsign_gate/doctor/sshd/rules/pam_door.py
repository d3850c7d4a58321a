"""The PAM door before sshd's connections: whether it is asked, in time, and only for who has shown who they are."""

from collections.abc import Iterator
from itertools import pairwise

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.pam.conditions import lets_anybody_past, says_yes
from secsign_gate.doctor.pam.door_line import AFTER_PASSWORD, door_text, unfounded_password
from secsign_gate.doctor.sshd.session import Hole, Rule, Session

_PUSH_SECONDS = 90  # how long the PAM door waits without --seconds (doors/pam.py)


def _grace_time(session: Session) -> Iterator[Hole]:
    grace, gate = session.effective.value("logingracetime"), session.pam_gate
    if gate is None or not grace.isdecimal():
        return
    given = next((value for option, value in pairwise(gate.command) if option == "--seconds"), "")
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
    unknown = [at for at, line in enumerate(lines[:gate_at]) if says_yes(line, session.account) is None]
    skips = next((lines[at] for at in unknown if lines[at].may_skip(gate_at - at)), None)
    if skips is not None:
        what = f"{skips.place} ({skips.module}, {skips.control}) may keep PAM from asking {gate.place}"
        mend = f"move the gate's line to the top of the {gate.group} lines"
        why = "where it says yes, the gate is not asked"
        yield Hole(Status.WEAK, what, mend, door_text(gate), why)


def _never_asked(session: Session) -> Iterator[Hole]:
    """Judge a gate among the account lines that a line before it keeps from being asked of anybody."""
    lines = [line for line in session.host.pam if line.group == "account"]
    at = next((at for at, line in enumerate(lines) if line.is_gate), None)
    past = None if at is None else lets_anybody_past(lines, at)
    if at is None or past is None or session.pam_gate is not None or not session.effective.is_on("usepam"):
        return
    yes = f"{past.place} ({past.module}, {past.control}) says yes of whoever may log in"
    what = f"{yes}, so PAM never asks {lines[at].place}"
    mend = "move the gate's line above it, to the top of the account lines"
    why = "a yes there ends the lines, or jumps over the gate"
    yield Hole(Status.OPEN, what, mend, door_text(lines[at]), why)


def _rings_for_anybody(session: Session) -> Iterator[Hole]:
    """Judge --after-password where the auth lines are asked before a key was shown."""
    if not session.effective.is_on("usepam") or all("publickey" in names for names in session.ways_in):
        return
    lines = [line for line in session.host.pam if line.group == "auth"]
    for at, line in enumerate(lines):
        what = unfounded_password(lines, at) if line.starts_gate and AFTER_PASSWORD in line.command else None
        if what is not None:
            yield Hole(*what)


RULES = (
    Rule("", _grace_time, after_pam=True),
    Rule("", _skipped, after_pam=True),
    Rule("", _never_asked),
    Rule("", _never_asked, ungated=True),
    Rule("", _rings_for_anybody, after_pam=True),
    Rule("", _crowded, after_pam=True),
)
