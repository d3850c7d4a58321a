"""The daemon: whether it serves those who ask it, under the orders that were checked, and as nobody but itself."""

import grp
import os
import pwd
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from secsign_gate import __version__
from secsign_gate.config import Settings
from secsign_gate.doctor.daemon_found import DaemonFound
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.metrics import examine_metrics
from secsign_gate.doctor.orders import broken_by
from secsign_gate.doctor.ownership import account_name

_START = "systemctl enable --now secsign-gate.socket secsign-gate.service"
_RESTART = "systemctl restart secsign-gate"
_KEPT_OUT = "doors that ask the daemon let nobody in until it serves"
_POWERFUL = frozenset({"root", "adm", "sudo", "wheel", "shadow", "disk", "docker", "lxd", "libvirt", "kmem"})
_SYSTEMCTL = "/usr/bin/systemctl"
_SECONDS = 10


def examine_broker(settings: Settings, found: DaemonFound, sockets: frozenset[str] | None) -> tuple[Finding, ...]:
    """Judge what was found of the daemon.

    `sockets` are those that doors ask at: none if each has a broker of its own, None if that is not known.
    """
    findings = [broken_by(problem, _KEPT_OUT) for problem in found.problems]
    findings += _wrong_places(settings, found, sockets)
    match found.state:
        case "none" if not sockets:
            findings.append(Finding(Status.NOTE, "", "", "no daemon is set up: each login starts a broker of its own"))
        case "none" | "silent" if sockets:
            what = f"doors ask a daemon, and it does not answer at {settings.broker.socket}"
            findings.append(Finding(Status.BROKEN, "", "", what, _KEPT_OUT, "start it", _START))
        case "silent":
            asked = "no door asks it" if sockets is not None else "whether a door asks it is not known"
            what = f"the daemon does not answer at {settings.broker.socket}, and {asked}"
            findings.append(Finding(Status.WEAK, "", "", what, _KEPT_OUT, "start it", _START))
        case "unknown":
            what = "whether the daemon serves is not known, for only root may ask it"
            findings.append(Finding(Status.UNKNOWN, "", "", what, _KEPT_OUT, "run this as root"))
        case _:
            findings += _serving(settings, found, sockets)
    return tuple(findings)


def _wrong_places(settings: Settings, found: DaemonFound, sockets: frozenset[str] | None) -> list[Finding]:
    """Find doors that ask elsewhere than where these orders say that the daemon listens."""
    return [
        Finding(
            Status.BROKEN,
            "",
            "",
            f"doors ask at {socket}, but broker.socket in the configuration is {settings.broker.socket}",
            _KEPT_OUT,
            "name one place in both",
            f"--broker {settings.broker.socket}",
        )
        for socket in sorted((sockets or frozenset()) - {settings.broker.socket})
        if found.state != "none"
    ]


def _serving(settings: Settings, found: DaemonFound, sockets: frozenset[str] | None) -> list[Finding]:
    findings = [Finding(Status.WEAK, "", "", note) for note in found.notes]
    if sockets == frozenset():
        what = "the daemon serves, but no door asks it: ForceCommand lines say --config"
        why = "each channel costs a tap, and the users may read what their broker reads"
        line = f"--broker {settings.broker.socket}"
        findings.append(Finding(Status.NOTE, "", "", what, why, "send the doors to it", line))
    if found.status is None:
        return findings
    findings.append(Finding(Status.CLOSED, "", "", f"the daemon is {found.sentence}"))
    findings += _as_it_says(found.status)
    with suppress(KeyError):  # an account that is not there is among the problems
        entry = pwd.getpwnam(settings.broker.account)
        findings += _process(found.status, entry)
        findings += _account(entry)
    findings += _units()
    findings += examine_metrics(settings.broker.metrics)
    return findings


def _as_it_says(status: dict[str, Any]) -> list[Finding]:
    """Judge the daemon's own account of itself (broker/control.py)."""
    findings = []
    if status.get("version") != __version__:
        what = f"the daemon that runs is of version {status.get('version')}, the program of {__version__}"
        why = "doors of one version may not understand a daemon of another, and are refused then"
        findings.append(Finding(Status.WEAK, "", "", what, why, "restart it", _RESTART))
    if status.get("monitor") != "running":
        what = "the daemon's monitor has ended, so no SSH connection can be proven"
        findings.append(Finding(Status.WEAK, "", "", what, "every channel costs a tap", "restart it", _RESTART))
    for server in status.get("id_servers", ()):
        if server.get("state") == "down":
            what = f"the daemon finds the ID server {server.get('url')} down: {server.get('sentence')}"
            findings.append(Finding(Status.WEAK, "", "", what, "a login is refused until it is tried again"))
    return findings


def _process(status: dict[str, Any], account: pwd.struct_passwd) -> list[Finding]:
    """Judge what the kernel says of the daemon's process: it talks to every user, so it may do nothing else."""
    try:
        pid = int(status["pid"])
        lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
        fields = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
        uids, capabilities = {int(uid) for uid in fields["Uid"]}, int(fields["CapPrm"][0], 16)
        gains = fields.get("NoNewPrivs", ["1"]) != ["1"]
    except (OSError, KeyError, ValueError, IndexError, TypeError):
        return [
            Finding(Status.UNKNOWN, "", "", "the daemon's process cannot be looked at", "", "run this again as root")
        ]
    why = "who takes the daemon over gets what it has"
    findings = []
    if uids != {account.pw_uid}:
        what = f"the daemon runs as {account_name(min(uids))}, not as {account.pw_name}"
        findings.append(Finding(Status.OPEN, "", "", what, why, "restart it", _RESTART))
    if capabilities or gains:
        what = "the daemon's process has capabilities, or may gain some, that it gives up when it starts"
        findings.append(Finding(Status.OPEN, "", "", what, why, "restart it by its unit", _RESTART))
    if not findings:
        what = f"the daemon runs as {account.pw_name}, without any capability"
        findings.append(Finding(Status.CLOSED, "", "", what))
    return findings


def _account(entry: pwd.struct_passwd) -> list[Finding]:
    """Judge the daemon's account: nobody logs in as it, and no group gives it what it does not need."""
    findings = []
    if entry.pw_shell not in ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false"):
        what = f"the daemon's account {entry.pw_name} has the login shell {entry.pw_shell or '/bin/sh'}"
        why = "who logs in as it reads the ID server's credentials"
        line = f"usermod --shell /usr/sbin/nologin {entry.pw_name}"
        findings.append(Finding(Status.WEAK, "", entry.pw_name, what, why, "take it away", line))
    groups = []
    for gid in os.getgrouplist(entry.pw_name, entry.pw_gid):
        try:
            groups.append(grp.getgrgid(gid).gr_name)
        except KeyError:
            continue
    powerful = sorted(_POWERFUL.intersection(groups))
    if powerful:
        what = f"the daemon's account {entry.pw_name} is in the group {', '.join(powerful)}"
        why = "who takes the daemon over gets what the group may"
        findings.append(
            Finding(
                Status.WEAK, "", entry.pw_name, what, why, "take it out", f"gpasswd -d {entry.pw_name} {powerful[0]}"
            )
        )
    return findings


def _units() -> list[Finding]:
    """Ask systemd, where it runs, whether the daemon starts with the host."""
    if not Path("/run/systemd/system").is_dir() or not os.access(_SYSTEMCTL, os.X_OK):
        what = "systemd does not run here; whether the daemon starts with the host is your init's business"
        return [Finding(Status.NOTE, "", "", what)]
    try:
        ran = subprocess.run(
            [_SYSTEMCTL, "is-enabled", "secsign-gate.socket", "secsign-gate.service"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return [Finding(Status.NOTE, "", "", "systemctl does not say whether the daemon starts with the host")]
    if "enabled" in ran.stdout.split():
        return [Finding(Status.CLOSED, "", "", "the daemon starts with the host")]
    what = "the daemon serves now, but does not start with the host"
    return [Finding(Status.WEAK, "", "", what, "after the next start nobody is let in", "enable its units", _START)]
