"""The status as people read it."""

from typing import Any

import click

from secsign_gate.admin.status_text import status_text

STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "pid": 39,
    "configuration": "/etc/secsign-gate/secsign-gate.toml",
    "configuration_fault": None,
    "monitor": "running",
    "started_at": 1_700_000_000.0,
    "loaded_at": 1_700_000_000.0,
    "waiting": [],
    "grants": [],
    "pushes": [],
    "id_servers": [{"url": "https://id.example.org", "state": "up", "for": 12.4, "sentence": None}],
    "connections": 2,
    "verdicts": [{"verdict": "refuse", "why": "no_answer", "count": 3}],
}
WAITING = {
    "account": "alice",
    "client": "192.0.2.7",
    "wants": "rsync",
    "secsign_id": "alice@example.org",
    "stage": "pushed",
    "place": 0,
    "waited": 7.2,
    "reference": "H38QNF",
}


def lines(**changed: Any) -> list[str]:
    return click.unstyle(status_text(STATUS | changed)).splitlines()


def test_a_quiet_broker() -> None:
    first, *rest = lines()
    assert first.startswith("broker 0.1.0, pid 39, since 20")
    assert first.endswith(", 2 SSH connections")
    assert rest == [
        "ID servers:",
        "  https://id.example.org  up for 12 s",
        "waiting:",
        "  none",
        "approved connections:",
        "  none",
        "pushes lately:",
        "  none",
        "verdicts since the start:",
        "  refuse no_answer: 3",
    ]


def test_what_is_wrong_comes_before_all_else() -> None:
    down = {"url": "https://id.example.org", "state": "down", "for": 61.0, "sentence": "it refuses connections"}
    found = lines(configuration_fault="push.wait_seconds: is out of range", monitor="ended", id_servers=[down])
    assert found[1:3] == [
        "the new orders are not usable, those before stay in force: push.wait_seconds: is out of range",
        "the monitor has ended, so that no connection can be proven; restart the broker",
    ]
    assert "  https://id.example.org  down for 61 s: it refuses connections" in found


def test_who_waits_for_whose_phone_and_who_comes_before() -> None:
    arriving = dict.fromkeys(WAITING) | {"account": "", "waited": 0.0, "reference": "7GK3XQ"}
    found = lines(waiting=[WAITING, WAITING | {"stage": "queued", "place": 2}, arriving])
    assert "  alice from 192.0.2.7 for 7 s: pushed, phone of alice@example.org; rsync (ref H38QNF)" in found
    assert "  alice from 192.0.2.7 for 7 s: queued behind 2, phone of alice@example.org; rsync (ref H38QNF)" in found
    assert "  ? from ? for 0 s: arriving; ? (ref 7GK3XQ)" in found


def test_who_holds_an_approval_and_for_how_long() -> None:
    grant = {
        "account": "deploy",
        "secsign_id": "alice",
        "sshd_pid": 4711,
        "reference": "H38QNF",
        "granted_for": 30.0,
        "seconds_left": None,
    }
    found = lines(grants=[grant, grant | {"seconds_left": 90.0}])
    assert "  deploy, sshd 4711, by alice 30 s ago (ref H38QNF)" in found
    assert "  deploy, sshd 4711, by alice 30 s ago, 90 s left (ref H38QNF)" in found


def test_who_is_not_pushed_because_of_denials() -> None:
    denied = {"kind": "secsign_id", "name": "alice", "recent": 4, "denials": 3, "pause_left": 39.6}
    calm = denied | {"kind": "account", "denials": 0, "pause_left": 0.0}
    found = lines(pushes=[calm, denied])
    assert "  account alice: 4" in found
    assert "  SecSign ID alice: 4, denied 3 times in a row, not pushed for another 40 s" in found


def test_what_doors_say_reaches_the_terminal_as_printable_text_only() -> None:
    hostile = WAITING | {"wants": "x\x1b]0;owned\a\nverdict", "client": "\x9b2J"}
    shown = status_text(STATUS | {"waiting": [hostile]})
    assert all(line.isprintable() for line in click.unstyle(shown).splitlines())
    assert "x\\u001b]0;owned\\u0007\\u000averdict" in shown
