"""Why an attempt, or a whole probe, could not be made. Whether the gate holds is no fault but a result."""

from secsign_gate.errors import GateError


class ProbeError(GateError):
    """The probe cannot go on: a wrong argument, a server that does not speak SSH, a connection that ended."""


class HostKeyRefused(ProbeError):
    """The server's host key is unknown, another one than is known, or revoked; nothing was sent to it."""


class LoginWaits(ProbeError):
    """sshd has not answered a login in time: a PAM door, for one, asks the phone before it lets anybody in at all."""


class LoginRefused(ProbeError):
    """sshd took none of the keys for this account."""
