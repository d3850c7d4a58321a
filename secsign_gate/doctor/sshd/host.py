"""What matters for the gate and sshd -T does not tell, fetched from /etc and /proc. Decides nothing."""

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from secsign_gate.core.login import Account
from secsign_gate.core.orders import SshdSettings
from secsign_gate.doctor.gate_line import gate_on_line
from secsign_gate.doctor.ownership import way_to
from secsign_gate.doctor.pam.files import pam_service
from secsign_gate.doctor.sshd.session import Host
from secsign_gate.sshd.config_files import Configuration
from secsign_gate.sshd.effective import Effective
from secsign_gate.sshd.program import Sshd

_SSHRC = "/etc/ssh/sshrc"
_PTRACE_SCOPE = "/proc/sys/kernel/yama/ptrace_scope"
_WITH_THE_SYSTEMS = re.compile(r"^include-system-site-packages\s*=\s*true\s*$", re.IGNORECASE | re.MULTILINE)
_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def host_facts(
    sshd: Sshd,
    configuration: Configuration,
    general: Effective,
    told: list[tuple[Account, Effective]],
    settings: SshdSettings | None,
) -> Host:
    """Fetch what sshd -T does not tell. `general` stands outside of Match, `told` is what sshd answered about whom."""
    effectives = {effective for _, effective in told}
    shells = {account.shell for account, _ in told}
    values = [value.partition("=")[2] for effective in effectives for value in effective.values("setenv")]
    paths = {part for value in values for part in value.split(":")}
    gates = {gate_on_line(effective.value("forcecommand")) for effective in effectives}
    at_risk = {gate.interpreter for gate in gates if gate is not None and reads_homes(gate.own_interpreter)}
    return Host(
        sshd.version,
        configuration.lines,
        tuple(pam_service(general.value("pamservicename") or "sshd")) if general.is_on("usepam") else (),
        frozenset(shell for shell in shells if not _is_roots(shell)),
        _ptrace_scope(),
        _sshrc(),
        frozenset(path for path in paths if only_root_makes(path)),
        settings,
        reads_homes=frozenset(at_risk),
    )


def reads_homes(interpreter: str) -> bool:
    """Tell whether a Python has the user's site-packages; in a virtual environment of its own it has not (site)."""
    folder = Path(interpreter).parent
    for settings in (folder / "pyvenv.cfg", folder.parent / "pyvenv.cfg"):
        with suppress(OSError):
            return _WITH_THE_SYSTEMS.search(settings.read_text("utf-8", "replace")) is not None
    return True


def _is_roots(shell: str) -> bool:
    """Tell whether only root could change a login shell; one that is not there, sshd does not start."""
    try:
        return not way_to(shell).faults if shell.startswith("/") else not shell
    except OSError:
        return True


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
