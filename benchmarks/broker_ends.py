"""A broker that is stopped, killed or reloaded while 50 people wait: how soon each is told, and whom a reload costs."""

import asyncio
import signal
import time
from typing import NamedTuple

from gated_host import people
from many_sessions import Ending, connections, endings_within, waiting_sessions
from report import Aim, Section, Table, median, say
from stand import Stand, gated_stand

from secsign_gate.core.verdict import COULD_NOT_ASK

ROUNDS = 5
NUMBER = 50
AIM_SECONDS = 2
PATIENCE = 30.0  # seconds; who has not ended by then hangs or still waits
CROWDS = {"separate": (NUMBER, 1), "shared": (1, NUMBER)}  # SSH connections, and channels of each
ENDS = (signal.SIGTERM, signal.SIGKILL)
HOW = f"""{NUMBER} sessions of one real sshd have been told to accept on the phone; then the broker daemon gets a
signal. `separate` is {NUMBER} SSH connections of as many people, each with a push of its own, `shared` {NUMBER}
channels of one SSH connection, which share a push. Refused is who got a sentence on standard error and exit status
{COULD_NOT_ASK}, and no output; the time is from before the signal is sent until the client, one process for all, has
sentence, exit status and the end of the channel. A shell is any output, or exit status 0. Neither is who was refused in
another way, cut off, or has not ended within {PATIENCE:.0f} s. After SIGHUP the phone accepts everything as soon as the
broker says that the new orders are in force, and everybody is to have a shell. Every crowd has a broker, an sshd and an
ID server that were started for it; counts are sums over the rounds."""


class Outcome(NamedTuple):
    """What became of those who waited: `seconds` from the signal to each refusal."""

    pushes: int
    seconds: list[float]
    shells: int

    @property
    def neither(self) -> int:
        """How many were neither refused nor let in."""
        return NUMBER - len(self.seconds) - self.shells


def measure(rounds: int) -> Section:
    """Return how soon everybody was refused, and who was lost by a reload."""
    outcomes: dict[tuple[str, signal.Signals], list[Outcome]] = {}
    for turn in range(rounds):
        for number in (*ENDS, signal.SIGHUP):
            for crowd, (accounts, channels) in CROWDS.items():
                say(f"  {number.name}, {crowd}, {turn + 1} of {rounds}")
                names = people(accounts)
                with gated_stand(names) as stand:
                    outcome = asyncio.run(signalled(stand, names, channels, number))
                outcomes.setdefault((crowd, number), []).append(outcome)
    rows, aims = [], []
    for (crowd, number), found in outcomes.items():
        what = f"{number.name}, {crowd}"
        seconds = [taken for outcome in found for taken in outcome.seconds]
        waited, shells = NUMBER * len(found), sum(outcome.shells for outcome in found)
        neither = sum(outcome.neither for outcome in found)
        counts = (waited, sum(outcome.pushes for outcome in found), len(seconds), shells, neither)
        times = (f"{median(seconds):.2f}", f"{max(seconds):.2f}") if seconds else ("", "")
        rows.append((what, *map(str, counts), *times))
        if number in ENDS:
            aims += [
                Aim(
                    f"from the signal to the last refusal, {what}",
                    max(seconds, default=float("nan")),
                    AIM_SECONDS,
                    " s",
                ),
                Aim(f"not refused, {what}", waited - len(seconds), 0),
                Aim(f"shells, {what}", shells, 0),
            ]
        else:
            aims.append(Aim(f"lost, {what}", waited - shells, 0))
    times_of = ("refusal, median s", "last refusal s")
    table = Table(("signal, crowd", "waited", "pushes", "refused", "shells", "neither", *times_of), rows)
    return Section("A broker that ends", HOW, (table,), tuple(aims), f"{rounds} rounds of {NUMBER} sessions each")


async def signalled(stand: Stand, accounts: list[str], channels: int, number: signal.Signals) -> Outcome:
    """Let everybody wait, send the broker the signal, and see what becomes of them."""
    async with connections(stand.host, accounts) as opened:
        sessions = await waiting_sessions(opened, channels, "echo in")
        pushes = len(await asyncio.to_thread(stand.simulator.pending))
        ends = asyncio.create_task(endings_within(PATIENCE, sessions))
        await asyncio.sleep(0)  # all are listened to before the signal
        begun = time.monotonic()
        if number == signal.SIGHUP:
            await asyncio.to_thread(stand.broker.reload)
            await asyncio.to_thread(stand.simulator.accept_all)
        else:
            stand.broker.send_signal(number)
        endings = [ending for ending in await ends if ending]
    seconds = [ending.at - begun for ending in endings if _could_not_ask(ending)]
    return Outcome(pushes, seconds, sum(ending.began for ending in endings))


def _could_not_ask(ending: Ending) -> bool:
    return ending.refused and ending.exit_status == COULD_NOT_ASK
