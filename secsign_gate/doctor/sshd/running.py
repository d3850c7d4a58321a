"""What sshd reads, and the servers that listen, fetched. Decides nothing."""

from contextlib import suppress
from pathlib import Path

from secsign_gate.doctor.finding import Status, worst_first
from secsign_gate.doctor.sshd.files import Files
from secsign_gate.doctor.sshd.gather import ask, chosen_accounts
from secsign_gate.doctor.sshd.judge import judge
from secsign_gate.sshd.config_files import Configuration, included_by, included_folders, read_config
from secsign_gate.sshd.program import Listener, Sshd, SshdError, listeners, sshd_of

_MAY_BE_OPEN = (Status.OPEN, Status.UNKNOWN)


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
    times = [0.0]
    for path in (*configuration.files, *included_folders(configuration)):
        with suppress(OSError):
            times.append(Path(path).stat().st_ctime)
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
    """Say what stands open at another listener, or why that is not known; empty if nothing does."""
    if not listener.is_openssh:
        return ""
    try:
        sshd = sshd_of(listener)
        configuration = read_config(sshd.configuration)
        accounts, _ = chosen_accounts((), (), configuration.lines)
        answers = ask(sshd, configuration, accounts, None)
    except SshdError as error:
        return str(error)
    judged = judge(answers.sessions) if answers.sessions else []
    troubles = [one for one in worst_first([*answers.findings, *judged]) if one.status in _MAY_BE_OPEN]
    if not troubles:
        return ""
    first = troubles[0]
    whom = f", for {', '.join(first.account.split(', ')[:3])}" if first.account else ""
    more = f"; and {len(troubles) - 1} more" if troubles[1:] else ""
    return f"{first.what}{whom}{more}"
