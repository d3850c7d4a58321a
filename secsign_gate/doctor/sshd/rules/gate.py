"""Whether the gate stands before a session at all, and is written as it must be (sshd_config(5), ForceCommand)."""

from collections.abc import Iterator

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.gate_line import gate_on_line
from secsign_gate.doctor.sshd.session import NO_PROGRAM, NO_SHELLS, ROOT, Hole, Rule, Session
from secsign_gate.sshd.config_lines import Line

GATE_LINE = (
    "ForceCommand exec /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-force-command"
    " --config /etc/secsign-gate/secsign-gate.toml"
)
# The last ones are restricted shells: they know no exec, and run nothing by its path.
STARTS_NO_GATE = NO_SHELLS | {"git-shell", "rssh", "scponly", "rbash", "rksh", "rksh93", "rzsh"}
_WHERE = "write it below Match all in 00-secsign-gate.conf"


def _forced(session: Session) -> str:
    """Say what sshd runs instead of the gate."""
    command = session.effective.value("forcecommand")
    if command in ("", NO_PROGRAM):
        return "no ForceCommand"
    return f"ForceCommand {command}, which is not this gate"


def _overruled_gate(session: Session) -> str | None:
    """Return where the gate's line stands that came too late for this session, None if there is none."""
    lines = session.effective.applied("forcecommand")
    return next((line.place for line in lines[1:] if gate_on_line(line.text)), None)


def _shadowed(session: Session) -> Iterator[Hole]:
    late, winner = _overruled_gate(session), session.effective.set_at("forcecommand")
    if late is not None and winner is not None and not _has_chroot(session):
        what = f"{winner.place} sets ForceCommand {winner.text}, before {late} can set the gate"
        mend = f"take the line out of {winner.path}, or let the gate's file be read first, as 00-secsign-gate.conf is"
        yield Hole(Status.OPEN, what, mend, GATE_LINE)


def _exempt_by_match(session: Session) -> Iterator[Hole]:
    if session.gated_elsewhere and _overruled_gate(session) is None and not _has_chroot(session):
        what = f"there is {_forced(session)} here, though the gate stands before other logins of the same account"
        gates = [line.place for line in _gate_lines(session) if line.match]
        mend = f"let {gates[0]} apply to every address, host and port" if gates else "write the gate below Match all"
        yield Hole(Status.OPEN, what, mend, f"Match all\n    {GATE_LINE}")


def _gate_lines(session: Session) -> list[Line]:
    return [line for line in session.host.lines if line.keyword == "forcecommand" and gate_on_line(line.text)]


def _has_chroot(session: Session) -> bool:
    return session.effective.value("chrootdirectory") not in ("", NO_PROGRAM)


def _without(session: Session) -> Iterator[Hole]:
    """Judge an account that no connection leads to the gate."""
    if session.gated_elsewhere or _overruled_gate(session) is not None or _has_chroot(session):
        return
    if session.gated_as:
        what = f"there is {_forced(session)}, and it is the account {session.gated_as} by another name"
        why = f"whoever logs in by this name is {session.gated_as}, with its files, and without the gate"
        yield Hole(Status.OPEN, what, "gate both names, or remove the one", f"Match all\n    {GATE_LINE}", why)
        return
    if session.left_out_by:
        what = f"{session.left_out_by} leaves the account out by name, so it logs in with its key alone"
        mend = "keep it only if that is meant for a bad day, and lock its key away"
        yield Hole(Status.WEAK, what, mend)
        return
    if session.takes_keys_from_gate:
        what = f"AuthorizedKeysCommand puts the gate before its keys, and yet {_past_the_keys(session)}"
        mend = (
            f"let the ForceCommand of 00-secsign-gate.conf stand before it as well; or {session.mend('ForceCommand')}"
        )
        lines = "AuthorizedKeysFile none\nTrustedUserCAKeys none\nAuthenticationMethods publickey"
        yield Hole(Status.OPEN, what, mend, lines)
        return
    mend = (
        "gate everybody by Match all in 00-secsign-gate.conf (`secsign-gate enable --all` writes the whole file), or"
        " take the account's shell or keys away"
    )
    yield Hole(
        Status.OPEN, f"there is {_forced(session)}, so the key alone is enough", mend, f"Match all\n    {GATE_LINE}"
    )


def _past_the_keys(session: Session) -> str:
    """Say what leads in besides the keys that the AuthorizedKeysCommand door hands out."""
    files, authorities = (session.effective.value(name) for name in ("authorizedkeysfile", "trustedusercakeys"))
    ways = [" and ".join(names) for names in session.ways_in if "publickey" not in names]
    past = [f"sshd takes keys from {files}"] if files != NO_PROGRAM else []
    past += [f"certificates of {authorities}"] if authorities not in ("", NO_PROGRAM) else []
    past += [f"{' or '.join(ways)} is enough"] if ways else []
    return ", ".join(past)


def _ungated_account(session: Session) -> Iterator[Hole]:
    if session.account.uid != ROOT:
        yield from _without(session)


def _root(session: Session) -> Iterator[Hole]:
    if session.account.uid == ROOT:
        yield from _without(session)


def _forced_commands_only(session: Session) -> Iterator[Hole]:
    if session.account.uid == ROOT and session.effective.value("permitrootlogin") == "forced-commands-only":
        what = f"PermitRootLogin forced-commands-only{session.where('PermitRootLogin')} refuses root's keys"
        why = "sshd counts only a command of the key itself, not the gate's ForceCommand"
        line = "PermitRootLogin prohibit-password"
        yield Hole(Status.BROKEN, what, session.mend("PermitRootLogin"), line, why)


def _chroot(session: Session) -> Iterator[Hole]:
    if not _has_chroot(session):
        return
    folder = session.effective.value("chrootdirectory")
    where = f"ChrootDirectory {folder}{session.where('ChrootDirectory')}"
    if session.is_gated:
        what = f"with {where} the gate is looked for inside, where it is not, and nobody is let in"
        mend = "leave the account out of the gate's Match block, or take ChrootDirectory away"
        yield Hole(Status.BROKEN, what, mend, "ChrootDirectory none")
    else:
        what = f"with {where} there is {_forced(session)}, so files go in and out by the key alone"
        yield Hole(Status.OPEN, what, "gate the account at another door (PAM), or take ChrootDirectory away")


def _subsystem(session: Session) -> Iterator[Hole]:
    subsystems = [value.partition(" ")[0] for value in session.effective.values("subsystem")]
    if not session.is_gated and subsystems:
        yield Hole(Status.OPEN, f"there is {_forced(session)} before {', '.join(subsystems)}", _WHERE, GATE_LINE)


def _no_sftp(session: Session) -> Iterator[Hole]:
    if not any(value.startswith("sftp ") for value in session.effective.values("subsystem")):
        what = "there is no Subsystem sftp, so scp, sftp and sshfs do not work"
        yield Hole(Status.NOTE, what, "write it outside of Match", "Subsystem sftp internal-sftp")


def _tampering(session: Session) -> Iterator[Hole]:
    if session.gate is None:
        return
    command = session.effective.value("forcecommand")
    if command.split()[:1] != ["exec"]:
        what = f"ForceCommand{session.where('ForceCommand')} is written without exec"
        why = "a shell stays in between: signals of the client end it and leave the gate behind"
        yield Hole(Status.OPEN, what, session.mend("ForceCommand"), f"ForceCommand exec {command}", why)
    elif not session.gate.broker and not session.host.ptrace_scope:
        what = "each login has a broker of its own, as the user, and processes of one user may trace each other"
        why = "what already runs as the account can make the broker of a later login say yes, or read its credentials"
        mend = "use the daemon (README), or forbid it"
        yield Hole(Status.WEAK, what, mend, "sysctl -w kernel.yama.ptrace_scope=1", why)


def _second_line(session: Session) -> Iterator[Hole]:
    lines = session.effective.applied("forcecommand")
    dead = next((line for line in lines[1:] if line.matched), None)
    if session.gate is not None and dead is not None:
        what = f"the ForceCommand of {dead.place} does not count, for that of {lines[0].place} comes first"
        yield Hole(Status.NOTE, what, "keep one of the two lines")


def _no_shell(session: Session) -> Iterator[Hole]:
    if session.gate is not None and session.shell in STARTS_NO_GATE:
        what = f"the login shell {session.account.shell} does not start the gate, so the account is shut"
        mend = "that is safe; give it a shell if somebody is to log in"
        yield Hole(Status.NOTE, what, mend, why="sshd starts the gate through the login shell")


RULES = (
    Rule("shadowed-match", _shadowed, ungated=True),
    Rule("match-exemption", _exempt_by_match, ungated=True),
    Rule("ungated-account", _ungated_account, ungated=True),
    Rule("root-login", _root, ungated=True),
    Rule("root-login", _forced_commands_only),
    Rule("chroot", _chroot, ungated=True),
    Rule("chroot", _chroot),
    Rule("subsystem", _subsystem),
    Rule("", _no_sftp, after_pam=True),
    Rule("gate-tampering", _tampering),
    Rule("", _second_line),
    Rule("", _no_shell),
)
