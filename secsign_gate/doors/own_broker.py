"""The embedded broker: the same program as the daemon, started by the door for one login."""

import _socket
import posix
import sys

from secsign_gate.errors import BrokerUnavailable

_ENVIRON = {b"PATH": b"/usr/bin:/bin", b"LANG": b"C.UTF-8"}


def start_own_broker(config: str) -> tuple[_socket.socket, int]:
    """Start a broker with the orders in `config`; return our end of the stream to it, and its pid.

    Its end is its standard input, and it has a session of its own. Raises BrokerUnavailable.
    """
    if not sys.executable.startswith("/"):
        raise BrokerUnavailable("the interpreter has no absolute path; write one on the ForceCommand line")
    try:
        ours, theirs = _socket.socketpair()
        child = posix.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-m", "secsign_gate.broker.embedded", config],
            _ENVIRON,
            file_actions=[
                (posix.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                (posix.POSIX_SPAWN_OPEN, 1, "/dev/null", posix.O_WRONLY, 0),
                (posix.POSIX_SPAWN_OPEN, 2, "/dev/null", posix.O_WRONLY, 0),
            ],
            setsid=True,  # Ctrl-C is for the door; the broker must live on to cancel the push
        )
    except OSError as error:
        raise BrokerUnavailable(f"no broker at {sys.executable}: {error.strerror}") from None
    theirs.close()
    return ours, child
