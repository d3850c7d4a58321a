"""A thousand people who wait, and a moment at which all are accepted: who is lost, and how long it takes."""

import asyncio
import time
from typing import Any, NamedTuple

from gated_host import people, verdicts_since
from many_sessions import AT_ONCE, connections, endings_within, first_push, told_sessions
from report import Aim, Section, Table, median, say
from stand import Stand, gated_stand

ROUNDS = 1
MOST_ROUNDS = 3  # each takes minutes
NUMBER = 1000
LONG = 600  # seconds; long enough for everybody to come and to be told to wait
LOST_AFTER = 30.0  # seconds after the tap
SHARING = 25
HOW = f"""{NUMBER} sessions of one real sshd wait at once; then the phone accepts everything at one moment. An answer
counts from then to the time of its record; a shell says itself when it runs, so that the doors' hand-over and the start
of {NUMBER} shells is in that, on processors which sshd, ID server and client share. `shared` is {NUMBER // SHARING} SSH
connections with {SHARING} channels each, which share a push, at the default of 20 requests a second; {AT_ONCE} channels
come at a time. `rush` is the same with all channels coming at one moment. `separate` is {NUMBER} SSH connections of as
many accounts, each with a push of its own; there `requests_per_second` is 1000. Lost is who has no shell
{LOST_AFTER:.0f} s after the tap; refused are those of them who have been told so, by a sentence and an exit status, be
it before the tap, and the others still wait or were cut off. Unproven is who could not be shown to belong to an SSH
connection, so waited for a push of their own."""


class Outcome(NamedTuple):
    """What became of a crowd: seconds until each was answered and had a shell; growth is in KiB each."""

    answered: list[float]
    shells: list[float]
    pushes: int
    refused: int
    unproven: int
    growth: float


def measure(rounds: int) -> Section:
    """Return how a crowd fares."""
    outcomes: dict[str, list[Outcome]] = {"shared": [], "rush": [], "separate": []}
    for _ in range(min(rounds, MOST_ROUNDS)):
        outcomes["shared"].append(crowd(NUMBER // SHARING, SHARING))
        outcomes["rush"].append(crowd(NUMBER // SHARING, SHARING, at_once=NUMBER))
        outcomes["separate"].append(crowd(NUMBER, 1, requests_per_second=1000))
    rows, aims = [], []
    for name, found in outcomes.items():
        lost = max(NUMBER - len(outcome.shells) for outcome in found)
        answered = [seconds for outcome in found for seconds in outcome.answered]
        shells = [seconds for outcome in found for seconds in outcome.shells]
        growth = median([outcome.growth for outcome in found])
        times = (
            median(answered),
            max(answered, default=float("nan")),
            median(shells),
            max(shells, default=float("nan")),
        )
        refused = max(outcome.refused for outcome in found)
        unproven = max(outcome.unproven for outcome in found)
        counts = (str(found[0].pushes), str(lost), str(refused), str(unproven))
        rows.append((name, *counts, *(f"{seconds:.2f}" for seconds in times), f"{growth:.1f}"))
        aims += [
            Aim(f"lost, {name}", lost, 0),
            Aim(f"from the tap to the last answer, {name}", times[1], 3, " s"),
            Aim(f"growth of the broker for each waiting login, {name}", growth, 32, " KiB"),
        ]
    answer, shell = ("answer, median s", "last answer s"), ("shell, median s", "last shell s")
    table = Table(
        ("crowd", "pushes", "lost", "refused", "unproven", *answer, *shell, "broker's growth, KiB each"), rows
    )
    return Section("A crowd", HOW, (table,), tuple(aims), f"{len(outcomes['shared'])} round of {NUMBER} sessions each")


def crowd(accounts: int, channels: int, at_once: int = AT_ONCE, **id_server: int) -> Outcome:
    """Let so many people open so many channels each; accept everything once all of them wait."""
    names = people(accounts)
    options = ("--session-seconds", str(2 * LONG))
    with gated_stand(names, options, id_server=id_server, push={"wait_seconds": LONG}) as stand:
        return asyncio.run(_crowd(stand, names, channels, at_once))


async def _crowd(stand: Stand, accounts: list[str], channels: int, at_once: int) -> Outcome:
    await first_push(stand.host, stand.simulator, accounts[0])
    at_rest = stand.broker.memory().private
    async with connections(stand.host, accounts) as opened:
        say(f"  {len(opened)} SSH connections stand")
        waiting, refused = await told_sessions(opened, channels, "echo $EPOCHREALTIME", at_once=at_once)
        say(f"  {len(waiting)} sessions wait, {len(refused)} were refused")
        for sentence in {ending.said.partition(b" (ref ")[0].strip() for ending in refused}:
            say(f"    {sentence.decode()}")
        growth = (stand.broker.memory().private - at_rest) / len(waiting)
        tapped = time.time()
        pushes = await asyncio.to_thread(stand.simulator.accept_all)
        endings = [ending for ending in await endings_within(LOST_AFTER, waiting) if ending]
        shells = [float(ending.written) - tapped for ending in endings if ending.exit_status == 0]
        refused += [ending for ending in endings if ending.refused]
    records = await asyncio.to_thread(_records, tapped, len(waiting))
    answered = [record["time"] - tapped for record in records if record["verdict"] == "allow"]
    unproven = sum("unproven" in record for record in records)
    return Outcome(answered, shells, pushes, len(refused), unproven, growth)


def _records(tapped: float, number: int) -> list[dict[str, Any]]:
    """Return what is on record of the `number` who waited, those who were sent away at the end included."""
    given_up = time.monotonic() + LOST_AFTER
    while len(records := verdicts_since(tapped)) < number and time.monotonic() < given_up:
        time.sleep(0.5)
    return records
