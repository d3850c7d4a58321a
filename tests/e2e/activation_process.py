"""`enable` in a process of its own without a new interpreter, so that a test can end, stop or hold it anywhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gate import CONFIGURATION

from secsign_gate.activation.enable import enable_gate
from secsign_gate.activation.logins import Logins
from secsign_gate.activation.orders import usable_orders
from secsign_gate.activation.plan import Doors, Gated
from secsign_gate.activation.planning import Plan, Request
from secsign_gate.errors import GateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from activation_host import ActivationHost

    from secsign_gate.activation.trial import Trial

ORDERS = str(CONFIGURATION / "secsign-gate.toml")


def request(host: ActivationHost, seconds: float = 300.0) -> Request:
    """Return what `enable --user alice --break-glass root` asks for."""
    return Request(
        gated=Gated("user", ("alice",)),
        break_glass=("root",),
        doors=Doors(ORDERS, "", "/opt/secsign-gate"),
        door_names=frozenset({"force-command"}),
        seconds=seconds,
        orders=ORDERS,
        sshd_config=str(host.sshd.configuration),
    )


def in_a_process(
    host: ActivationHost,
    trial: Trial,
    at_step: Callable[[str], None] = lambda _: None,
    *,
    seconds: float = 300.0,
    says: Path | None = None,
) -> int:
    """Run `enable`; return its pid. What it fails with is written to the file `says`."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:

            def agree(plan: Plan) -> bool:
                del plan
                return True

            enable_gate(request(host, seconds), host.journal, trial, agree=agree, say=lambda _: None, at_step=at_step)
            status = 0
        except GateError as error:
            if says is not None:
                says.write_text(str(error))
        finally:
            os._exit(status)
    return pid


def end(pid: int) -> int:
    """Return how the process has ended, as subprocess does."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def logins() -> Trial:
    """Return the trial of logins as the command makes it."""
    return Logins(usable_orders(ORDERS).settings.policy)
