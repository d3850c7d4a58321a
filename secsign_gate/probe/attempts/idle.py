"""A connection that opens no session: no gate ever sees it."""

from secsign_gate.probe.outcome import Outcome, held, through, unknown
from secsign_gate.probe.situation import Situation


def idle_connection(situation: Situation) -> Outcome:
    """`ssh -N`: see whether sshd ends such a connection, or still answers on it when the time is over."""
    wishes = situation.wishes
    if not wishes.idle:
        return unknown("takes as long as UnusedConnectionTimeout (10 minutes in the drop-in): --idle 660")
    connection = situation.idle or situation.connect()
    with connection:
        if connection.wait(lambda: not connection.is_alive(), wishes.idle):
            return held("sshd ended a connection without a session")
        if connection.ask("keepalive@openssh.com", seconds=wishes.seconds).granted is None:
            return unknown("a connection without a session did not end, and sshd no longer answered on it")
    return through(f"a connection without a session was still served after {wishes.idle:.0f} s")
