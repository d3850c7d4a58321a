"""Everything that the sshd part of the doctor looks at, fetched: sshd's answers, /etc, /proc. Decides nothing."""

import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from secsign_gate.core.login import Account
from secsign_gate.core.orders import SshdSettings
from secsign_gate.doctor.accounts import account_named, accounts_with_shells
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.ownership import way_to
from secsign_gate.doctor.pam_lines import INCLUDES, parse_pam
from secsign_gate.doctor.sshd_files import Files
from secsign_gate.doctor.sshd_points import OUTSIDE, account_classes, connections
from secsign_gate.doctor.sshd_session import Connection, Host, PamLine, Session
from secsign_gate.sshd.config_files import Configuration, included_by, read_config
from secsign_gate.sshd.effective import Effective
from secsign_gate.sshd.program import Listener, Sshd, SshdError, listeners, sshd_of

MOST_QUESTIONS = 400  # to sshd, each of some ten milliseconds
_PAM_FOLDERS = ("/etc/pam.d", "/usr/lib/pam.d")
_DEEPEST_PAM = 16
_SSHRC = "/etc/ssh/sshrc"
_PTRACE_SCOPE = "/proc/sys/kernel/yama/ptrace_scope"
_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Answers(NamedTuple):
    """What sshd said of everybody who was asked about, and what could not be asked."""

    sessions: tuple[Session, ...]
    findings: tuple[Finding, ...]


def chosen_accounts(names: tuple[str, ...], groups: tuple[str, ...]) -> tuple[list[Account], list[Finding]]:
    """Return the accounts of these names and the members of these groups; without either, everybody with a shell."""
    if not names and not groups:
        return accounts_with_shells(), []
    found: dict[str, Account] = {}
    findings = []
    for name in names:
        try:
            found[name] = account_named(pwd.getpwnam(name))
        except (KeyError, ValueError):
            findings.append(Finding(Status.BROKEN, "", name, f"there is no account {name!a} on this host"))
    members = [one for one in accounts_with_shells() if set(one.groups) & set(groups)]
    known = {group for one in members for group in one.groups}
    findings += [
        Finding(Status.NOTE, "", "", f"nobody with a shell is in the group {group!a}")
        for group in groups
        if group not in known
    ]
    return [*(found | {one.name: one for one in members}).values()], findings


def ask(sshd: Sshd, accounts: list[Account], settings: SshdSettings | None) -> Answers:
    """Ask sshd about each account on each connection that matters. Raises SshdError if sshd answers nothing at all."""
    configuration = read_config(sshd.configuration)
    general = sshd.settings()
    ports = [int(port) for port in general.values("port") if port.isdecimal()]
    where = connections(configuration.lines, ports, names_looked_up=general.is_on("usedns"))
    findings = []
    told: list[tuple[Account, Connection, Effective]] = []
    questions = 0
    for accounts_alike in account_classes(accounts, configuration.lines):
        for connection in where:
            if questions >= MOST_QUESTIONS:
                findings.append(_too_many(len(accounts_alike)))
                break
            questions += 1
            try:
                effective = _effective(sshd, accounts_alike, connection)
            except SshdError as error:
                names = ", ".join(one.name for one in accounts_alike)
                findings.append(Finding(Status.UNKNOWN, "", names, str(error)))
                break
            told += [(account, connection, effective) for account in accounts_alike]
    host = _host(sshd, configuration, general, {effective for _, _, effective in told}, settings)
    return Answers(tuple(Session(*one, host) for one in told), tuple(dict.fromkeys(findings)))


def _effective(sshd: Sshd, alike: tuple[Account, ...], connection: Connection) -> Effective:
    """Ask about one of accounts that no Match can tell apart: one whose name can be said to sshd, if there is one."""
    account = next((one for one in alike if one.name.isprintable() and "," not in one.name), alike[0])
    return sshd.effective(
        account.name, connection.address, connection.host, connection.local_address, connection.local_port
    )


def _too_many(accounts: int) -> Finding:
    what = f"sshd was asked {MOST_QUESTIONS} times, and not about every login of {accounts} accounts more"
    why = "the Match lines tell so many accounts and addresses apart that not all of it can be tried"
    return Finding(
        Status.UNKNOWN, "match-exemption", "", what, why, "ask for some accounts only, or simplify the Match lines"
    )


def _host(
    sshd: Sshd,
    configuration: Configuration,
    general: Effective,
    effectives: set[Effective],
    settings: SshdSettings | None,
) -> Host:
    values = [value.partition("=")[2] for effective in effectives for value in effective.values("setenv")]
    paths = {part for value in values for part in value.split(":")}
    return Host(
        sshd.version,
        configuration.lines,
        tuple(pam_service(general.value("pamservicename") or "sshd")) if general.is_on("usepam") else (),
        _ptrace_scope(),
        _sshrc(),
        frozenset(path for path in paths if only_root_makes(path)),
        settings,
    )


def pam_service(name: str, depth: int = 0) -> list[PamLine]:
    """Return the lines of a PAM service, those of included files where they are included; none if there is no file."""
    path = next((path for path in (f"{folder}/{name}" for folder in _PAM_FOLDERS) if Path(path).is_file()), None)
    if path is None or depth > _DEEPEST_PAM:
        return []
    try:
        text = Path(path).read_text("utf-8", "surrogateescape")
    except OSError:  # said by whoever judges who may read and write PAM's files
        return []
    lines = []
    for line in parse_pam(path, text):
        if line.control not in INCLUDES:
            lines.append(line)
            continue
        included = pam_service(line.module.removeprefix("/etc/pam.d/"), depth + 1)
        lines += [one for one in included if line.group in ("", one.group)]
    return lines


def _ptrace_scope() -> int | None:
    with suppress(OSError, ValueError):
        return int(Path(_PTRACE_SCOPE).read_text())
    return None


def _sshrc() -> str | None:
    try:
        faults = way_to(_SSHRC).faults
    except OSError:
        return None
    return faults[0].what if faults else ""


def only_root_makes(path: str) -> bool:
    """Tell whether only root could make what is to be at `path`, or change what is there."""
    if not path.startswith("/"):
        return False
    there = Path(path)
    while not os.path.lexists(there):
        there = there.parent
    try:
        way = way_to(str(there))
        is_open = str(there) != path and bool(there.stat().st_mode & _BY_OTHERS)
    except OSError:
        return False
    return not way.faults and not is_open


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
        None if examined is None else max(examined.started, _restarted(sshd, examined)),
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
        for alike in classes[:MOST_QUESTIONS]:
            effective = sshd.effective(alike[0].name, OUTSIDE, OUTSIDE, local_port=port)
            session = Session(alike[0], Connection(OUTSIDE, OUTSIDE, "", port), effective, Host(sshd.version))
            if not session.is_gated:
                return f"there is no gate before {', '.join(one.name for one in alike[:3])}"
    except SshdError as error:
        return str(error)
    return ""
