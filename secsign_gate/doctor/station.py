"""The stations of a login, in the order in which it passes them, and what was found at each."""

from enum import StrEnum
from typing import NamedTuple

from secsign_gate.doctor.finding import Finding


class Station(StrEnum):
    """Where a finding belongs to. The phone stands for what it is told: the mapping, and what it shows."""

    SSHD = "sshd"
    GATE = "gate"
    BROKER = "broker"
    ID_SERVER = "ID server"
    PHONE = "phone"


class Examined(NamedTuple):
    """What was found at one station."""

    station: Station
    findings: tuple[Finding, ...]
