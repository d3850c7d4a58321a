"""The commands as a person uses them: the ready line, the phone's buttons, mistakes, and a clean end."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import click.testing
import httpx
import pytest
from dialect_speakers import FormSpeaker, RestSpeaker, connect
from running_simulator import RunningSimulator

from secsign_gate.simulator.cli import phone, simulator
from secsign_gate.simulator.fault_queue import FAULTS


def press(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(phone, list(arguments))


def one_sentence(result: click.testing.Result) -> str:
    """The complaint on standard error: one line of it after click's own usage lines."""
    *usage, sentence = result.stderr.strip().splitlines()
    assert all(line.startswith(("Usage:", "Try ")) or not line for line in usage), result.stderr
    assert sentence.startswith("Error: ")
    assert sentence.endswith((".", "?"))
    return sentence


def test_a_request_is_listed_waited_for_and_accepted(
    form: FormSpeaker, simulator: RunningSimulator, alice: str, tmp_path: Path
) -> None:
    created = form.create(alice, showaccesspass="true")
    (tmp_path / "simulator.json").write_text(json.dumps({"phone_url": simulator.phone_url}))
    by_folder = ("--folder", str(tmp_path))
    assert alice in press(*by_folder, "list").stdout
    (waited,) = json.loads(press(*by_folder, "wait", alice, "--json").stdout)
    assert (waited["secsignid"], waited["serviceaddress"]) == (alice, "web1.example.org")
    accepted = press(*by_folder, "accept", alice)
    assert (accepted.exit_code, accepted.stdout) == (0, f"The request for {alice} is now AUTHENTICATED.\n")
    assert form.state(created)["authsessionstate"] == "3"


def test_a_request_is_denied_by_url(form: FormSpeaker, simulator: RunningSimulator, alice: str) -> None:
    created = form.create(alice)
    denied = press("--url", simulator.phone_url, "deny", alice.upper(), "--json")
    assert json.loads(denied.stdout) == {"secsignid": alice, "state": "DENIED"}
    assert form.state(created)["authsessionstate"] == "4"


def test_a_frozen_id_is_tapped(form: FormSpeaker, simulator: RunningSimulator, alice: str) -> None:
    for _ in range(3):
        form.create(alice)
    assert press("--url", simulator.phone_url, "unfreeze", alice).exit_code == 0
    assert form.create(alice)["authsessionstate"] == "1"


def test_faults_are_asked_for_listed_and_cleared(form: FormSpeaker, simulator: RunningSimulator, alice: str) -> None:
    url = ("--url", simulator.phone_url)
    assert press(*url, "fault", "status", "--on", "create", "status=429").exit_code == 0
    assert press(*url, "fault", "state", "value=3", "--times", "2").exit_code == 0
    assert press(*url, "fault", "raw", "--until-cleared", 'headers={"x-any": "thing"}').exit_code == 0
    listed = [json.loads(line) for line in press(*url, "faults").stdout.splitlines()]
    assert [(each["fault"], each["times"], each["options"]) for each in listed] == [
        ("status", 1, {"status": 429}),
        ("state", 2, {"value": "3"}),
        ("raw", None, {"headers": {"x-any": "thing"}}),
    ]
    assert press(*url, "faults", "--clear").stdout == ""
    assert form.create(alice)["authsessionstate"] == "1"


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["accept", "nobody"], 1, "nobody"),
        (["wait", "nobody", "--seconds", "0"], 1, "within 0 seconds"),
        (["fault", "status", "status=many"], 2, "from 200 to 599"),
        (["fault", "status", "more=1"], 2, "errorcode"),
        (["fault", "status", "503"], 2, "OPTION=VALUE"),
        (["fault", "no-such"], 2, "no-such"),
        (["fault", "field", "name=x"], 2, "value"),
    ],
)
def test_a_mistake_gets_one_sentence_and_its_exit_status(
    simulator: RunningSimulator, arguments: list[str], status: int, word: str
) -> None:
    result = press("--url", simulator.phone_url, *arguments)
    assert result.exit_code == status
    assert word in one_sentence(result)


def test_without_a_simulator_the_phone_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    (tmp_path / "simulator.json").write_text("{}")
    for arguments in (["--url", nobody], ["--url", "no url"], ["--folder", str(tmp_path)], ["--folder", "/none"]):
        result = press(*arguments, "list")
        assert result.exit_code == 75
        assert one_sentence(result).startswith("Error: No simulator")


def test_the_help_names_every_fault_and_shows_examples() -> None:
    for arguments in (["--help"], ["fault", "--help"]):
        assert "Examples:" in press(*arguments).stdout
    told = press("fault", "--help").stdout
    assert all(re.search(rf"^ *{name}( |$)", told, re.MULTILINE) for name in FAULTS)


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "secsign_gate.simulator", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_while_clients_wait(tmp_path: Path, number: signal.Signals) -> None:
    with start("--folder", str(tmp_path)) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        found = re.fullmatch(r"ID server (\S+), phone (\S+), certificate authority (\S+)\n", ready)
        assert found is not None, ready
        url, phone_url, ca_file = found.groups()
        with connect(url, ca_file) as client, connect(phone_url, ca_file) as page:
            client.get("/")
            page.post("faults", json={"fault": "hang"})
            hanging = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
            with page.stream("GET", "events") as events, hanging:
                next(events.iter_lines())
                process.send_signal(number)
                _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (0, "")


def test_a_request_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    ends: list[str] = []
    with RunningSimulator(tmp_path) as running:
        running.faults("hang")
        client = connect(running.url, running.ca_file)
        hanging = threading.Thread(target=lambda: ends.append(_end_of(client)))
        hanging.start()
        while not running.log():
            pass
    with contextlib.closing(client):
        hanging.join(timeout=20)
    assert ends == ["RemoteProtocolError"]


def _end_of(client: httpx.Client) -> str:
    try:
        return str(client.get("/").status_code)
    except httpx.HTTPError as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("arguments", "state"),
    [(["--auto-accept", "0"], "3"), (["--auto-deny", "0"], "4"), (["--session-seconds", "0"], "2")],
)
def test_phones_answer_by_themselves_and_auth_sessions_expire(tmp_path: Path, arguments: list[str], state: str) -> None:
    with RunningSimulator(tmp_path, *arguments) as running, connect(running.url, running.ca_file) as client:
        form = FormSpeaker(client)
        assert form.state(form.create("alice"))["authsessionstate"] == state


def test_only_enrolled_ids_exist_and_without_a_pin_account_rest_is_closed(tmp_path: Path) -> None:
    arguments = ("--id", "Alice", "--id", "bob@example.org")
    with RunningSimulator(tmp_path, *arguments) as running, connect(running.url, running.ca_file, ("a", "b")) as client:
        form = FormSpeaker(client)
        assert form.create("alice")["authsessionstate"] == "1"
        assert form.create("BOB@example.org")["authsessionstate"] == "1"
        unknown = form.create("carol")
        assert (unknown["error"], unknown["errorcode"]) == ("500", "20000")
        assert RestSpeaker(client).create("alice").status_code == 401


def test_an_unknown_id_is_status_404_in_rest(tmp_path: Path) -> None:
    arguments = ("--id", "alice", "--pin-account", "gate:se:cret")
    with RunningSimulator(tmp_path, *arguments) as running:
        with connect(running.url, running.ca_file, ("gate", "se:cret")) as client:
            unknown = RestSpeaker(client).create("carol")
        assert (unknown.status_code, unknown.json()["errorcode"]) == (404, 20000)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--folder", "{tmp}", "--auto-accept", "1", "--auto-deny", "1"], "contradict"),
        (["--folder", "{tmp}", "--auto-accept", "-1"], "-1"),
        (["--folder", "{tmp}", "--pin-account", "gate"], "NAME:PASSWORD"),
        (["--folder", "{tmp}", "--id", "a b"], "a b"),
        (["--folder", "{tmp}", "--host", "web1"], "web1"),
        (["--folder", "{tmp}", "--port", "70000"], "70000"),
        (["--folder", "{tmp}", "--certificate", "best"], "best"),
    ],
)
def test_wrong_usage_gets_one_sentence_and_status_2(tmp_path: Path, arguments: list[str], word: str) -> None:
    filled = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    result = click.testing.CliRunner().invoke(simulator, filled)
    assert result.exit_code == 2
    assert word in one_sentence(result)


def test_a_folder_or_port_that_cannot_be_used_gets_one_sentence_and_status_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = str(listener.getsockname()[1])
        for arguments, word in (
            (["--folder", str(tmp_path / "file" / "below")], "below"),
            (["--folder", str(tmp_path), "--port", taken], taken),
            (["--folder", str(tmp_path), "--phone-port", taken], taken),
        ):
            result = click.testing.CliRunner().invoke(simulator, arguments)
            assert result.exit_code == 1
            assert word in one_sentence(result)


def test_without_the_extra_packages_the_commands_are_there_and_say_what_is_missing(tmp_path: Path) -> None:
    """The same interpreter, with the extra's packages hidden."""
    hide = "import sys; sys.modules.update(dict.fromkeys(['starlette', 'uvicorn', 'cryptography']));"
    start_it = "from secsign_gate.simulator.cli import simulator; simulator()"
    command = [sys.executable, "-c", f"{hide} {start_it}", "--folder", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: The simulator needs the packages of the extra")
