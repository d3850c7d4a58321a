"""The first login of an SSH connection, with an ID server that accepts at once, on a wire of some length.

What is counted are the round trips on the wire between the broker and the ID server, from when ssh asks for a session
to when the shell runs. What is timed is the same way, and what a longer wire adds to it, in round trips: that shows
also what no count does, a packet that waits for the acknowledgement of the one before.
"""

import base64
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

import login_duo
from broker_daemon import DOOR_OF_DAEMON, BrokerDaemon
from delay_line import FAR, DelayLine, round_trips
from gated_host import DOOR, GatedHost, output_of, people, verdicts_since
from orders import write_orders
from report import Aim, Section, Table, median, say
from running_simulator import RunningSimulator
from stand import fresh_folder

ROUNDS = 8
ROUND_TRIP_TIMES = (0.0, 0.030, 0.100)
COUNTED = ROUND_TRIP_TIMES[1:]  # on a wire without length, what is sent together does not arrive together
LATE_MS = 300
RECORD_PRECISION = 0.002  # seconds; records have milliseconds
QUIET = LATE_MS / 1000 + 0.2  # seconds; longer than any answer takes
RELEASED = base64.b64encode(b"authsessionstate=3").decode()
HOW = """Two network namespaces, joined by TUN devices and a process that passes packets on after a delay
(`benchmarks/delay_line.py`); both ends are TCP of the kernel. The ID server accepts by itself, at once. Every login is
the first of an SSH connection that stands already, so it is pushed. Round trips are counted in the packets on the wire,
from when ssh asks for the session to the verdict's record, or to the shell where there is none. `time as round trips`
is what a wire of 100 ms adds to the time until the shell runs, divided by 100 ms, so it has in it whatever waits for an
acknowledgement. `warm` and `cold` are logins by way of the daemon, whose connection to the ID server stands, or was
closed by the ID server a moment before. `embedded` starts a broker for the login, so that its connection is cold by
nature. `none` is without a gate, and `login_duo`, if its program was given, asks for a push."""
REMARKS = """On a machine so busy that a cold connection's first request leaves a whole round trip after the handshake,
the session tickets that the server sends meanwhile, for which nobody waits, are counted as one more round trip."""


class Login(NamedTuple):
    """One login: seconds from ssh to the shell, and round trips on the wire meanwhile."""

    seconds: float
    trips: int


class Way(NamedTuple):
    """One way to log in. `prepare` brings about what is to be so when the login begins."""

    account: str
    prepare: Callable[[], None]


class Wire:
    """The ID server at the far end of a line, and the sshd whose gate asks it."""

    def __init__(self, line: DelayLine, simulator: RunningSimulator, host: GatedHost) -> None:
        self._line = line
        self._simulator = simulator
        self._host = host

    def log_in(self, way: Way) -> Login:
        """Log in once, over a new SSH connection."""
        with self._host.connected(way.account) as command:
            way.prepare()
            self._keep_release_out()
            self._line.packets()
            begun = time.time()
            shell = float(output_of(command, "echo $EPOCHREALTIME"))
        # What follows the verdict keeps nobody waiting, though on a busy machine it may be over before the shell runs.
        decided = min([shell, *(record["time"] + RECORD_PRECISION for record in verdicts_since(begun))])
        return Login(shell - begun, round_trips([one for one in self._line.packets() if begun <= one.at <= decided]))

    def _keep_release_out(self) -> None:
        """Have the ID server answer late what nobody waits for: it is not to count where a shell starts slowly."""
        with self._line.at_far_end():
            self._simulator.clear_faults()
            self._simulator.faults("late", on="release", times=1, milliseconds=LATE_MS)

    def await_quiet(self) -> None:
        """Wait until nothing has been on the line for a while: what follows the last login is over."""
        self._line.packets()
        time.sleep(QUIET)
        while self._line.packets():
            time.sleep(QUIET)

    def part_as(self, account: str) -> None:
        """Log in as somebody else, upon which the ID server says good-bye: the broker's connection is gone."""
        options = {"headers": {"connection": "close"}, "body_base64": RELEASED}
        with self._line.at_far_end():
            self._simulator.faults("raw", on="release", times=1, **options)
        with self._host.connected(account) as command:
            output_of(command, "true")
        self.await_quiet()


def measure(rounds: int) -> Section:
    """Return round trips and times of the first login."""
    none, embedded, gated, somebody, other = accounts = people(5)
    with ExitStack() as stack:
        folder = stack.enter_context(fresh_folder())
        line = stack.enter_context(DelayLine())
        with line.at_far_end():
            simulator = stack.enter_context(RunningSimulator(folder / "simulator", "--host", FAR, "--auto-accept", "0"))
        orders = write_orders(
            folder / "gate", (simulator.url, simulator.ca_file), {account: account for account in accounts}
        )
        stack.enter_context(BrokerDaemon(orders))
        forced = {embedded: f"{DOOR} --config {orders}", f"{gated},{somebody}": DOOR_OF_DAEMON}
        if login_duo.is_given():
            with line.at_far_end():
                port = stack.enter_context(login_duo.duo_server(folder / "duo", FAR))
            forced[other] = login_duo.forced_command(folder / "duo", other, FAR, port)
        host = stack.enter_context(GatedHost(folder / "host", forced))
        wire = Wire(line, simulator, host)
        ways = {
            "none": Way(none, wire.await_quiet),
            "warm": Way(gated, wire.await_quiet),
            "cold": Way(gated, lambda: wire.part_as(somebody)),
            "embedded": Way(embedded, wire.await_quiet),
        }
        if other in forced:
            ways["login_duo"] = Way(other, wire.await_quiet)
        logins = in_turn(line, wire, ways, rounds)
    aims = [
        Aim(f"round trips, {name}, {rtt * 1000:.0f} ms", max(login.trips for login in logins[name, rtt]), limit)
        for name, limit in (("warm", 2), ("cold", 4), ("embedded", 4))
        for rtt in COUNTED
    ]
    table = table_of(logins, list(ways))
    return Section("The first login, near and far", HOW, (table,), tuple(aims), f"{rounds} rounds, medians", REMARKS)


def in_turn(line: DelayLine, wire: Wire, ways: dict[str, Way], rounds: int) -> dict[tuple[str, float], list[Login]]:
    """Log in by each way at each length of the wire, round after round; the first round is not counted."""
    logins: dict[tuple[str, float], list[Login]] = {(name, rtt): [] for rtt in ROUND_TRIP_TIMES for name in ways}
    for turn in range(-1, rounds):
        say(f"  round {turn + 1} of {rounds}")
        for rtt in ROUND_TRIP_TIMES:
            line.set_round_trip(rtt)
            for name, way in ways.items():
                login = wire.log_in(way)
                if turn >= 0:
                    logins[name, rtt].append(login)
    return logins


def table_of(logins: dict[tuple[str, float], list[Login]], names: list[str]) -> Table:
    """Return one line for each way to log in: trips and times at each length of the wire."""
    trips_head = [f"trips at {rtt * 1000:.0f} ms" for rtt in COUNTED]
    times_head = [f"ms at {rtt * 1000:.0f} ms" for rtt in ROUND_TRIP_TIMES]
    rows = []
    for name in names:
        trips = [sorted({login.trips for login in logins[name, rtt]}) for rtt in COUNTED]
        times = [median([login.seconds for login in logins[name, rtt]]) for rtt in ROUND_TRIP_TIMES]
        slope = (times[-1] - times[0]) / (ROUND_TRIP_TIMES[-1] - ROUND_TRIP_TIMES[0])
        counts = [" or ".join(map(str, seen)) for seen in trips]
        rows.append((name, *counts, *(f"{seconds * 1000:.0f}" for seconds in times), f"{slope:.2f}"))
    return Table(("login", *trips_head, *times_head, "time as round trips"), rows)
