"""One login, to learn whether the gate asks: for whoever has just switched it on."""

from secsign_gate.probe.connection import PATIENCE
from secsign_gate.probe.handshake import connect
from secsign_gate.probe.host_keys import HostKeys
from secsign_gate.probe.identity import Identity
from secsign_gate.probe.marker import new_marker
from secsign_gate.probe.place import Place
from secsign_gate.probe.session import SECONDS, Heard, begin, listen


def does_the_gate_ask(
    place: Place,
    identities: list[Identity],
    host_keys: HostKeys,
    *,
    seconds: float = PATIENCE,
    session_seconds: float = SECONDS,
) -> Heard:
    """Log in to `place` by one of `identities`, open one session with a harmless command, and leave.

    The answer's `seen` is ASKED if the gate asked the phone (which withdraws the push, for we have left), RAN if the
    command ran and nobody was asked, REFUSED with the gate's sentence in `words`, ENDED or SILENT if it was neither.
    `seconds` bounds each step of the login, `session_seconds` the wait for the session's first sign. Raises
    HostKeyRefused, LoginRefused, LoginWaits if sshd lets nobody in yet (a PAM door asks first), and ProbeError if
    there is no SSH server that answers.
    """
    with connect(place, host_keys, seconds=seconds) as connection:
        connection.log_in(place.account, identities)
        marker = new_marker()
        return listen(begin(connection, marker.command), marker, session_seconds)
