"""SSH connections that were proven before: their next door is recognised without asking the monitor again.

What is looked at is what everybody may read in /proc, and it is read anew each time. Whether it proves anything is
judged in core/proof.py. Where others' processes are hidden (hidepid), nothing is recognised, and the monitor is asked.
"""

from collections import OrderedDict
from contextlib import suppress

from secsign_gate.broker.peer import Peer
from secsign_gate.broker.processes import lineage
from secsign_gate.core.ancestry import UnprovenError
from secsign_gate.core.proof import Known, Proof, recognised

_MOST = 4096  # connections; one that is forgotten is proven by the monitor again


class KnownSshds:
    """What was proven, by the pid of the process that is the parent of a connection's doors."""

    def __init__(self) -> None:
        self._by_parent: OrderedDict[int, Known] = OrderedDict()

    def add(self, known: Known) -> None:
        """Remember a proof; the oldest is forgotten where there are too many."""
        self._by_parent[known.parent.pid] = known
        self._by_parent.move_to_end(known.parent.pid)
        if len(self._by_parent) > _MOST:
            self._by_parent.popitem(last=False)

    def proof_for(self, peer: Peer, executables: tuple[str, ...]) -> Proof | None:
        """Return the proof that holds for `peer` as well, or None: then it is to be proven from the ground up."""
        with suppress(UnprovenError):  # somebody has ended, or is hidden
            door = lineage(peer.pid)
            known = self._by_parent.get(door.parent)
            if known is None or known.executables != executables:
                return None
            # As long as the peer is there, its number is nobody else's.
            if recognised(peer.uid, door, lineage(known.parent.pid), known) and peer.is_there():
                return known.proof
        return None
