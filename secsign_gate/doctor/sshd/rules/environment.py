"""Variables that somebody else than root sets before the gate starts: the client, the user's files, PAM."""

from collections.abc import Iterable, Iterator

from secsign_gate.core.patterns import matches_pattern
from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.pam.lines import PamLine
from secsign_gate.doctor.sshd.rules.variables import PYTHON, heeded, is_overruled, isolated_line, set_env_line
from secsign_gate.doctor.sshd.session import Hole, Rule, Session
from secsign_gate.sshd.config_lines import split_arguments

ACCEPT_LINE = "AcceptEnv LANG LC_* COLORTERM NO_COLOR"
# Names that an administrator accepts for a reason and that no loader, shell or gate obeys; TERM goes another way.
_HARMLESS = frozenset({"LANG", "LANGUAGE", "COLORTERM", "NO_COLOR", "TERM_PROGRAM", "TZ", "GIT_PROTOCOL"})
_HARMLESS_PREFIXES = ("LC_", "GIT_AUTHOR_", "GIT_COMMITTER_")
_OF_SSHD = ("SSH_ORIGINAL_COMMAND", "SSH_USER_AUTH", "SSH_TTY", "SSH_TUNNEL", "SSH_AUTH_SOCK")
_READS_USER_FILE = ("user_readenv=1", "user_readenv=yes")


def _is_harmless(pattern: str) -> bool:
    """Tell whether whatever the pattern matches is harmless."""
    plain = pattern.replace("?", "*").partition("*")[0]
    return pattern in _HARMLESS or plain.startswith(_HARMLESS_PREFIXES)


def _client(session: Session) -> Iterator[Hole]:
    names = [variable.name for variable in heeded(session) if variable.from_client]
    names += _of_python(session)
    taken = {name: pattern for name in names if (pattern := session.accepts(name)) and not is_overruled(session, name)}
    if taken:
        what, mend = _accepting(session, taken.values())
        yield Hole(Status.OPEN, f"{what} lets the client set {_listed(list(taken))}", mend, ACCEPT_LINE)
    broad = [pattern for pattern in session.effective.values("acceptenv") if not _is_harmless(pattern)]
    if broad and not taken:
        what, mend = _accepting(session, broad)
        yield Hole(Status.WEAK, f"{what} lets the client set more than language and colours", mend, ACCEPT_LINE)


def _of_python(session: Session) -> tuple[str, ...]:
    """Return the variables that the gate's interpreter heeds, none if it is isolated."""
    return () if session.gate is None or "-I" in session.gate.options else PYTHON


def _accepting(session: Session, patterns: Iterable[str]) -> tuple[str, str]:
    """Return the patterns as AcceptEnv, with where the first of them is accepted, and how to mend that.

    The AcceptEnv lines of all Match blocks count, and replace those outside (sshd_config(5)).
    """
    each = list(dict.fromkeys(patterns))
    lines = session.effective.applied("acceptenv")
    line = next((line for line in lines if each[0] in split_arguments(line.text)), None)
    if line is None:
        return f"AcceptEnv {' '.join(each)}", session.mend("AcceptEnv")
    what = f"AcceptEnv {' '.join(each)} ({line.place})"
    if line.matched:
        return what, f"write this in place of {line.place}; AcceptEnv lines of several Match blocks add up"
    return what, session.mend("AcceptEnv")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more of the kind" if len(names) > 4 else "")  # noqa: PLR2004


def _forged(session: Session) -> Iterator[Hole]:
    effective = session.effective
    names = [name for name in _OF_SSHD if name != "SSH_USER_AUTH" or not effective.is_on("exposeauthinfo")]
    taken = {name: pattern for name in names if (pattern := session.accepts(name)) and name not in session.set_env}
    if taken:
        what, mend = _accepting(session, taken.values())
        yield Hole(Status.OPEN, f"{what} lets the client set {', '.join(taken)}", mend, ACCEPT_LINE)


def _user(session: Session) -> Iterator[Hole]:
    value = session.effective.value("permituserenvironment")
    if value in ("", "no"):
        return
    where = f"PermitUserEnvironment {value}{session.where('PermitUserEnvironment')}"
    mend = "write it into the first drop-in, above its Match line, for it may stand in no Match block"
    line = "PermitUserEnvironment no"
    patterns = ("*",) if value == "yes" else tuple(value.split(","))
    names = ["PATH", *(variable.name for variable in heeded(session)), *_of_python(session), *_OF_SSHD]
    taken = [
        name
        for name in names
        if any(matches_pattern(name, pattern) for pattern in patterns) and not is_overruled(session, name)
    ]
    if taken:
        yield Hole(Status.OPEN, f"{where} lets the user's own files set {_listed(taken)}", mend, line)
    elif not all(_is_harmless(pattern) for pattern in patterns):
        yield Hole(Status.WEAK, f"{where} lets the user's own files set variables before the gate starts", mend, line)


def reads_user_file(line: PamLine) -> bool:
    """Tell whether a line of PAM's has ~/.pam_environment read (pam_env(8), user_readenv)."""
    return line.module_name == "pam_env.so" and any(argument in _READS_USER_FILE for argument in line.arguments)


def _pam(session: Session) -> Iterator[Hole]:
    reading = next((line for line in session.host.pam if reads_user_file(line)), None)
    if reading is None or not session.effective.is_on("usepam"):
        return
    variables = [variable for variable in heeded(session) if not is_overruled(session, variable.name)]
    # What every program heeds is enough to be told, and the same for all shells.
    missing = [one.name for one in variables if not one.shells] or [one.name for one in variables]
    of_python = _of_python(session)
    if missing or of_python:
        what = f"{reading.place} reads ~/.pam_environment, and no SetEnv overrules {_listed([*missing, *of_python])}"
        mend = session.mend("ForceCommand") if of_python else f"{session.mend('SetEnv')}, as the first SetEnv"
        lines = [set_env_line(session)] * bool(missing) + [isolated_line(session)] * bool(of_python)
        yield Hole(Status.OPEN, what, f"{mend}; or take user_readenv=1 out of {reading.path}", "\n".join(lines))


def _second_set_env(session: Session) -> Iterator[Hole]:
    lines = session.effective.applied("setenv")
    if session.gate is not None and len(lines) > 1:
        what = f"only the first SetEnv counts, that of {lines[0].place}, and not that of {lines[1].place}"
        yield Hole(Status.NOTE, what, "append what is needed to the first", set_env_line(session))


RULES = (
    Rule("client-environment", _client),
    Rule("forged-variables", _forged),
    Rule("user-environment", _user),
    Rule("pam-environment", _pam),
    Rule("", _second_set_env),
)
