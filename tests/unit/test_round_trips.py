"""The benchmarks' count of round trips, on conversations whose number is known."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import delay_line

SYN, ACK, FIN = 0x02, 0x10, 0x01


def packets(*said: str) -> list[delay_line.Packet]:
    """`>` leaves the near end, `<` arrives there: S a SYN, F a FIN, a an acknowledgement, a number so many bytes."""
    flags = {"S": SYN, "F": FIN | ACK}
    return [
        delay_line.Packet(
            0.0, word[0] == ">", 1, flags.get(word[1:], ACK), int(word[1:]) if word[1:].isdecimal() else 0
        )
        for word in said
    ]


CONNECTION = (">S", "<S", ">a")
TLS_1_3 = (">517", "<a", "<1400", "<900", ">a", ">64")  # the client's last word waits for nobody
REQUEST = (">300", "<a", "<200", ">a")


@pytest.mark.parametrize(
    ("said", "trips"),
    [
        ((), 0),
        (REQUEST, 1),
        (REQUEST * 2, 2),
        (CONNECTION, 1),
        (CONNECTION + TLS_1_3, 2),
        (CONNECTION + TLS_1_3 + REQUEST * 2, 4),
        ((">100", ">200", "<50", "<60"), 1),
        ((*REQUEST, ">300"), 1),
        (("<F", ">F"), 0),
        ((">a", "<a", ">a"), 0),
    ],
)
def test_round_trips_of_a_conversation(said: tuple[str, ...], trips: int) -> None:
    assert delay_line.round_trips(packets(*said)) == trips
