"""Files in the home that something runs, or reads, before the gate. Only on this very host, and only with --plant."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from secsign_gate.probe.attempts.environment import LOADER_OBEYS, MISSING_LIBRARY
from secsign_gate.probe.marker import Marker, new_marker
from secsign_gate.probe.outcome import Outcome, held, through, unknown
from secsign_gate.probe.plant import EVIDENCE, HEADER, acting_as, planted, why_not
from secsign_gate.probe.session import Heard, Seen
from secsign_gate.probe.situation import Situation, run_command

SYSTEM_RC = Path("/etc/ssh/sshrc")
_MINORS = range(9, 18)  # of Python 3: a gate may be of any of them
_IN_THE_HOME = re.compile(r"(?:\$HOME|\$\{HOME\}|~)/((?:[\w.+-]+/)*[\w.+-]+)")


class Evidence:
    """A folder of the account's, where whatever runs leaves the product of two numbers under a name of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marker: Marker = new_marker()

    def line(self, name: str) -> str:
        """Return the text of a file that leaves the marker, in words that sh, csh and fish understand."""
        return f"{HEADER}\n{self.marker.command} >{self.folder}/ran-{name}\n"

    def names(self) -> list[str]:
        """Return the names under which the marker was left."""
        found = []
        for path in sorted(self.folder.glob("ran-*")):
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    if self.marker.is_in(os.read(descriptor, 100)):
                        found.append(path.name.removeprefix("ran-"))
                finally:
                    os.close(descriptor)
        return found


def shell_startup_files(situation: Situation) -> Outcome:
    """See what the login shells read before `-c`: bash for sshd, zsh, tcsh, fish."""
    names = (".bashrc", ".zshenv", ".tcshrc", ".config/fish/config.fish")
    return _try(situation, lambda evidence: {name: evidence.line(name.rpartition("/")[2]) for name in names})


def interpreter_files(situation: Situation) -> Outcome:
    """Try what a Python runs that is not told to leave the home alone: *.pth of every version (site, USER_SITE)."""

    def files(evidence: Evidence) -> dict[str, str]:
        command = f"{evidence.marker.command} >{evidence.folder}/ran-pth"
        text = f"{HEADER}\nimport os; os.system({command!r})\n"
        return {f".local/lib/python3.{minor}/site-packages/{EVIDENCE}.pth": text for minor in _MINORS}

    return _try(situation, files, shown=".local/lib/python3.*/site-packages")


def user_rc(situation: Situation) -> Outcome:
    """Try ~/.ssh/rc, which sshd starts by itself (sshd(8), SSHRC)."""
    return _try(situation, lambda evidence: {".ssh/rc": evidence.line("rc")})


def user_environment(situation: Situation) -> Outcome:
    """Try ~/.ssh/environment, with variables that run code in each shell (sshd_config(5), PermitUserEnvironment)."""

    def files(evidence: Evidence) -> dict[str, str]:
        lines = [f"{name}={value}" for name, value in _variables(evidence).items()]
        return {".ssh/environment": "\n".join([HEADER, *lines, ""])}

    return _try(situation, files)


def pam_environment(situation: Situation) -> Outcome:
    """Try ~/.pam_environment, the same for pam_env with user_readenv=1 (pam_env(8))."""

    def files(evidence: Evidence) -> dict[str, str]:
        lines = [f"{name} DEFAULT={value}" for name, value in _variables(evidence).items()]
        return {".pam_environment": "\n".join([HEADER, *lines, ""])}

    return _try(situation, files, anew=True)


def system_rc(situation: Situation) -> Outcome:
    """Try what /etc/ssh/sshrc runs: each file of the home that it names, replaced by ours."""
    refusal = _not_here(situation)
    if refusal is not None:
        return refusal
    try:
        text = SYSTEM_RC.read_text(errors="replace")
    except FileNotFoundError:
        return held(f"this host has no {SYSTEM_RC}")
    except OSError as error:
        return unknown(f"{SYSTEM_RC} cannot be read: {error.strerror}")
    names = [name for name in dict.fromkeys(_IN_THE_HOME.findall(text)) if _may_be_replaced(name)]
    if not names:
        return held(f"{SYSTEM_RC} names no file of the home")
    return _try(
        situation, lambda evidence: {name: f"#!/bin/sh\n{evidence.line(str(at))}" for at, name in enumerate(names)}
    )


def _may_be_replaced(name: str) -> bool:
    return ".." not in name.split("/") and not name.startswith(".ssh/authorized_keys")  # by which we log in


def _variables(evidence: Evidence) -> dict[str, str]:
    """Return variables by which every kind of shell runs a file of the evidence's, or its loader says a word."""
    folder = evidence.folder
    for path, name in ((folder / "sh", "BASH_ENV"), (folder / ".zshenv", "ZDOTDIR"), (folder / "fish/config.fish", "")):
        path.parent.mkdir(exist_ok=True)
        path.write_text(evidence.line(name or "XDG_CONFIG_HOME"))
    return {
        "SHLVL": "5",  # else bash believes to be sshd's own, and reads ~/.bashrc instead
        "BASH_ENV": str(folder / "sh"),
        "ZDOTDIR": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "LD_PRELOAD": MISSING_LIBRARY,
    }


def _try(
    situation: Situation, files: Callable[[Evidence], Mapping[str, str]], *, shown: str = "", anew: bool = False
) -> Outcome:
    """Plant, ask for a command, and see what has left its marker; in a connection of its own if `anew`.

    `shown` is said of many files in place of their names.
    """
    account = situation.wishes.place.account
    refusal = _not_here(situation)
    if refusal is not None:
        return refusal
    with _evidence(account) as evidence:
        with acting_as(account):
            texts = files(evidence)
        names = shown or ", ".join(texts)
        with planted(account, texts):
            heard = _session(situation, anew=anew)
        ran = evidence.names()
    if ran:
        return through(f"what was put into {names} ran ({', '.join(ran)}), and nobody was asked")
    if LOADER_OBEYS in heard.raw:
        return through(f"LD_PRELOAD in {names} reached the loader before the gate")
    what = f"nothing put into {names} ran; {heard.sentence}"
    return unknown(what) if heard.seen is Seen.CUT else held(what)


def _session(situation: Situation, *, anew: bool) -> Heard:
    if not anew:
        return situation.ask_for(run_command)
    with situation.connect() as connection:
        return situation.ask_for(run_command, connection=connection)


def _not_here(situation: Situation) -> Outcome | None:
    """Return the outcome if nothing may be planted; None if it may."""
    if not situation.wishes.plant:
        return unknown("not tried without --plant, which puts files into the home of a test account")
    if not situation.connection.is_to_this_host:
        return unknown(
            "files can be planted only on the host itself, which its sshd's host key in /etc/ssh shows; run it there"
        )
    reason = why_not(situation.wishes.place.account)
    return unknown(reason) if reason else None


@contextmanager
def _evidence(account: str) -> Iterator[Evidence]:
    """Make a folder that the account, and nobody else but root, may write to; remove it after."""
    with acting_as(account):
        folder = Path(tempfile.mkdtemp(prefix=EVIDENCE, dir="/tmp"))
    try:
        yield Evidence(folder)
    finally:
        with acting_as(account):
            shutil.rmtree(folder, ignore_errors=True)
