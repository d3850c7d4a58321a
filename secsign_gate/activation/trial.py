"""Trying out whether the gate asks, and whether the way in for a bad day is open."""

from typing import Protocol

from secsign_gate.activation.change import Server
from secsign_gate.doctor.force_command import parse_force_command
from secsign_gate.errors import GateError
from secsign_gate.sshd.program import Sshd

_FROM = ("192.0.2.7", "127.0.0.1", "2001:db8::7")  # from afar (RFC 5737, RFC 3849), and from here
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


def examine_effective(sshd: Sshd, gated: tuple[str, ...], break_glass: tuple[str, ...]) -> str:
    """Ask sshd for whom it would start the gate. Raises TrialError if it is not for those who are meant."""
    for account in gated[:_MOST_ACCOUNTS]:
        for address in _FROM:
            if parse_force_command(sshd.effective(account, address, address).value("forcecommand")) is None:
                raise TrialError(
                    f"sshd would not start the gate for {account} from {address}: an earlier Match block wins"
                )
    for account in break_glass:
        if parse_force_command(sshd.effective(account, _FROM[0], _FROM[0]).value("forcecommand")) is not None:
            raise TrialError(f"sshd would start the gate for {account} too, who is to be the way in for a bad day")
    return f"sshd takes the configuration, and starts the gate for {', '.join(gated[:_MOST_ACCOUNTS])}"
