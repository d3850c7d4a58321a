"""Whether [sshd] of our own configuration repeats what sshd does, for sshd does not tell a forced command."""

from collections.abc import Iterator

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.sshd.session import NO_PROGRAM, Hole, Rule, Session

_REFUSED = "the gate finds no line for such a key, and refuses what it cannot look up"


def _words(session: Session, setting: str) -> list[str]:
    return [word for word in session.effective.value(setting).split() if word != NO_PROGRAM]


def _array(names: list[str]) -> str:
    return "[" + ", ".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names) + "]"


def _key_files(session: Session) -> Iterator[Hole]:
    settings = session.host.settings
    if settings is None or session.gate is None:
        return
    theirs = _words(session, "authorizedkeysfile")
    unknown = [name for name in theirs if _plain(name) not in map(_plain, settings.authorized_keys_files)]
    if unknown:
        what = f"sshd takes keys from {', '.join(unknown)}, which [sshd] authorized_keys_files does not name"
        mend = "write it into [sshd] of secsign-gate.toml"
        line = f"authorized_keys_files = {_array(theirs)}"
        if settings.authorized_keys_elsewhere == "unrestricted":
            yield Hole(Status.OPEN, f"{what}, so keys that are restricted there run anything", mend, line)
        else:
            yield Hole(Status.BROKEN, what, mend, line, _REFUSED)
    command = session.effective.value("authorizedkeyscommand")
    if command in ("", NO_PROGRAM) or session.takes_keys_from_gate:
        return
    if settings.authorized_keys_elsewhere == "unrestricted":
        what = f"keys of AuthorizedKeysCommand {command} count as unrestricted"
        mend = "be sure that it never prints options before a key; else write this into [sshd] of secsign-gate.toml"
        yield Hole(Status.WEAK, what, mend, 'authorized_keys_elsewhere = "refuse"')
    else:
        what = f"keys of AuthorizedKeysCommand {command} are refused"
        mend = "if it never prints options before a key, write this into [sshd] of secsign-gate.toml"
        yield Hole(Status.NOTE, what, mend, 'authorized_keys_elsewhere = "unrestricted"', _REFUSED)


def _plain(name: str) -> str:
    """Return a name below the home as one: `%h/.ssh/authorized_keys` and `.ssh/authorized_keys` are the same."""
    return name.removeprefix("%h/")


def _certificates(session: Session) -> Iterator[Hole]:
    settings = session.host.settings
    if settings is None or session.gate is None:
        return
    missing = []
    for setting, name, ours in (
        ("trustedusercakeys", "trusted_user_ca_keys", settings.trusted_user_ca_keys),
        ("authorizedprincipalsfile", "authorized_principals_files", settings.authorized_principals_files),
    ):
        theirs = _words(session, setting)
        if [one for one in theirs if _plain(one) not in map(_plain, ours)]:
            missing.append((name, theirs))
    for name, theirs in missing:
        what = f"sshd goes by {', '.join(theirs)} for certificates, which [sshd] {name} does not name"
        yield Hole(
            Status.BROKEN, what, "write it into [sshd] of secsign-gate.toml", f"{name} = {_array(theirs)}", _REFUSED
        )
    command = session.effective.value("authorizedprincipalscommand")
    if command not in ("", NO_PROGRAM) and _words(session, "trustedusercakeys"):
        what = f"what AuthorizedPrincipalsCommand {command} says of a certificate, the gate does not learn"
        mend = "let it print no options before a principal, or use AuthorizedPrincipalsFile"
        yield Hole(Status.WEAK, what, mend, "AuthorizedPrincipalsCommand none")


def _subsystems(session: Session) -> Iterator[Hole]:
    settings = session.host.settings
    if settings is None or session.gate is None:
        return
    theirs = [value.partition(" ")[2].strip() for value in session.effective.values("subsystem")]
    unknown = [one for one in theirs if one.encode("utf-8", "surrogateescape") not in settings.subsystems]
    if unknown:
        names = [*dict.fromkeys([*(one.decode("utf-8", "replace") for one in settings.subsystems), *unknown])]
        what = f"the subsystem {', '.join(unknown)} is taken for a command, for [sshd] subsystems does not name it"
        why = "internal-sftp is then not found, and ~/.ssh/rc runs before a subsystem, as it would not without the gate"
        yield Hole(
            Status.BROKEN, what, "write it into [sshd] of secsign-gate.toml", f"subsystems = {_array(names)}", why
        )


def _user_rc(session: Session) -> Iterator[Hole]:
    settings = session.host.settings
    if (
        settings is not None
        and session.gate
        and settings.permit_user_rc
        and not session.effective.is_on("permituserrc")
    ):
        what = "sshd has PermitUserRC no, and yet the gate runs ~/.ssh/rc after the approval"
        mend = "write it into [sshd] of secsign-gate.toml"
        yield Hole(Status.WEAK, what, mend, "permit_user_rc = false", "what was forbidden is to stay so")


# From 9.8 on sshd has a program of its own for each connection (its release notes), which distributions put elsewhere.
def _connections_program(session: Session) -> Iterator[Hole]:
    settings = session.host.settings
    program = session.effective.value("sshdsessionpath")
    by_daemon = session.pam_gate is not None or (session.gate is not None and session.gate.broker)
    if settings is not None and by_daemon and program and program not in settings.executables:
        what = f"sshd's connections are those of {program}, which [sshd] executables does not name"
        why = "the daemon proves no connection, so no approval covers one, no network is exempt, and PAM's door refuses"
        line = f"executables = {_array([*settings.executables, program])}"
        yield Hole(Status.BROKEN, what, "write it into [sshd] of secsign-gate.toml", line, why)


RULES = (
    Rule("restricted-key", _key_files),
    Rule("restricted-certificate", _certificates),
    Rule("", _subsystems),
    Rule("", _user_rc),
    Rule("", _connections_program),
)
