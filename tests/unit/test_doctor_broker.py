"""What the doctor makes of a daemon, by value: each thing that can be wrong with one."""

import os
import pwd
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from secsign_gate import __version__
from secsign_gate.config.reader import parse_settings
from secsign_gate.doctor.broker import examine_broker
from secsign_gate.doctor.daemon_found import DaemonFound
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.metrics import examine_metrics
from secsign_gate.errors import Problem

SOCKET = "/run/secsign-gate/broker.sock"
ME = pwd.getpwuid(os.geteuid()).pw_name
ORDERS = '[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n'
READ = parse_settings("/etc/secsign-gate/secsign-gate.toml", ORDERS)
SETTINGS = READ._replace(broker=READ.broker._replace(account=ME))  # an account that every host has
ASKED = frozenset({SOCKET})
NOBODY: frozenset[str] = frozenset()
WELL = {"version": __version__, "pid": os.getpid(), "monitor": "running", "id_servers": [], "waiting": []}


def found(state: str, status: dict[str, Any] | None = None, *, notes: tuple[str, ...] = ()) -> DaemonFound:
    return DaemonFound(state, f"{state} at {SOCKET}", [], list(notes), status)


def the_one(findings: tuple[Finding, ...] | list[Finding], words: str) -> Finding:
    [one] = [finding for finding in findings if words in finding.what]
    return one


@pytest.mark.parametrize(
    ("state", "sockets", "words", "status"),
    [
        ("none", NOBODY, "no daemon is set up", Status.NOTE),
        ("none", None, "no daemon is set up", Status.NOTE),
        ("none", ASKED, "it does not answer", Status.BROKEN),
        ("silent", ASKED, "it does not answer", Status.BROKEN),
        ("silent", NOBODY, "no door asks it", Status.WEAK),
        ("silent", None, "whether a door asks it is not known", Status.WEAK),
        ("unknown", ASKED, "only root may ask it", Status.UNKNOWN),
        ("unknown", NOBODY, "only root may ask it", Status.UNKNOWN),
        ("serving", NOBODY, "no door asks it", Status.NOTE),
    ],
)
def test_one_that_does_not_serve_or_is_not_asked(
    state: str, sockets: frozenset[str] | None, words: str, status: Status
) -> None:
    assert the_one(examine_broker(SETTINGS, found(state), sockets), words).status is status


def test_one_of_which_it_is_not_known_whether_it_is_asked_is_not_called_idle() -> None:
    assert not [one for one in examine_broker(SETTINGS, found("serving", WELL), None) if "no door" in one.what]


def test_what_keeps_it_from_serving_is_broken() -> None:
    problem = Problem("/etc/secsign-gate/pin-account", 0, "", "may not be read by secsign-gate", "chmod g+r it")
    findings = examine_broker(SETTINGS, found("silent")._replace(problems=[problem]), ASKED)
    one = the_one(findings, "/etc/secsign-gate/pin-account: may not be read by secsign-gate")
    assert (one.status, one.line) == (Status.BROKEN, "chmod g+r it")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "9.9"}, "is of version 9.9"),
        ({"monitor": "ended"}, "no SSH connection can be proven"),
        (
            {"id_servers": [{"url": "https://x", "state": "down", "sentence": "it is silent"}]},
            "finds the ID server https://x down: it is silent",
        ),
    ],
)
def test_what_it_says_of_itself(change: dict[str, Any], words: str) -> None:
    assert the_one(examine_broker(SETTINGS, found("serving", WELL | change), ASKED), words).status is Status.WEAK


def test_one_that_has_kept_roots_powers() -> None:
    """This process has some, or may gain some: it is no daemon."""
    findings = examine_broker(SETTINGS, found("serving", WELL), ASKED)
    assert the_one(findings, "has capabilities, or may gain some").status is Status.OPEN


@pytest.mark.parametrize("pid", [0, 2**31 - 1, "x", None])
def test_a_process_that_is_not_there(pid: object) -> None:
    findings = examine_broker(SETTINGS, found("serving", WELL | {"pid": pid}), ASKED)
    assert the_one(findings, "cannot be looked at").status is Status.UNKNOWN


def test_an_account_that_is_not_there() -> None:
    settings = SETTINGS._replace(broker=SETTINGS.broker._replace(account="nobody-here"))
    assert the_one(examine_broker(settings, found("serving", WELL), ASKED), "the daemon is serving")


def test_an_account_that_people_log_in_as() -> None:
    shell = pwd.getpwnam(ME).pw_shell
    if shell.endswith(("nologin", "false")):
        pytest.skip("whoever runs this has no login shell")
    findings = examine_broker(SETTINGS, found("serving", WELL), ASKED)
    assert the_one(findings, f"has the login shell {shell}").status is Status.WEAK


class TestMetrics:
    def answering(self, path: Path, answer: bytes) -> threading.Thread:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with listener, listener.accept()[0] as stream:
                stream.recv(4096)
                stream.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        return thread

    @pytest.mark.parametrize(
        ("answer", "status"),
        [(b"HTTP/1.1 200 OK\r\n\r\n", Status.CLOSED), (b"HTTP/1.1 404 x\r\n\r\n", Status.WEAK), (b"x", Status.WEAK)],
    )
    def test_what_answers(self, tmp_path: Path, answer: bytes, status: Status) -> None:
        thread = self.answering(tmp_path / "m.sock", answer)
        [one] = examine_metrics(str(tmp_path / "m.sock"))
        thread.join()
        assert one.status is status

    def test_nobody(self, tmp_path: Path) -> None:
        [one] = examine_metrics(str(tmp_path / "m.sock"))
        assert (one.status, "No such file" in one.what) == (Status.WEAK, True)

    def test_nobody_on_the_loopback(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            [one] = examine_metrics(f"127.0.0.1:{taken.getsockname()[1]}")
        assert "Connection refused" in one.what

    def test_none_wanted(self) -> None:
        assert examine_metrics(None) == []
