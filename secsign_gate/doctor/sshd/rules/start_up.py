"""Files that run before the gate: those of the login shell, and sshd's own rc files (sshd(8), LOGIN PROCESS, SSHRC)."""

from collections.abc import Iterator

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.sshd.rules.variables import (
    FISH,
    KNOWN_SHELLS,
    READ_FILES_AT_HOME,
    ZSH,
    is_overruled,
    isolated_line,
    set_env_line,
)
from secsign_gate.doctor.sshd.session import Hole, Rule, Session

_READS = {
    "bash": "~/.bashrc",
    "rbash": "~/.bashrc",
    "fish": "~/.config/fish/config.fish",
    "csh": "~/.cshrc",
    "bsd-csh": "~/.cshrc",
    "tcsh": "~/.tcshrc",
}
_LEAVES_THE_HOME_ALONE = frozenset({"-I", "-S", "-s"})  # python(1)
_MORE_FOR_FISH = ("XDG_CONFIG_HOME", "XDG_DATA_HOME")


def _leads_away(session: Session) -> bool:
    """Tell whether the shell looks for its files where the user can put none."""
    if is_overruled(session, "HOME"):
        return True
    if session.shell in ZSH:
        return is_overruled(session, "ZDOTDIR")
    return session.shell in FISH and all(is_overruled(session, name) for name in _MORE_FOR_FISH)


def _shell(session: Session) -> Iterator[Hole]:
    if session.account.shell in session.host.foreign_shells:
        what = f"the login shell {session.account.shell} could be changed by others than root"
        why = "sshd starts the gate through it, so whoever can change it decides whether the gate runs"
        yield Hole(Status.OPEN, what, "give the account a shell of root's", "usermod --shell /bin/bash ACCOUNT", why)
    if session.shell in READ_FILES_AT_HOME and not _leads_away(session):
        home = session.set_env.get("HOME")
        reads = _READS.get(session.shell, "~/.zshenv")
        how = "no SetEnv leads it away" if home is None else f"SetEnv HOME={home} leads to where others may write"
        what = f"the login shell {session.account.shell} reads {reads} before the gate, and {how}"
        mend = f"{session.mend('SetEnv')}, as the first SetEnv"
        yield Hole(Status.OPEN, what, mend, set_env_line(session))
    elif session.shell not in KNOWN_SHELLS and not is_overruled(session, "HOME"):
        what = f"what the login shell {session.account.shell} reads before it runs a command is not known here"
        mend = f"look whether `{session.account.shell} -c` reads a file of the user's; {session.mend('SetEnv')}"
        yield Hole(Status.UNKNOWN, what, mend, set_env_line(session))
    elif session.shell in FISH and not all(is_overruled(session, name) for name in _MORE_FOR_FISH):
        what = "fish complains on stderr about the home that SetEnv names, before every command"
        yield Hole(Status.NOTE, what, session.mend("SetEnv"), set_env_line(session))


def _interpreter(session: Session) -> Iterator[Hole]:
    gate = session.gate
    if gate is None or gate.interpreter not in session.host.reads_homes or is_overruled(session, "HOME"):
        return
    if not _LEAVES_THE_HOME_ALONE & set(gate.options):
        where = session.where("ForceCommand")
        what = f"{gate.own_interpreter} is started without -I{where}, and runs *.pth of ~/.local before the gate"
        yield Hole(Status.OPEN, what, session.mend("ForceCommand"), isolated_line(session))


def _user_rc(session: Session) -> Iterator[Hole]:
    forced = session.effective.value("forcecommand") not in ("", "none")
    if not forced and not session.is_gated_by_keys and session.effective.is_on("permituserrc"):
        what = f"sshd runs ~/.ssh/rc before the session{session.where('PermitUserRC')}, for there is no ForceCommand"
        yield Hole(Status.OPEN, what, session.mend("PermitUserRC"), "PermitUserRC no")


def _system_rc(session: Session) -> Iterator[Hole]:
    problem = session.host.sshrc
    if problem is None:
        return
    if problem:
        what = f"/etc/ssh/sshrc runs before the gate, and {problem}"
        yield Hole(
            Status.OPEN, what, "let it be root's alone", "chown root: /etc/ssh/sshrc && chmod go-w /etc/ssh/sshrc"
        )
    elif not is_overruled(session, "HOME"):
        what = "/etc/ssh/sshrc runs as the user before the gate, with the user's HOME"
        yield Hole(Status.OPEN, what, f"{session.mend('SetEnv')}, as the first SetEnv", set_env_line(session))
    else:
        what = "/etc/ssh/sshrc runs as the user before the gate, in the user's home"
        yield Hole(Status.NOTE, what, "see that it runs and reads nothing below the home")


RULES = (
    Rule("shell-startup-files", _shell),
    Rule("interpreter-files", _interpreter),
    Rule("user-rc", _user_rc),
    Rule("system-rc", _system_rc),
)
