"""Files that the gate lives by besides its orders and its code: who else could change them, and whether they serve.

sshd's configuration says whether the gate is asked, PAM's what runs before it, and the record is what is left of it.
"""

import os
import pwd
import socket
from contextlib import suppress
from pathlib import Path

from secsign_gate.config import Settings
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.gate_program import told
from secsign_gate.doctor.ownership import Fault, faults_below, way_to
from secsign_gate.sshd.config_files import Configuration, included_folders

_SYSLOG = "/dev/log"
PAM = "/etc/pam.d"
_WHY_SSHD = "whoever can change sshd's configuration can switch the gate off"
_WHY_PAM = "whoever can change PAM's configuration can have code run as root at each login"
_WHY_RECORD = "a login that cannot be recorded is refused"


def examine_sshd_files(configuration: Configuration) -> tuple[Finding, ...]:
    """Judge every file that sshd reads its configuration from, and the folders that an Include looks into."""
    faults: list[Fault] = []
    for path in (*configuration.files, *included_folders(configuration)):
        with suppress(OSError):  # gone since it was read
            faults += way_to(path).faults
    if not faults:
        return (
            Finding(Status.CLOSED, "", "", f"sshd's {len(configuration.files)} configuration files are root's alone"),
        )
    return tuple(told(faults, Status.OPEN, _WHY_SSHD))


def examine_pam_files(folder: str = PAM) -> tuple[Finding, ...]:
    """Judge PAM's configuration of all services, for they include one another."""
    try:
        faults = [*way_to(folder).faults, *faults_below(folder)]
    except OSError as error:
        if not Path(folder).exists():
            return ()
        what = f"{folder} cannot be looked at ({error.strerror})"
        return (Finding(Status.UNKNOWN, "", "", what, _WHY_PAM, "run this as root"),)
    if not faults:
        return (Finding(Status.CLOSED, "", "", f"{folder} is root's alone"),)
    return tuple(told(faults, Status.OPEN, _WHY_PAM))


def examine_record(settings: Settings) -> tuple[Finding, ...]:
    """See whether verdicts can be recorded, and whether others than the broker could change the record."""
    findings = []
    if settings.audit.syslog:
        findings.append(_syslog())
    if settings.audit.file is not None:
        findings += _file(settings.audit.file, settings.broker.account)
    return tuple(findings)


def _syslog() -> Finding:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.setblocking(False)
        try:
            log.connect(_SYSLOG)
        except OSError as error:
            what = f"syslog does not take records at {_SYSLOG} ({error.strerror})"
            mend = "start journald or rsyslog, or record into audit.file only"
            return Finding(Status.BROKEN, "", "", what, _WHY_RECORD, mend)
    return Finding(Status.CLOSED, "", "", "syslog takes records")


def _file(path: str, account: str) -> list[Finding]:
    owners = {0, os.geteuid()}
    with suppress(KeyError):
        owners.add(pwd.getpwnam(account).pw_uid)
    there = path if os.path.lexists(path) else str(Path(path).parent)
    try:
        faults = way_to(there, frozenset(owners)).faults
    except OSError as error:
        what = f"{path} cannot hold the record ({error.strerror})"
        return [Finding(Status.BROKEN, "", "", what, _WHY_RECORD, "make its folder, see systemd/tmpfiles.d")]
    if faults:
        return told(list(faults), Status.WEAK, "whoever can change the record can take a login out of it")
    return [Finding(Status.CLOSED, "", "", f"{path} is written by the broker only")]
