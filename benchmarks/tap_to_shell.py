"""From the tap on the phone to the shell, while others wait; and what the waiting costs the ID server."""

import asyncio
import random
import time
from collections import deque
from typing import NamedTuple

from gated_host import people
from many_sessions import PATIENCE, connections, outputs_within, waiting_sessions
from report import Aim, Section, Table, median, say
from stand import Stand, gated_stand

ROUNDS = 30
WAITING = (1, 10, 50)
THINKING = (1.0, 8.0)  # seconds that a person takes for an answer
AIM_FOR = (1, 10)
HOW = f"""So many people wait at any time, each with an SSH connection and a push of their own, at the default rate of
looks. Each answers after {THINKING[0]:.0f} to {THINKING[1]:.0f} s and then logs in anew. The time is from the tap to
the first thing that the shell does; the ID server is on the same machine, so no round trip is in it. Requests are those
that the ID server counted, of any kind; the busiest second is the worst of all that begin with a request."""


class Outcome(NamedTuple):
    """`seconds` from each tap to its shell; `requests` are the times at which the ID server had one, in seconds."""

    seconds: list[float]
    requests: list[float]
    tls_connections: int

    @property
    def rate(self) -> float:
        """Requests a second, on the average."""
        return len(self.requests) / (self.requests[-1] - self.requests[0])

    @property
    def busiest(self) -> int:
        """The most requests within a second."""
        window: deque[float] = deque()
        most = 0
        for at in self.requests:
            window.append(at)
            while window[0] <= at - 1.0:
                window.popleft()
            most = max(most, len(window))
        return most


def measure(rounds: int) -> Section:
    """Return the times for each number of people."""
    outcomes = {}
    for number in WAITING:
        say(f"  {number} waiting")
        accounts = people(number)
        with gated_stand(accounts) as stand:
            outcomes[number] = asyncio.run(tap(stand, accounts, max(2, rounds // number)))
    rows, aims = [], []
    for number, outcome in outcomes.items():
        seconds = sorted(outcome.seconds)
        rows.append(
            (
                str(number),
                str(len(seconds)),
                f"{median(seconds):.2f}",
                f"{seconds[len(seconds) * 9 // 10]:.2f}",
                f"{outcome.rate:.1f}",
                str(outcome.busiest),
                str(outcome.tls_connections),
            )
        )
        if number in AIM_FOR:
            aims.append(Aim(f"from the tap to the shell, {number} waiting, median", median(seconds), 0.4, " s"))
        aims.append(Aim(f"requests in the busiest second, {number} waiting", outcome.busiest, 20))
        aims.append(Aim(f"TLS connections, {number} waiting", outcome.tls_connections, 1))
    head = ("waiting", "taps", "median s", "9 of 10 within s", "requests/s", "busiest second", "TLS connections")
    return Section("From the tap to the shell", HOW, (Table(head, rows),), tuple(aims), f"{rounds} taps or two each")


async def tap(stand: Stand, accounts: list[str], taps: int) -> Outcome:
    """Let each account log in so many times, answered after some thought."""
    found = await asyncio.gather(*(_logins(stand, account, taps) for account in accounts))
    log = stand.simulator.log()
    requests = [float(entry["seconds"]) for entry in log]
    return Outcome([seconds for one in found for seconds in one], requests, len({entry["connection"] for entry in log}))


async def _logins(stand: Stand, account: str, taps: int) -> list[float]:
    thought = random.Random(account)  # noqa: S311 - a person's time to think, the same in every run
    seconds = []
    for _ in range(taps):
        async with connections(stand.host, [account]) as opened:
            sessions = await waiting_sessions(opened, 1, "echo $EPOCHREALTIME")
            await asyncio.sleep(thought.uniform(*THINKING))
            tapped = await asyncio.to_thread(_accept, stand, account)
            (said,) = await outputs_within(PATIENCE, sessions)
            seconds.append(float(said) - tapped)
    return seconds


def _accept(stand: Stand, account: str) -> float:
    """Accept on the phone. Return when, in seconds since the epoch, before rather than after."""
    stand.simulator.wait_for(account)
    now = time.time()
    stand.simulator.accept(account)
    return now
