"""ansible, which keeps one connection and opens many sessions on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from both_ways import BothWays, Side
    from ssh_client import Outcome

PLAYBOOK = Path(__file__).with_name("playbook.yml")


def playbook(side: Side, *, pipelining: bool) -> Outcome:
    return side.run(
        *("ansible-playbook", "--inventory", "server,", PLAYBOOK),
        *("--extra-vars", f"folder={side.folder}", "--extra-vars", "ansible_python_interpreter=/usr/bin/python3"),
        ANSIBLE_SSH_ARGS=f"-F {side.settings} -o ControlMaster=auto -o ControlPersist=60",
        ANSIBLE_SSH_CONTROL_PATH_DIR=f"{side.settings.parent}/{side.port}",
        ANSIBLE_PIPELINING=str(pipelining),
        ANSIBLE_LOCALHOST_WARNING="no",
    )


@pytest.mark.parametrize("pipelining", [True, False])
def test_playbook(both: BothWays, pipelining: bool) -> None:
    # 11 and 30 sessions with ansible 2.14
    outcome = both.same(lambda side: playbook(side, pipelining=pipelining), pushes=None)
    assert b"ok=5    changed=3    unreachable=0    failed=0" in outcome.stdout


def test_when_denied(both: BothWays) -> None:
    outcome = both.denied(lambda side: playbook(side, pipelining=True))
    assert b"secsign-gate: denied on the phone" in outcome.stdout
