"""What sshd reads, and the servers that listen, fetched. Decides nothing."""

from contextlib import suppress
from pathlib import Path

from secsign_gate.doctor.accounts import accounts_with_shells
from secsign_gate.doctor.pam_files import pam_service
from secsign_gate.doctor.sshd_files import Files
from secsign_gate.doctor.sshd_judge import may_log_in
from secsign_gate.doctor.sshd_points import OUTSIDE, account_classes
from secsign_gate.doctor.sshd_session import Connection, Host, Session
from secsign_gate.sshd.config_files import Configuration, included_by, read_config
from secsign_gate.sshd.program import Listener, Sshd, SshdError, listeners, sshd_of

_MOST_QUESTIONS = 100  # to another sshd


def look_at_files(sshd: Sshd) -> Files:
    """Look at what sshd reads, and at what runs. Raises SshdError if the files cannot be read."""
    configuration = read_config(sshd.configuration)
    running = [*listeners()]
    examined = next((one for one in running if one.is_openssh and _is_of(one, sshd)), None)
    folder = f"{sshd.configuration}.d"
    return Files(
        sshd,
        configuration,
        tuple(included_by(f"{folder}/*.conf")),
        _changed(configuration),
        None if examined is None else _restarted(sshd, examined) or examined.started,
        examined,
        tuple((one, _fault_of(one)) for one in running if one is not examined),
    )


def _is_of(listener: Listener, sshd: Sshd) -> bool:
    with suppress(SshdError):
        other = sshd_of(listener)
        return (other.executable, other.configuration, other.options) == (
            sshd.executable,
            sshd.configuration,
            sshd.options,
        )
    return False


def _changed(configuration: Configuration) -> float:
    """Return when a file, or a folder of an Include, was last changed; ctime, for `cp -p` keeps the other."""
    patterns = [word for line in configuration.lines if line.keyword == "include" for word in line.arguments]
    times = [0.0]
    for path in (*configuration.files, *(pattern.rpartition("/")[0] for pattern in patterns)):
        with suppress(OSError):
            times.append(Path(path or "/").stat().st_ctime)
    return max(times)


def _restarted(sshd: Sshd, listener: Listener) -> float:
    """Return when the running sshd wrote its PidFile, which it also does after SIGHUP; 0 if that cannot be known.

    It keeps its pid and its start time then (sshd(8), SIGHUP), so nothing in /proc tells.
    """
    with suppress(OSError, SshdError, ValueError):
        path = Path(sshd.settings().value("pidfile"))
        if int(path.read_text()) == listener.pid:
            return path.stat().st_mtime
    return 0.0


def _fault_of(listener: Listener) -> str:
    """Say what is wrong with another listener: empty if the gate stands before everybody with a shell there."""
    if not listener.is_openssh:
        return ""
    try:
        sshd = sshd_of(listener)
        accounts = [one for one in accounts_with_shells() if "," not in one.name]
        classes = account_classes(accounts, read_config(sshd.configuration).lines)
        port = listener.listens_on[0][1]
        for alike in classes[:_MOST_QUESTIONS]:
            effective = sshd.effective(alike[0].name, OUTSIDE, OUTSIDE, local_port=port)
            pam = tuple(pam_service(effective.value("pamservicename") or "sshd"))
            session = Session(alike[0], Connection(OUTSIDE, OUTSIDE, "", port), effective, Host(sshd.version, pam=pam))
            if may_log_in(session) and not session.is_gated:
                return f"there is no gate before {', '.join(one.name for one in alike[:3])}"
    except SshdError as error:
        return str(error)
    return ""
