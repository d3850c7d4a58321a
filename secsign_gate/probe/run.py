"""All attempts, one after the other, in an order that asks the phone as seldom as can be."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from secsign_gate.probe.fault import ProbeError
from secsign_gate.probe.foreign_text import printable
from secsign_gate.probe.outcome import Outcome, unknown
from secsign_gate.probe.plant import put_back, why_not
from secsign_gate.probe.registry import ATTEMPTS, Attempt
from secsign_gate.probe.situation import Situation, Wishes

_ONLY_PLANTED = ("user-rc", "system-rc", "user-environment", "shell-startup-files")
_ONLY_AT_ONCE = ("several-channels", "second-connection")
_SELDOM = ("client-environment", "forged-variables", "chroot")  # of sessions that others open, or of a hole


class Result(NamedTuple):
    """An attempt and what came of it."""

    attempt: Attempt
    outcome: Outcome


def chosen(names: Iterable[str] = ()) -> list[Attempt]:
    """Return the attempts of these names, or all, in the order of running. Raises ProbeError for a name of none."""
    wanted = list(names)
    for name in wanted:
        if name not in ATTEMPTS:
            raise ProbeError(f"{printable(name, 60)} is no attempt; --list shows their names")
    attempts = [attempt for name, attempt in ATTEMPTS.items() if not wanted or name in wanted]
    return sorted(attempts, key=_turn)


def _turn(attempt: Attempt) -> int:
    """First what opens no session, then what shares one push; waiting for an idle connection to end comes last."""
    if attempt.bypass.name == "idle-connection":
        return 3
    return 0 if attempt.pushes is None else 1 + (attempt.pushes > 0)


def pushes_to_expect(attempts: list[Attempt], wishes: Wishes) -> int:
    """Return how often the phone may be asked: once for a connection with the daemon, else once for a session.

    Addresses that the host's name has besides are not counted.
    """
    if not wishes.sessions:
        return 0
    own = {
        "match-exemption": len(wishes.also_addresses) + len(wishes.sources),
        "ungated-account": len(wishes.also_users),
        "restricted-key": sum(not one.has_certificate for one in wishes.restricted),
        "restricted-certificate": sum(one.has_certificate for one in wishes.restricted),
        "pam-environment": int(wishes.plant),
    }
    names = {one.bypass.name for one in attempts if one.pushes == 0}.difference(
        _SELDOM, () if wishes.plant else _ONLY_PLANTED, () if wishes.at_once else _ONLY_AT_ONCE
    )
    shared = min(1, len(names)) if wishes.at_once else len(names)
    return shared + sum(own.get(one.bypass.name, one.pushes) for one in attempts if one.pushes)


def run(wishes: Wishes, attempts: list[Attempt], started: Callable[[Situation], None]) -> Iterator[Result]:
    """Log in, call `started`, and yield what comes of each attempt.

    Raises HostKeyRefused, LoginRefused and ProbeError if not even a login succeeds; later, such a fault is the outcome
    of its attempt.
    """
    situation = Situation(wishes)
    try:
        account = wishes.place.account
        if situation.connection.is_to_this_host and not why_not(account):
            situation.has_put_back = put_back(account)
        started(situation)
        if wishes.idle and any(attempt.bypass.name == "idle-connection" for attempt in attempts):
            situation.idle = situation.connect()
        yield from _results(situation, attempts)
    finally:
        situation.close()


def _results(situation: Situation, attempts: list[Attempt]) -> Iterator[Result]:
    shared = True
    for attempt in attempts:
        if shared and (attempt.pushes or attempt.bypass.name == "idle-connection"):
            situation.let_go()  # nobody on a connection of his own waits for this one's push
            shared = False
        yield Result(attempt, _outcome(situation, attempt))


def _outcome(situation: Situation, attempt: Attempt) -> Outcome:
    if attempt.pushes is not None and not situation.wishes.sessions and attempt.bypass.name not in _TELL_WITHOUT:
        return unknown("not tried: it opens a session, which may ask the phone (--no-sessions)")
    try:
        return attempt.run(situation)
    except ProbeError as fault:
        return unknown(str(fault))
    except OSError as error:
        return unknown(f"{error.filename or 'a file or socket here'}: {error.strerror or error}")


_TELL_WITHOUT = ("client-environment", "forged-variables")  # sshd's replies say enough
