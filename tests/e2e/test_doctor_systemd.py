"""`secsign-gate doctor` where systemd runs the daemon, within all the bounds of its unit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from test_systemd import PROGRAM, SERVICE, SOCKET, host, systemd

if TYPE_CHECKING:
    from booted import Booted
    from gate import Gate

__all__ = ["host", "systemd"]  # fixtures, for pytest to find


def about_the_broker(gate: Gate, booted: Booted) -> dict[str, str]:
    """Return what is said of the daemon, each sentence with its status."""
    configuration = str(gate.server("gated").configuration)
    told = booted.run(*PROGRAM, "doctor", "--json", "--offline", "--sshd-config", configuration, check=False)
    stations = {station["station"]: station["findings"] for station in json.loads(told)["stations"]}
    return {finding["what"]: finding["status"] for finding in stations["broker"]}


@pytest.fixture
def served(gate: Gate, host: Booted) -> Booted:
    gate.configure(broker={"account": "secsign-gate"})
    host.run("systemctl", "start", SERVICE)
    return host


def test_one_that_starts_with_the_host(gate: Gate, served: Booted) -> None:
    served.run("systemctl", "enable", SERVICE, SOCKET)
    try:
        told = about_the_broker(gate, served)
    finally:
        served.run("systemctl", "disable", SERVICE, SOCKET)
    assert told["the daemon starts with the host"] == "closed"
    assert told["the daemon runs as secsign-gate, without any capability"] == "closed"
    assert "open" not in told.values()


def test_one_that_was_started_by_hand(gate: Gate, served: Booted) -> None:
    assert about_the_broker(gate, served)["the daemon serves now, but does not start with the host"] == "weak"
