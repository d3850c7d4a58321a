"""Is a server worth asking? What is known of it, and when somebody should try again: an immutable value.

    UNKNOWN ──▶ UP ◀──────────────┐ a sign of life
       │        │ none            │
       └────────┴──▶ DOWN ──time──┴▶ one tries, the others are still told at once

Times are seconds of one monotonic clock, given by the caller.
"""

import math
from enum import Enum, StrEnum, auto
from typing import NamedTuple

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 30.0


class Sign(Enum):
    """What an attempt to use a server has shown.

    ANSWER: it sent something back, whatever that was: a refusal and nonsense are signs of life, too.
    CONNECTION: TCP and TLS work, nothing was asked. NO_CONNECTION: they do not. SILENCE: it was asked, in vain.
    """

    ANSWER = auto()
    CONNECTION = auto()
    NO_CONNECTION = auto()
    SILENCE = auto()


class ServerState(StrEnum):
    """What is known of a server."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class ServerHealth(NamedTuple):
    """A server for people to look at: its state, since when (monotonic clock), and the fault that it met last."""

    url: str
    state: ServerState
    since: float
    sentence: str


class Circuit(NamedTuple):
    """One server's history, as far as it matters.

    `since` is when `state` began. `sentence` is the fault that it met last, kept after it has recovered. `good_at` is
    the last sign of life. While DOWN, `try_at` is when one may try, `pause` how long that was put off, `trying` whether
    one is at it, and `silent` whether it was asked in vain, so that a connection alone proves nothing.
    """

    state: ServerState = ServerState.UNKNOWN
    since: float = 0.0
    sentence: str = ""
    good_at: float = -math.inf
    try_at: float = -math.inf
    pause: float = 0.0
    trying: bool = False
    silent: bool = False


def may_try(circuit: Circuit, now: float) -> bool:
    """Tell whether a create may be sent there; if not, it is certain that it was not sent."""
    return circuit.state is not ServerState.DOWN or now >= circuit.try_at


def tried(circuit: Circuit, now: float, within: float) -> Circuit:
    """Return the circuit once somebody for whom `may_try` held is at it: others may not, for `within` seconds.

    That is the time by which the attempt has shown some sign; if its owner is gone by then, the next one may try.
    """
    if circuit.state is not ServerState.DOWN:
        return circuit
    return circuit._replace(trying=True, try_at=now + within)


def observe(circuit: Circuit, sign: Sign, began: float, now: float, sentence: str = "") -> Circuit:
    """Return the circuit after an attempt that began at `began` and has shown `sign` at `now`.

    `sentence` is the fault, if it was one. A fault of an attempt that began before the last sign of life proves
    nothing: one request that hangs among others that are answered does not make a dead server.
    """
    match sign:
        case Sign.ANSWER:
            return _up(circuit, now)
        case Sign.CONNECTION:
            return circuit if circuit.silent else _up(circuit, now)
        case Sign.NO_CONNECTION | Sign.SILENCE:
            if began < circuit.good_at:
                return circuit
            return _down(circuit, now, sentence, silent=sign is Sign.SILENCE)


def _up(circuit: Circuit, now: float) -> Circuit:
    since = circuit.since if circuit.state is ServerState.UP else now
    return Circuit(ServerState.UP, since, circuit.sentence, good_at=now)


def _down(circuit: Circuit, now: float, sentence: str, *, silent: bool) -> Circuit:
    if circuit.state is not ServerState.DOWN:
        down = circuit._replace(state=ServerState.DOWN, since=now, pause=FIRST_PAUSE)
    elif circuit.trying or now >= circuit.try_at:
        down = circuit._replace(pause=min(LONGEST_PAUSE, 2 * circuit.pause))
    else:
        return circuit  # one of many that were under way when it went down
    return down._replace(sentence=sentence, try_at=now + down.pause, trying=False, silent=silent)
