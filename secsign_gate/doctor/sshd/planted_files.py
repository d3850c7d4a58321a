"""Files in homes that run, or set variables, before the gate, and are there now: where the way for them is open.

What a doctor finds open today somebody may have used yesterday, and closing the way tells nobody of it.
"""

import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from secsign_gate.core.bypass import BYPASSES
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.sshd.judge import may_log_in
from secsign_gate.doctor.sshd.rules import RULES
from secsign_gate.doctor.sshd.session import Session

_OF_ALL = {"user-rc": (".ssh/rc",), "user-environment": (".ssh/environment",), "pam-environment": (".pam_environment",)}
_OF_SHELL = {
    "bash": (".bashrc",),
    "rbash": (".bashrc",),
    "zsh": (".zshenv",),
    "rzsh": (".zshenv",),
    "csh": (".cshrc",),
    "bsd-csh": (".cshrc",),
    "tcsh": (".tcshrc", ".cshrc"),
    "fish": (".config/fish/config.fish", ".config/fish/conf.d"),
}
_SKELETON = "/etc/skel"  # useradd(8): what lies there is in every home, and nobody has planted it
_WAYS = {bypass.name: bypass.way for bypass in BYPASSES}
_PATHS_SHOWN = 3
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def planted_findings(sessions: Iterable[Session]) -> list[Finding]:
    """Return a finding for each way that is open before the gate and for which files lie ready in gated homes.

    Files that are as /etc/skel has them are left out. Nothing of an account that no gate stands before: it needs none.
    """
    found: dict[str, dict[str, str]] = {}  # by way: each file, and whose it is
    for session in sessions:
        if session.is_gated and session.pam_gate is None and may_log_in(session):
            for bypass in _open_ways(session):
                for path in _files(session, bypass):
                    found.setdefault(bypass, {})[path] = session.account.name
    return [_finding(bypass, paths) for bypass, paths in found.items()]


def _open_ways(session: Session) -> Iterator[str]:
    for rule in RULES:
        of_files = rule.bypass in _OF_ALL or rule.bypass == "shell-startup-files"
        if of_files and any(hole.status is Status.OPEN for hole in rule.judge(session)):
            yield rule.bypass


def _files(session: Session, bypass: str) -> Iterator[str]:
    for name in _OF_ALL.get(bypass) or _OF_SHELL.get(session.shell, ()):
        path = f"{session.account.home.rstrip('/')}/{name}"
        if os.path.lexists(path) and not _is_as_delivered(path, f"{_SKELETON}/{name}"):
            yield path


def _is_as_delivered(path: str, skeleton: str) -> bool:
    """Tell whether a file of a user's, of which anything must be expected, is the same as root's."""
    with suppress(OSError):
        wanted = Path(skeleton).read_bytes()
        descriptor = os.open(path, _FLAGS)
        try:
            return stat.S_ISREG(os.fstat(descriptor).st_mode) and os.read(descriptor, len(wanted) + 1) == wanted
        finally:
            os.close(descriptor)
    return False


def _finding(bypass: str, owners: dict[str, str]) -> Finding:
    paths = sorted(owners)
    shown = " and ".join(
        [", ".join(paths[:_PATHS_SHOWN]), *([f"{len(paths) - _PATHS_SHOWN} more"] if paths[_PATHS_SHOWN:] else [])]
    )
    what = f"{shown} {'are' if paths[1:] else 'is'} there now, and this way is open"
    why = f"{_WAYS[bypass]} What was planted before the way is closed stays, and may have more behind it."
    mend = "close the way first, then look at each, who changed it, and when"
    line = f"ls -lc {' '.join(map(shlex.quote, paths))}"
    return Finding(Status.OPEN, bypass, ", ".join(dict.fromkeys(owners.values())), what, why, mend, line)
