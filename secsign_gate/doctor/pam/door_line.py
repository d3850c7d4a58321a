"""The gate's line in a PAM service: whether its options say what is true, and how it is to be written. Pure."""

from collections.abc import Iterator, Sequence

from secsign_gate.core.pam_question import ASKED_BY_NOBODY
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.pam.lines import NO, PAM_DOOR, YES, PamLine, is_asked

AFTER_PASSWORD = "--after-password"  # noqa: S105 - the name of an option
# Modules that say yes to somebody who has shown nothing. Of every other it is believed that it asks for something.
_ASK_FOR_NOTHING = frozenset(
    f"pam_{name}.so"
    for name in (
        "access", "cap", "debug", "echo", "env", "exec", "faildelay", "faillock", "ftp", "gnome_keyring", "group",
        "issue", "kwallet5", "lastlog", "limits", "listfile", "localuser", "loginuid", "mail", "motd", "nologin",
        "permit", "rootok", "securetty", "shells", "succeed_if", "tally2", "time", "usertype", "warn", "wheel",
    )
)  # fmt: skip
_DENY = "pam_deny.so"
_OUTPUT_IS_A_COMMANDS = frozenset({"doas", "pkexec", "su", "su-l", "sudo", "sudo-i"})
_NOBODY_HAS_SHOWN = "who knows only the name of an account has its phone rung, until somebody taps by mistake"
_ASK_FIRST = "auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so"


def unfounded_password(lines: Sequence[PamLine], at: int) -> tuple[Status, str, str, str, str] | None:
    """Return what is wrong with --after-password on `lines[at]`, None if it is true. `lines` are of the auth group.

    As status, what, mend, line and why of a finding.
    """
    gate = lines[at]
    if not any(_asks_for_something(line) for line in lines[:at]):
        what = f"{gate.place} says {AFTER_PASSWORD}, and no line before asks for one: the phone is all it takes"
        mend = "put lines that ask for a password before it, or take the option away"
        return Status.OPEN, what, mend, _ASK_FIRST, _NOBODY_HAS_SHOWN
    if is_asked(lines, at, _to_a_stranger):
        what = f"{gate.place} says {AFTER_PASSWORD}, and PAM comes to it with a wrong password, too"
        mend = "let a wrong password end the lines: requisite, or a jump to pam_deny, and not in a substack"
        return Status.WEAK, what, mend, _ASK_FIRST, _NOBODY_HAS_SHOWN
    return None


def examine_service(name: str, lines: Sequence[PamLine], *, of_sshd: bool) -> Iterator[Finding]:
    """Judge the gate's lines in the service called `name`, without naming it.

    `of_sshd` if sshd asks it: sshd's settings say more of it (sshd/rules/pam_door.py).
    """
    for line in lines:
        if not line.starts_gate:
            continue
        yield from _examine_line(line)
        if of_sshd:
            continue
        yield from _of_another_service(name, line)
        if line.group == "auth" and AFTER_PASSWORD in line.command:
            auth = [one for one in lines if one.group == "auth"]
            what = unfounded_password(auth, auth.index(line))
            if what is not None:
                status, words, mend, text, why = what
                yield Finding(status, "", "", words, why, mend, text)


def _examine_line(line: PamLine) -> Iterator[Finding]:
    """Judge the gate's line in whatever service it stands."""
    if line.group not in ("auth", "account"):
        what = f"{line.place} starts the gate in PAM's {line.group} lines, where it refuses everything"
        yield Finding(Status.BROKEN, "", "", what, "it answers for auth and account", "see docs/pam.md")
    elif not line.is_gate:
        what = f"{line.place} starts the gate, and PAM goes on when it says no ({line.control})"
        why = "whoever denies on the phone is let in by the other lines"
        yield Finding(Status.OPEN, "", "", what, why, "write requisite", door_text(line, control="requisite"))
    if line.is_for_people:
        what = f"{line.place} starts the gate by the administrator's program, in an interpreter that is not isolated"
        why = "it works, and takes some 50 ms more of everybody's logins"
        yield Finding(Status.NOTE, "", "", what, why, f"start {PAM_DOOR}, as `secsign-gate pam` prints it")


def _of_another_service(name: str, line: PamLine) -> Iterator[Finding]:
    if name in ASKED_BY_NOBODY:
        what = f"{line.place} has the gate asked where nobody waits for a phone, and it refuses there"
        mend = (
            "keep the line out of files that such services include; it belongs into /etc/pam.d/sshd, sudo and the like"
        )
        yield Finding(Status.BROKEN, "", "", what, "what they start does not start any more", mend)
        return
    if "seteuid" not in line.options:
        what = f"{line.place} has no seteuid, so whoever calls su can stop the gate while it starts"
        why = "it begins with the caller's real uid, until it gives that up"
        yield Finding(Status.WEAK, "", "", what, why, "write it before the program", door_text(line, "seteuid"))
    if "stdout" in line.options and name in _OUTPUT_IS_A_COMMANDS:
        what = f"{line.place} has stdout, so what the gate says goes into the output of the command"
        why = "who reads that output by a program reads our sentence, too; on a terminal the gate speaks without"
        text = door_text(line._replace(arguments=tuple(word for word in line.arguments if word != "stdout")))
        yield Finding(Status.WEAK, "", "", what, why, "take it away", text)


def door_text(line: PamLine, *more: str, control: str = "") -> str:
    """Return the line as it is to be written, with `more` options for pam_exec."""
    return f"{line.group} {control or line.control} {line.module} {' '.join([*more, *line.arguments])}"


def _asks_for_something(line: PamLine) -> bool:
    return line.module_name not in _ASK_FOR_NOTHING and line.module_name != _DENY


def _to_a_stranger(line: PamLine) -> str:
    """Return what a line says to somebody who knows no password, and whom no line lets past the others."""
    if line.module_name == _DENY or _asks_for_something(line):
        return NO
    return YES if line.skips(YES) == 0 else NO
