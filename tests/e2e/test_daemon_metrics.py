"""A running daemon read as Prometheus reads it: over a unix socket and over a port."""

from __future__ import annotations

import grp
import http.client
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import drop_in
import pytest
from prometheus_client.parser import text_string_to_metric_families
from running_broker import FOLDER, SOCKET, BrokerError, RunningBroker

if TYPE_CHECKING:
    from gate import Gate

METRICS = FOLDER / "metrics.sock"


class OverUnixSocket(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


def scraped(connection: http.client.HTTPConnection) -> tuple[dict[str, float], str]:
    """Return the samples by name and label values, and the whole text."""
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (200, "close")
    text = answer.read().decode()
    connection.close()
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }, text


def test_logins_are_counted_and_nobody_is_named(gate: Gate) -> None:
    alice, bob = gate.user("alice", secsign_id="alice"), gate.user("bob", secsign_id="bob")
    gate.drop_in = drop_in.asking(str(SOCKET))
    gate.configure(broker={"metrics": str(METRICS)})
    options = ["-o", "ControlMaster=auto", "-o", f"ControlPath={alice.client.folder}/mux", "-o", "ControlPersist=yes"]
    with RunningBroker():
        login = alice.ssh("true", options=options)
        gate.phone("alice").accept()
        assert login.outcome().status == 0
        assert alice.ssh("true", options=options).outcome().status == 0
        denied = bob.ssh("true")
        gate.phone("bob").deny()
        assert denied.outcome().status == 77
        waiting = bob.ssh("true")
        assert waiting.outcome().status == 77
        found, text = scraped(OverUnixSocket(METRICS))
        while found["secsign_gate_ssh_connections"] > 1:  # bob's sshds end a moment after their clients
            found, text = scraped(OverUnixSocket(METRICS))
        alice.run("ssh", *options, "-O", "exit", alice.at("gated")).outcome()
    assert {name: found[f"secsign_gate_{name}"] for name in (
        "verdicts_total allow approved", "verdicts_total allow granted", "verdicts_total refuse denied_on_phone",
        "verdicts_total refuse paused_after_denial", "pushes_total", "grants", "ssh_connections", "paused account",
        f"id_server_up {gate.simulator.url}", "monitor_up", "configuration_fault", "waiting_logins pushed",
    )} == {
        "verdicts_total allow approved": 1, "verdicts_total allow granted": 1,
        "verdicts_total refuse denied_on_phone": 1, "verdicts_total refuse paused_after_denial": 1, "pushes_total": 2,
        "grants": 1, "ssh_connections": 1, "paused account": 1, f"id_server_up {gate.simulator.url}": 1,
        "monitor_up": 1, "configuration_fault": 0, "waiting_logins pushed": 0,
    }  # fmt: skip
    assert not [name for name in ("alice", "bob", gate.id_of("alice"), "SHA256") if name in text]


def test_who_may_read_it(gate: Gate) -> None:
    gate.configure(broker={"metrics": str(METRICS)})
    with RunningBroker():
        status = METRICS.stat()
        assert stat.S_IMODE(status.st_mode) == 0o660
        assert (status.st_uid, grp.getgrgid(status.st_gid).gr_name) == (0, "secsign-gate")


@pytest.mark.usefixtures("gate")
def test_it_is_off_unless_it_is_wanted() -> None:
    METRICS.unlink(missing_ok=True)
    with RunningBroker():
        assert not METRICS.exists()


def test_a_port_of_the_loopback_and_one_that_is_taken(gate: Gate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gate.configure(broker={"metrics": f"127.0.0.1:{port}"})
        with pytest.raises(
            BrokerError, match=r"broker\.metrics: the broker cannot listen there \(Address already in use"
        ):
            RunningBroker().start()
    with RunningBroker():
        found, _ = scraped(http.client.HTTPConnection("127.0.0.1", port, timeout=60))
        assert found["secsign_gate_monitor_up"] == 1
