"""Every attempt: one for each bypass that core/bypass.py names, and what a client can do besides."""

from collections.abc import Callable
from typing import NamedTuple

from secsign_gate.core.bypass import BYPASSES, Bypass
from secsign_gate.probe.attempts import (
    client_side,
    environment,
    forwarding,
    idle,
    listening,
    odd_orders,
    other_ways_in,
    planted_files,
    sessions,
    sockets,
    tunnel,
)
from secsign_gate.probe.outcome import Outcome
from secsign_gate.probe.situation import Situation


class Attempt(NamedTuple):
    """One attempt. `pushes` says on how many connections of their own it opens sessions; None is not at all.

    0 is a session on the connection that attempts share: together they make one push.
    """

    bypass: Bypass
    run: Callable[[Situation], Outcome]
    pushes: int | None = None


_RUNS: dict[str, tuple[Callable[[Situation], Outcome], int | None]] = {
    "local-forwarding": (forwarding.local_forwarding, None),
    "stdio-forwarding": (forwarding.stdio_forwarding, None),
    "dynamic-forwarding": (forwarding.dynamic_forwarding, None),
    "remote-forwarding": (listening.remote_forwarding, None),
    "local-socket-forwarding": (sockets.local_socket_forwarding, None),
    "remote-socket-forwarding": (listening.remote_socket_forwarding, None),
    "tunnel": (tunnel.tunnel, None),
    "x11-forwarding": (client_side.x11_forwarding, None),
    "agent-forwarding": (client_side.agent_forwarding, None),
    "disable-forwarding-alone": (tunnel.disable_forwarding_alone, None),
    "idle-connection": (idle.idle_connection, None),
    "other-authentication-method": (other_ways_in.other_methods, None),
    "client-environment": (environment.client_environment, 0),
    "forged-variables": (environment.forged_variables, 0),
    "shadowed-match": (sessions.command, 0),
    "subsystem": (sessions.subsystems, 0),
    "chroot": (sessions.chroot, 0),
    "gate-tampering": (odd_orders.tampering, 0),
    "user-rc": (planted_files.user_rc, 0),
    "system-rc": (planted_files.system_rc, 0),
    "user-environment": (planted_files.user_environment, 0),
    "shell-startup-files": (planted_files.shell_startup_files, 0),
    "interpreter-files": (planted_files.interpreter_files, 0),
    "pam-environment": (planted_files.pam_environment, 1),
    "match-exemption": (other_ways_in.other_addresses, 1),
    "root-login": (other_ways_in.root, 1),
    "ungated-account": (other_ways_in.other_accounts, 1),
    "restricted-key": (other_ways_in.restricted_keys, 1),
    "restricted-certificate": (other_ways_in.restricted_certificates, 1),
}

_GATE = ("ForceCommand exec",)


def _besides(name: str, title: str, way: str) -> Bypass:
    return Bypass(name, title, way, _GATE)


_BESIDES = (
    Attempt(
        _besides(
            "global-requests",
            "global requests, and channels of other kinds",
            "What sshd grants before approval may open a way that nobody thought of.",
        ),
        odd_orders.global_requests,
    ),
    Attempt(
        _besides(
            "shell", "a shell without a terminal (ssh -T)", "A gate that looks at commands only may forget shells."
        ),
        sessions.shell,
        0,
    ),
    Attempt(
        _besides(
            "empty-command",
            "a command of no words",
            "A gate that asks whether there is a command may take an empty one for a shell.",
        ),
        sessions.empty_command,
        0,
    ),
    Attempt(
        _besides(
            "odd-orders",
            "requests twice and in the wrong order",
            "Data before a request, a second command or a late terminal may reach what waits behind the gate.",
        ),
        odd_orders.odd_orders,
        1,
    ),
    Attempt(
        _besides(
            "several-channels",
            "several channels at once",
            "Channels of one connection share an approval; before there is one, none may profit from another.",
        ),
        sessions.several_channels,
        0,
    ),
    Attempt(
        _besides(
            "second-connection",
            "a second connection while one is pending",
            "A second login must wait its turn, and must not take the first one's approval.",
        ),
        sessions.second_connection,
        0,
    ),
    Attempt(
        _besides(
            "after-a-refusal",
            "a channel after the others were refused",
            "A gate that asks once for a connection must not take a refusal for an answer.",
        ),
        sessions.after_a_refusal,
        1,
    ),
    Attempt(
        _besides(
            "two-terminals",
            "a terminal asked for twice",
            "sshd ends the connection; whoever goes on instead may run what follows.",
        ),
        odd_orders.two_terminals,
    ),
)

ATTEMPTS: dict[str, Attempt] = {
    bypass.name: Attempt(bypass, *_RUNS[bypass.name]) for bypass in BYPASSES if bypass.name in _RUNS
} | {attempt.bypass.name: attempt for attempt in _BESIDES}
