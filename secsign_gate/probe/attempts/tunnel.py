"""A network interface of the host: ssh -w is `tun@openssh.com` (PROTOCOL 2.3). And what DisableForwarding forgets."""

import secrets

from secsign_gate.probe.attempts.client_side import agent_forwarding, x11_forwarding
from secsign_gate.probe.attempts.forwarding import is_refused
from secsign_gate.probe.channel import Channel, uint32
from secsign_gate.probe.connection import Connection
from secsign_gate.probe.fault import LoginRefused
from secsign_gate.probe.foreign_text import printable
from secsign_gate.probe.outcome import Outcome, Status, agreed, held, through, unknown, worst, worst_of
from secsign_gate.probe.situation import Situation

_LAYERS = {3: 1, 2: 2}  # layer of the network → mode in the request
_FIRST_UNIT, _UNITS = 10_000, 80_000  # few hosts have interfaces of such numbers
_WILLING = "Failed to open the tunnel device"  # sshd's debug message where PermitTunnel is on (serverloop.c)


def tunnel(situation: Situation) -> Outcome:
    """`ssh -w`, of layer 2 and 3; as root too where root takes the key, for others may seldom open the device."""
    found = _of(situation.connection)
    if found.status is Status.GOT_THROUGH or situation.wishes.place.account == "root":
        return found

    def as_root() -> Outcome:
        try:
            with situation.connect(account="root") as connection:
                return _of(connection)
        except LoginRefused:
            return found  # then root has no tunnel by this key either

    return worst_of([lambda: found, as_root], found)


def disable_forwarding_alone(situation: Situation) -> Outcome:
    """Look for what a guard that says DisableForwarding and no more may forget: tunnels, X11, agents."""
    if not is_refused(situation):
        return unknown("TCP is forwarded, so DisableForwarding is not on; see local-forwarding")
    tries = {"a tunnel": tunnel, "X11": x11_forwarding, "an agent": agent_forwarding}
    found = {name: attempt(situation) for name, attempt in tries.items()}
    forgotten = [outcome._replace(what=f"TCP is refused, and {name} is not: {outcome.what}")
                 for name, outcome in found.items() if outcome.is_open]  # fmt: skip
    return worst(forgotten, held("neither TCP nor X11 nor an agent nor a tunnel was forwarded"))


def _of(connection: Connection) -> Outcome:
    return worst([_try(connection, layer, mode) for layer, mode in _LAYERS.items()], held("sshd refused"))


def _try(connection: Connection, layer: int, mode: int) -> Outcome:
    """Ask for an interface; if there is one, ask for the same again, which the host's kernel must then refuse."""
    unit, said_before = _FIRST_UNIT + secrets.randbelow(_UNITS), len(connection.remarks)
    first = _open(connection, mode, unit)
    if not first.opened:
        said = connection.remarks[said_before:]
        if any(_WILLING in remark for remark in said):
            return agreed(f"sshd was willing, and this account may not open the device (layer {layer}); root may")
        return held(f"sshd refused{f' ({printable(said[-1])})' if said else ''}")
    second = _open(connection, mode, unit)
    second.close()
    first.close()
    if second.opened:
        return agreed(f"sshd agreed to the interface {unit} of layer {layer} twice, so it may be none")
    return through(f"sshd made the interface {unit} of layer {layer}, and while it was there no second one of the name")


def _open(connection: Connection, mode: int, unit: int) -> Channel:
    return connection.open("tun@openssh.com", uint32(mode) + uint32(unit))
