"""Trying out whether the gate asks, and whether the way in for a bad day is open."""

from typing import Protocol

from secsign_gate.activation.change import Server
from secsign_gate.core.orders import SshdSettings
from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.force_command import parse_force_command
from secsign_gate.doctor.sshd.part import sshd_findings
from secsign_gate.errors import GateError
from secsign_gate.sshd.program import Sshd

_FROM_AFAR = "192.0.2.7"  # an address that no host has (RFC 5737)
_MOST_ACCOUNTS = 20


class TrialError(GateError):
    """The gate does not stand where it should, or stands where it should not. `str()` is one sentence."""


class Trial(Protocol):
    """How logins are tried."""

    def before_reload(self, sshd: Sshd, gated: tuple[str, ...], break_glass: tuple[str, ...]) -> list[str]:
        """Try the configuration before the sshd that listens reads it; return what was found. Raises TrialError."""

    def after_reload(self, server: Server, gated: tuple[str, ...], break_glass: tuple[str, ...]) -> list[str]:
        """Log in at the sshd that listens; return what was found. Raises TrialError."""


class NoTrial:
    """Tries none."""

    def before_reload(self, sshd: Sshd, gated: tuple[str, ...], break_glass: tuple[str, ...]) -> list[str]:
        """Do nothing."""
        del sshd, gated, break_glass
        return ["no login was tried"]

    def after_reload(self, server: Server, gated: tuple[str, ...], break_glass: tuple[str, ...]) -> list[str]:
        """Do nothing."""
        del server, gated, break_glass
        return []


def examine_sshd(sshd: Sshd, gated: tuple[str, ...], break_glass: tuple[str, ...], settings: SshdSettings) -> list[str]:
    """Ask the doctor what sshd would do with the files as they are now; return what it found, sentences.

    Raises TrialError if something stands open for those who are gated, or if the gate stands before a way in for a bad
    day.
    """
    findings = sshd_findings(sshd, accounts=gated[:_MOST_ACCOUNTS], settings=settings, running=False)
    holes = [finding for finding in findings if finding.status is Status.OPEN]
    if holes:
        more = f" (and {len(holes) - 1} more; `secsign-gate doctor` names them)" if len(holes) > 1 else ""
        whom = f" for {holes[0].account}" if holes[0].account else ""
        raise TrialError(f"the doctor finds a hole{whom}: {holes[0].what}{more}")
    for account in break_glass:
        if parse_force_command(sshd.effective(account, _FROM_AFAR, _FROM_AFAR).value("forcecommand")) is not None:
            raise TrialError(f"sshd would start the gate for {account} too, who is to be the way in for a bad day")
    worth_knowing = [finding for finding in findings if finding.status in (Status.BROKEN, Status.WEAK)]
    return [
        "sshd takes the configuration, and the doctor finds nothing open with it",
        *(f"the doctor says: {finding.what}" for finding in worth_knowing),
    ]
