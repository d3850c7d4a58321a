"""`secsign-gate doctor` on a host with the gate, as root runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import drop_in
import pytest
from accounts import ACCOUNTS
from by_hand import as_account
from gate import CONFIGURATION, PIN_ACCOUNT
from running_broker import PROGRAM, SOCKET, RunningBroker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person
    from pam_stack import PamStack

SUDO_LINE = (
    "auth requisite pam_exec.so seteuid quiet /opt/secsign-gate/bin/python3 -I -S"
    " /opt/secsign-gate/bin/secsign-gate-pam --after-password\n"
)
STATIONS = ["sshd", "gate", "broker", "ID server", "phone"]


def doctor(gate: Gate, *arguments: str, at: str = "gated") -> subprocess.CompletedProcess[str]:
    """Run it about the sshd `at`; the clock of the host, which is not ours, is not asked for."""
    configuration = str(gate.server(at).configuration)
    done = subprocess.run(
        [PROGRAM, "doctor", "--sshd-config", configuration, *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr
    return done


def findings(gate: Gate, *arguments: str, at: str = "gated") -> list[dict[str, str]]:
    """Return all findings, each with its station."""
    done = doctor(gate, "--json", *arguments, at=at)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    return [
        finding | {"station": station["station"]} for station in report["stations"] for finding in station["findings"]
    ]


def the_one(found: list[dict[str, str]], words: str) -> dict[str, str]:
    """Return the finding that says this."""
    matching = [finding for finding in found if words in finding["what"]]
    assert len(matching) == 1, (words, [finding["what"] for finding in found])
    return matching[0]


@contextmanager
def mode(path: Path, bits: int) -> Iterator[None]:
    before = path.stat().st_mode & 0o7777
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before)


@pytest.fixture
def everybody(gate: Gate) -> list[Person]:
    """Everybody who can log in has a SecSign ID."""
    for account in ("root", *(one.name for one in ACCOUNTS if one.name != "alice")):
        gate.add_to_users_file(f"{account} {gate.id_of(account)}")
    return [gate.user("alice", secsign_id="alice")]


@pytest.fixture
def broker(gate: Gate) -> Iterator[RunningBroker]:
    gate.configure(broker={"account": "secsign-gate"})
    with RunningBroker() as running:
        running.status()
        yield running


@pytest.mark.usefixtures("everybody")
class TestWholeHost:
    def test_in_order_except_what_the_administrator_has_to_decide(self, gate: Gate) -> None:
        done = doctor(gate)
        assert (done.returncode, done.stderr) == (0, "")
        arrow, marks = done.stdout.splitlines()[:2]
        assert [name for name in STATIONS if name in arrow] == STATIONS
        assert "OPEN" not in marks
        assert "BROKEN" not in marks
        assert "things are in order (--all lists them)" in done.stdout

    def test_the_json_has_what_is_promised(self, gate: Gate) -> None:
        report = json.loads(doctor(gate, "--json").stdout)
        assert list(report) == ["schema", "version", "worst", "counts", "stations"]
        assert report["schema"] == 1
        assert report["worst"] == "weak"
        assert set(report["counts"]) == {"open", "broken", "weak", "unknown", "note", "closed"}
        assert [station["station"] for station in report["stations"]] == STATIONS
        for station in report["stations"]:
            assert set(station) == {"station", "worst", "findings"}
            for finding in station["findings"]:
                assert list(finding) == ["status", "bypass", "account", "what", "why", "mend", "line"]

    def test_nothing_is_changed_and_no_phone_hears_of_it(self, gate: Gate, everybody: list[Person]) -> None:
        gate.server("gated")

        def state() -> dict[str, tuple[int, int, int]]:
            paths = [path for folder in ("/etc", "/home", "/run") for path in Path(folder).rglob("*")]
            return {
                str(path): (status.st_mode, status.st_size, status.st_mtime_ns)
                for path, status in ((path, path.lstat()) for path in paths)
            }

        before = state()
        doctor(gate, "--all")
        doctor(gate, "--user", everybody[0].account)
        assert state() == before
        assert gate.phone("alice").auth_sessions() == []

    def test_of_a_group_sshd_is_asked_about_its_members_only(self, gate: Gate) -> None:
        """Whoever has a shell, and carol, who has none and stands in the group database only."""
        gate.drop_in = drop_in.gated().replace("Match all", "Match User *,!bob,!carol")
        subprocess.run(["usermod", "-aG", "operators", "carol"], check=True)
        try:
            found = findings(gate, "--group", "operators")
        finally:
            subprocess.run(["gpasswd", "-d", "carol", "operators"], check=True, capture_output=True)
        open_to = {one["account"] for one in found if one["bypass"] == "ungated-account" and one["status"] == "open"}
        assert open_to == {"carol"}

    def test_a_group_without_members_is_no_group_in_order(self, gate: Gate) -> None:
        assert the_one(findings(gate, "--group", "nobody-is-in-it"), "nobody on this host is in the group")
        assert doctor(gate, "--group", "nobody-is-in-it").returncode == 78
        assert doctor(gate, "--group", "operators", "--user", "alice").returncode == 2

    def test_sshd_without_the_gate(self, gate: Gate) -> None:
        done = doctor(gate, at="ungated")
        assert done.returncode == 1
        assert "OPEN: a hole, now" in done.stdout

    def test_files_that_decide_whether_the_gate_is_asked(self, gate: Gate) -> None:
        configuration = gate.server("gated").configuration
        with mode(configuration, 0o666):
            done = doctor(gate)
            assert done.returncode == 1
            assert f"{configuration} can be written by everybody" in done.stdout
            assert f"chmod go-w {configuration}" in done.stdout
        service = Path("/etc/pam.d/sshd")
        with mode(service, 0o664):
            assert the_one(findings(gate), "/etc/pam.d/sshd can be written by the group root")["status"] == "open"

    def test_a_home_that_others_can_write_to(self, gate: Gate) -> None:
        with mode(Path("/home/alice"), 0o777):
            found = the_one(findings(gate), "/home/alice can be written by everybody")
        assert (found["status"], found["account"]) == ("broken", "alice")
        assert "StrictModes" in found["why"]

    def test_a_home_that_others_can_write_to_and_sshd_does_not_mind(self, gate: Gate) -> None:
        gate.more_settings = "StrictModes no"
        with mode(Path("/home/alice"), 0o777):
            found = the_one(findings(gate), "/home/alice can be written by everybody")
        assert (found["status"], found["line"]) == ("open", "chmod go-w /home/alice")

    def test_a_home_of_the_accounts_own_group(self, gate: Gate) -> None:
        """Debian's sshd takes keys from it, for nobody else is in that group."""
        with mode(Path("/home/alice"), 0o770):
            assert not [one for one in findings(gate) if "/home/alice" in one["what"]]

    def test_a_way_in_for_a_bad_day(self, gate: Gate) -> None:
        assert the_one(findings(gate), "every account that can log in is behind the gate")["status"] == "weak"

    def test_a_way_in_for_a_bad_day_that_has_no_key(self, gate: Gate) -> None:
        gate.drop_in = drop_in.gated().replace("Match all", "Match User *,!dora")
        assert the_one(findings(gate), "no account without the gate has a key")["account"] == "dora"
        gate.user("dora")
        assert the_one(findings(gate), "while the gate is broken, dora gets in")["status"] == "closed"

    def test_somebody_without_a_secsign_id(self, gate: Gate) -> None:
        (CONFIGURATION / "users").write_text("alice alice\n")
        done = doctor(gate, "--json")
        assert done.returncode == 78
        missing = [
            finding["account"]
            for station in json.loads(done.stdout)["stations"]
            for finding in station["findings"]
            if "can log in and has no SecSign ID" in finding["what"]
        ]
        assert {"bob", "root"} <= set(missing)
        assert "alice" not in missing

    def test_nobody_has_one(self, gate: Gate) -> None:
        (CONFIGURATION / "users").write_text("# nobody\n")
        assert the_one(findings(gate), "maps nobody to a SecSign ID")["status"] == "broken"

    def test_orders_that_cannot_be_read(self, gate: Gate) -> None:
        (CONFIGURATION / "secsign-gate.toml").write_text("[id_server]\ndialect = \n")
        done = doctor(gate)
        assert done.returncode == 78
        assert "secsign-gate.toml line 2" in done.stdout

    def test_an_id_server_that_is_down(self, gate: Gate) -> None:
        gate.configure(id_server={"url": "https://127.0.0.1:9"})
        done = doctor(gate)
        assert done.returncode == 75
        assert "Connection refused" in done.stdout
        assert doctor(gate, "--offline").returncode == 0

    def test_a_secret_never_shows(self, gate: Gate) -> None:
        gate.speak_rest()
        for arguments in (["--all"], ["--json"], ["--user", "alice"]):
            assert PIN_ACCOUNT.partition(":")[2] not in doctor(gate, *arguments).stdout


class TestSshd:
    def test_one_that_is_not_there(self, gate: Gate) -> None:
        done = doctor(gate, "--sshd", "/nonexistent/sshd")
        assert done.returncode == 78
        assert "/nonexistent/sshd" in done.stdout

    def test_a_configuration_that_is_broken(self, gate: Gate, tmp_path: Path) -> None:
        tmp_path.joinpath("sshd_config").write_text("PermitRootLogin perhaps\n")
        done = doctor(gate, "--sshd-config", str(tmp_path / "sshd_config"))
        assert done.returncode == 78
        assert "sshd_config line 1" in done.stdout

    def test_a_configuration_that_is_not_there(self, gate: Gate) -> None:
        assert doctor(gate, "--sshd-config", "/nonexistent").returncode == 78

    def test_a_users_own_program_of_that_name_is_told_of_and_never_run(self, gate: Gate, alice: Person) -> None:
        """To ask an sshd is to run it, as root: a program of a user's must not get there by its name."""
        sshd = alice.write("sshd", Path(sys.executable).resolve().read_bytes(), mode=0o755)
        listen = "import signal, socket; s = socket.create_server(('127.0.0.1', 0)); print('listens', flush=True)\n"
        command = as_account("alice", {"HOME": "/home/alice"}, str(sshd))  # no argument that sshd does not know
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as theirs:
            try:
                assert theirs.stdin is not None
                assert theirs.stdout is not None
                theirs.stdin.write(f"{listen}signal.pause()\n")
                theirs.stdin.close()
                assert theirs.stdout.readline() == "listens\n"
                # what would be run in its place from now on
                sshd.unlink()
                alice.write("sshd", "#!/bin/sh\nid -u >>/home/alice/ran-as\n", mode=0o755)
                found = the_one(findings(gate), "/home/alice/sshd was not started by root")
                doctor(gate, "--user", "alice")
                subprocess.run([PROGRAM, "doctor", "--offline"], capture_output=True, check=False)
            finally:
                theirs.kill()
        assert found["status"] == "open"
        assert not alice.has("ran-as")

    @pytest.mark.usefixtures("everybody")
    def test_as_somebody_else_than_root(self, gate: Gate) -> None:
        configuration = str(gate.server("gated").configuration)
        command = as_account("alice", os.environ, PROGRAM, "doctor", "--sshd-config", configuration)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        assert done.returncode == 75
        assert "run this as root" in done.stdout


class TestDaemon:
    def test_one_that_serves(self, gate: Gate, broker: RunningBroker) -> None:
        found = findings(gate, at="daemon")
        assert the_one(found, f"the daemon is serving at {SOCKET}, pid {broker.pid}")["status"] == "closed"
        assert the_one(found, "the daemon runs as secsign-gate, without any capability")["status"] == "closed"

    @pytest.mark.usefixtures("broker")
    def test_doors_that_do_not_ask_it(self, gate: Gate) -> None:
        assert the_one(findings(gate), "the daemon serves, but no door asks it")["status"] == "note"

    def test_one_that_does_not_answer(self, gate: Gate, broker: RunningBroker) -> None:
        broker.kill(signal.SIGKILL)
        found = the_one(findings(gate, at="daemon"), "doors ask a daemon, and it does not answer")
        assert (found["status"], found["station"]) == ("broken", "broker")
        assert the_one(findings(gate), "does not answer at")["status"] == "weak"

    def test_one_that_was_never_set_up(self, gate: Gate) -> None:
        assert the_one(findings(gate, at="daemon"), "doors ask a daemon, and it does not answer")["status"] == "broken"

    @pytest.mark.usefixtures("broker")
    def test_doors_that_ask_elsewhere(self, gate: Gate) -> None:
        gate.configure(broker={"socket": "/run/secsign-gate/other.sock"})
        found = the_one(findings(gate, at="daemon"), "doors ask at /run/secsign-gate/broker.sock, but broker.socket")
        assert found["status"] == "broken"

    def test_orders_that_it_has_not_read(self, gate: Gate, broker: RunningBroker) -> None:
        gate.add_to_users_file("alice alice")
        assert the_one(findings(gate, at="daemon"), "has not read these orders")["status"] == "weak"
        broker.reload()
        assert not [one for one in findings(gate, at="daemon") if "has not read" in one["what"]]

    def test_a_monitor_that_has_ended(self, gate: Gate, broker: RunningBroker) -> None:
        os.kill(broker.monitor, signal.SIGKILL)
        assert the_one(findings(gate, at="daemon"), "no SSH connection can be proven")["status"] == "weak"

    def test_metrics_that_nobody_serves(self, gate: Gate, broker: RunningBroker) -> None:
        gate.configure(broker={"metrics": "/run/secsign-gate/metrics.sock"})
        broker.reload()  # it listens when it starts
        assert the_one(findings(gate, at="daemon"), "nothing answers Prometheus")["status"] == "weak"


class TestOneLogin:
    def test_each_step_in_its_order(self, gate: Gate, alice: Person) -> None:
        done = doctor(gate, "--user", "alice")
        assert (done.returncode, done.stderr) == (0, "")
        shown = done.stdout
        steps = [
            "alice has the uid 2001",
            "the gate is the ForceCommand of alice",
            "alice has 1 key",
            "may read the gate's orders",
            "takes connections",
            "speaks form",
            f"alice needs an approval on the phone of SecSign ID {gate.id_of('alice')}",
            "with a terminal the phone",
        ]
        places = [shown.find(step) for step in steps]
        assert -1 not in places, shown
        assert places == sorted(places)
        assert alice.account in shown

    def test_an_account_that_is_not_there(self, gate: Gate) -> None:
        done = doctor(gate, "--user", "nobody-here")
        assert done.returncode == 1
        assert "there is no account 'nobody-here' on this host" in done.stderr

    @pytest.mark.parametrize("name", ["", "a,b", "../x", "a\nb", "\x1b[2J", "-x", "x" * 5000])
    def test_a_name_that_no_account_has(self, gate: Gate, name: str) -> None:
        done = doctor(gate, f"--user={name}")
        assert done.returncode == 1
        assert "\x1b" not in done.stdout + done.stderr

    def test_no_key_and_no_secsign_id(self, gate: Gate) -> None:
        found = findings(gate, "--user", "bob")
        assert the_one(found, "bob has no key: sshd looks in /home/bob/.ssh/authorized_keys")["status"] == "broken"
        refused = the_one(found, "bob is refused (no_secsign_id)")
        assert (refused["status"], refused["station"]) == ("broken", "phone")

    def test_a_shell_that_takes_no_commands(self, gate: Gate) -> None:
        assert the_one(findings(gate, "--user", "carol"), "of carol does not start the gate")["status"] == "broken"

    def test_an_account_before_which_there_is_no_gate(self, gate: Gate) -> None:
        gate.user("alice", secsign_id="alice")
        done = doctor(gate, "--user", "alice", at="ungated")
        assert done.returncode == 1

    def test_a_key_that_is_restricted(self, gate: Gate) -> None:
        gate.user("alice", secsign_id="alice", key_options='command="/bin/date"')
        found = the_one(findings(gate, "--user", "alice"), "runs `/bin/date` only")
        assert (found["status"], found["bypass"]) == ("note", "restricted-key")

    def test_keys_with_an_end_and_a_place(self, gate: Gate) -> None:
        gate.user("alice", secsign_id="alice", key_options='from="192.0.2.*",expiry-time="20991231Z"')
        found = findings(gate, "--user", "alice")
        assert the_one(found, "is taken from 192.0.2.* only")["status"] == "note"
        assert the_one(found, "ends on 2099-12-31")["status"] == "note"

    def test_a_key_that_has_ended(self, gate: Gate) -> None:
        gate.user("alice", secsign_id="alice", key_options='expiry-time="20200101Z"')
        found = findings(gate, "--user", "alice")
        assert the_one(found, "ended on 2020-01-01")["status"] == "weak"
        assert the_one(found, "no key of alice is valid any more")["status"] == "broken"

    def test_an_account_that_has_ended_or_is_locked(self, gate: Gate, alice: Person) -> None:
        gate.use_pam = False
        shadow = Path("/etc/shadow")
        before = shadow.read_text()
        try:
            shadow.write_text(re.sub(r"(?m)^alice:.*$", "alice:!:19000:0:99999:7::18262:", before))
            found = findings(gate, "--user", alice.account)
        finally:
            shadow.write_text(before)
        assert the_one(found, "the account alice ended on 2020-01-01")["status"] == "broken"
        assert the_one(found, "the password of alice is locked")["line"] == "usermod --password '*' alice"

    def test_a_line_that_sshd_passes_over(self, gate: Gate, alice: Person) -> None:
        alice.write(".ssh/authorized_keys", "comand=x ssh-ed25519 AAAA\n", append=True)
        assert the_one(findings(gate, "--user", "alice"), "sshd passes over /home/alice")["status"] == "weak"

    def test_a_key_file_that_leads_elsewhere(self, gate: Gate, alice: Person) -> None:
        """What is not the account's is not shown: neither a secret of root's nor what never ends."""
        keys = alice.home / ".ssh/authorized_keys"
        for target in ("/etc/shadow", "/dev/zero", "/dev/stdin"):
            keys.unlink()
            keys.symlink_to(target)
            done = doctor(gate, "--user", "alice")
            assert "$6$" not in done.stdout + done.stderr
        keys.unlink()
        os.mkfifo(keys)
        assert doctor(gate, "--user", "alice").returncode == 78

    def test_orders_that_the_account_may_not_read(self, gate: Gate) -> None:
        gate.user("bob", secsign_id="bob")
        gate.speak_rest()  # the secret is for the operators only
        found = the_one(findings(gate, "--user", "bob"), "may not be read by bob")
        assert (found["status"], found["account"], found["station"]) == ("broken", "bob", "gate")

    def test_a_pause_after_a_denial(self, gate: Gate, broker: RunningBroker) -> None:
        alice = gate.user("alice", secsign_id="alice")
        broker.reload()
        login = alice.ssh("true", at="daemon")
        gate.phone("alice").deny()
        login.outcome()
        paused = [one for one in findings(gate, "--user", "alice", at="daemon") if "left in peace" in one["what"]]
        assert paused
        assert {one["status"] for one in paused} == {"broken"}
        assert any(one["line"] == "secsign-gate unblock alice" for one in paused)

    def test_rest_is_asked_whether_there_is_such_a_secsign_id(self, gate: Gate, alice: Person) -> None:
        gate.speak_rest()
        found = findings(gate, "--user", alice.account)
        assert the_one(found, f"the ID server knows the SecSign ID {gate.id_of('alice')}")["status"] == "closed"
        assert the_one(found, "may read the PIN account gate")["status"] == "weak"

    def test_two_people_with_one_account(self, gate: Gate) -> None:
        gate.user("deploy", secsign_id="alice")
        bob = gate.user("deploy", secsign_id="bob")
        shown = doctor(gate, "--user", "deploy").stdout
        assert f"SecSign ID {gate.id_of('alice')}" in shown
        assert f"SecSign ID {gate.id_of('bob')} with the key {bob.client.fingerprint}" in shown
        refused = doctor(gate, "--user", "deploy", "--push", "--fingerprint", "SHA256:nonsense")
        assert refused.returncode == 1
        assert "a fingerprint is SHA256:" in refused.stderr


class TestPush:
    def test_accepted(self, gate: Gate, alice: Person) -> None:
        tap = threading.Thread(target=gate.simulator.accept, args=[gate.id_of("alice")])
        tap.start()
        done = doctor(gate, "--user", alice.account, "--push")
        tap.join()
        assert done.returncode == 0
        told = done.stdout.splitlines()
        assert told[-1].startswith("accepted after ")
        assert any("has created it" in line for line in told)
        assert [one["disposed"] for one in gate.phone("alice").auth_sessions()] == ["release"]

    def test_denied(self, gate: Gate, alice: Person) -> None:
        tap = threading.Thread(target=gate.simulator.deny, args=[gate.id_of("alice")])
        tap.start()
        done = doctor(gate, "--user", alice.account, "--push", "--json")
        tap.join()
        assert done.returncode == 77
        push: dict[str, Any] = json.loads(done.stdout)["push"]
        assert (push["accepted"], push["why"]) == (False, "denied_on_phone")
        assert [stage["stage"] for stage in push["stages"]][-1] == "it is disposed of"

    def test_not_while_somebody_waits_for_that_phone(self, gate: Gate, broker: RunningBroker) -> None:
        alice = gate.user("alice", secsign_id="alice")
        broker.reload()
        login = alice.ssh("true", at="daemon")
        gate.phone("alice").wait()
        done = doctor(gate, "--user", "alice", "--push", at="daemon")
        assert done.returncode == 1
        assert "another request is on the phone" in done.stderr
        gate.phone("alice").accept()
        assert login.outcome().status == 0

    def test_an_interrupted_one_is_withdrawn(self, gate: Gate, alice: Person) -> None:
        configuration = str(gate.server("gated").configuration)
        command = [PROGRAM, "doctor", "--sshd-config", configuration, "--user", alice.account, "--push"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
            gate.simulator.wait_for(gate.id_of("alice"))
            running.send_signal(signal.SIGINT)
            _, said = running.communicate()
        assert (running.returncode, said.strip()) == (130, "secsign-gate: interrupted")
        assert [one["disposed"] for one in gate.phone("alice").auth_sessions()] == ["cancel"]

    def test_nobody_to_push(self, gate: Gate) -> None:
        done = doctor(gate, "--user", "bob", "--push")
        assert done.returncode == 1
        assert "bob has no SecSign ID" in done.stderr

    @pytest.mark.parametrize(
        "arguments", [["--push"], ["--fingerprint", "SHA256:x"], ["--user", "alice", "--push", "--offline"]]
    )
    def test_options_that_mean_nothing_together(self, gate: Gate, arguments: list[str]) -> None:
        assert doctor(gate, *arguments).returncode == 2


@pytest.mark.usefixtures("everybody", "broker")
class TestPamDoor:
    def test_mistakes_in_pams_files_are_found_where_they_stand(self, gate: Gate, pam: PamStack) -> None:
        """As made by hand: the line in the file that cron includes, stdout for sudo, and a password nobody is asked."""
        pam.use("sudo", service="sudo")
        assert not [one for one in findings(gate) if "pam.d/sudo line" in one["what"]]
        pam.restore()
        pam.use("sudo", service="sudo")
        sudo = Path("/etc/pam.d/sudo")
        sudo.write_text(sudo.read_text().replace("seteuid quiet", "quiet stdout"))
        pam.write("su", f"auth sufficient pam_rootok.so\n{SUDO_LINE}")
        pam.write("cron", f"account requisite {SUDO_LINE.partition('requisite')[2].strip()}\n")
        found = findings(gate)
        for words, status, services in (
            ("has stdout", "weak", "sudo"),
            ("has no seteuid", "weak", "sudo"),
            ("no line before asks for one", "open", "su, su-l"),
            ("has the gate asked where nobody waits", "broken", "cron"),
        ):
            finding = the_one(found, words)
            assert finding["status"] == status
            assert finding["what"].endswith(f"(service {services})")

    def test_an_account_whose_phone_depends_on_the_key_behind_an_account_line(self, gate: Gate, pam: PamStack) -> None:
        pam.use("sshd-account")
        assert not [one for one in findings(gate) if "depends on the key" in one["what"]]
        gate.add_to_users_file(f"alice {gate.id_of('other')} SHA256:{'A' * 43}")
        assert the_one(findings(gate), "depends on the key")["status"] == "broken"
        assert the_one(findings(gate, "--user", "alice"), "depends on the key")["account"] == "alice"
