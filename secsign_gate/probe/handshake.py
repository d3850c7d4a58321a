"""The beginning of an SSH connection: TCP, key exchange, and whether it is the server that is meant."""

import logging
import re

import paramiko  # type: ignore[import-untyped]  # it ships no types

from secsign_gate.probe.bounded_socket import reach
from secsign_gate.probe.connection import PATIENCE, Connection
from secsign_gate.probe.fault import ProbeError
from secsign_gate.probe.foreign_text import printable
from secsign_gate.probe.host_keys import HostKeys
from secsign_gate.probe.place import Place

_MOST_REMARKS = 100
# How paramiko logs a debug message, and a disconnection.
_REMARK = re.compile(r"(?:Debug msg: b?'?|Disconnect \(code [0-9]+\): )(?P<words>.*?)'?", re.DOTALL)


class _Remarks(logging.Handler):
    """Keeps what the server says on the side, which paramiko only logs; and keeps its log off the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        found = _REMARK.fullmatch(record.getMessage())
        if found and len(self.said) < _MOST_REMARKS:
            self.said.append(printable(found["words"]))


def connect(place: Place, host_keys: HostKeys, *, seconds: float = PATIENCE, source: str = "") -> Connection:
    """Connect to `place`, from the address `source` if one is given, exchange keys and check the server's.

    Takes no longer than `seconds` for each of TCP and key exchange. Raises HostKeyRefused, and ProbeError if there is
    no SSH server, or one that does not answer in time.
    """
    stream = reach(place, seconds, source)
    try:
        transport = paramiko.Transport(stream)
        remarks = _Remarks()
        transport.logger = logging.Logger(__name__)  # noqa: LOG001 - of this connection alone, and in no hierarchy
        transport.logger.addHandler(remarks)
        transport.packetizer.set_log(transport.logger)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = seconds
        options = transport.get_security_options()
        options.key_types = _signatures(host_keys.kinds(place), tuple(options.key_types))
        try:
            transport.start_client(timeout=seconds)
            if not transport.initial_kex_done:
                raise TimeoutError("it did not finish")
            blob = transport.get_remote_server_key().asbytes()
        except (paramiko.SSHException, EOFError, OSError, ValueError) as error:
            reason = printable(str(error)) or "the connection ended"
            raise ProbeError(
                f"{place.known_as} does not speak SSH as it should, or not within {seconds:.0f} s ({reason}); "
                "is it an SSH server?"
            ) from error
        host_keys.check(place, blob)
    except BaseException:
        stream.close()  # paramiko's thread ends with it
        raise
    return Connection(transport, place, remarks.said)


def _signatures(kinds: list[str], all_types: tuple[str, ...]) -> tuple[str, ...]:
    """Return what to ask the server to sign with, so that it shows a key of one of these types."""
    rsa = tuple(one for one in all_types if one.startswith("rsa-sha2-")) if "ssh-rsa" in kinds else ()
    return tuple(kind for kind in kinds if kind != "ssh-rsa" and kind in all_types) + rsa or all_types
