"""A thousand people who wait, and a moment at which all are accepted: who is lost, and how long it takes."""

import asyncio
import time
from typing import NamedTuple

from gated_host import people
from many_sessions import AT_ONCE, connections, outputs_within, waiting_sessions
from report import Aim, Section, Table, median, say
from stand import Stand, gated_stand

ROUNDS = 1
NUMBER = 1000
LONG = 600  # seconds; long enough for everybody to come and to be told to wait
LOST_AFTER = 30.0  # seconds after the tap
HOW = f"""{NUMBER} sessions of one real sshd wait at once; then the phone accepts everything at one moment. Each session
says when its shell runs, to the microsecond, so the times below contain the looks at the ID server, the broker's
answers, the doors' hand-over and the start of {NUMBER} shells on the processors of this machine, which ID server and
client share. `shared` is {NUMBER // 25} SSH connections with 25 channels each, which share a push, at the default of 20
requests a second; {AT_ONCE} channels come at a time. `rush` is the same with all channels coming at one moment.
`separate` is {NUMBER} SSH connections of as many accounts, each with a push of its own; there `requests_per_second` is
1000. Lost is who has no shell {LOST_AFTER:.0f} s after the tap."""


class Outcome(NamedTuple):
    """What became of a crowd: how many had a shell, after how many `seconds`, and the broker's growth in KiB each."""

    let_in: int
    seconds: list[float]
    pushes: int
    growth: float


def measure(rounds: int) -> Section:
    """Return how a crowd fares."""
    outcomes: dict[str, list[Outcome]] = {"shared": [], "rush": [], "separate": []}
    for _ in range(rounds):
        outcomes["shared"].append(crowd(NUMBER // 25, 25))
        outcomes["rush"].append(crowd(NUMBER // 25, 25, at_once=NUMBER))
        outcomes["separate"].append(crowd(NUMBER, 1, requests_per_second=1000))
    rows, aims = [], []
    for name, found in outcomes.items():
        last = max(max(outcome.seconds, default=float("nan")) for outcome in found)
        lost = max(NUMBER - outcome.let_in for outcome in found)
        growth = median([outcome.growth for outcome in found])
        middle = median([seconds for outcome in found for seconds in outcome.seconds])
        rows.append((name, str(found[0].pushes), str(lost), f"{middle:.2f}", f"{last:.2f}", f"{growth:.1f}"))
        aims += [
            Aim(f"lost, {name}", lost, 0),
            Aim(f"from the tap to the last shell, {name}", last, 3, " s"),
            Aim(f"growth of the broker for each waiting login, {name}", growth, 32, " KiB"),
        ]
    head = ("crowd", "pushes", "lost", "median s", "last s", "broker's growth, KiB each")
    return Section("A crowd", HOW, (Table(head, rows),), tuple(aims), f"{rounds} rounds of {NUMBER} sessions")


def crowd(accounts: int, channels: int, at_once: int = AT_ONCE, **id_server: int) -> Outcome:
    """Let so many people open so many channels each; accept everything once all of them wait."""
    names = people(accounts)
    options = ("--session-seconds", str(2 * LONG))
    with gated_stand(names, options, id_server=id_server, push={"wait_seconds": LONG}) as stand:
        return asyncio.run(_crowd(stand, names, channels, at_once))


async def _crowd(stand: Stand, accounts: list[str], channels: int, at_once: int) -> Outcome:
    at_rest = stand.broker.memory().private
    async with connections(stand.host, accounts) as opened:
        say(f"  {len(opened)} SSH connections stand")
        sessions = await waiting_sessions(opened, channels, "echo $EPOCHREALTIME", at_once=at_once)
        say(f"  {len(sessions)} sessions wait")
        growth = (stand.broker.memory().private - at_rest) / len(sessions)
        tapped = time.time()
        pushes = await asyncio.to_thread(stand.simulator.accept_all)
        shells = [float(said) for said in await outputs_within(LOST_AFTER, sessions) if said]
    return Outcome(len(shells), [shell - tapped for shell in shells], pushes, growth)
