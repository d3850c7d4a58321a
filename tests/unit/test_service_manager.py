"""What systemd hands to a daemon and hears from it: real sockets at the descriptors where a manager puts them."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.broker import service_manager
from secsign_gate.broker.service_manager import Notifier, listening_sockets
from secsign_gate.errors import ConfigError

# A process as a service manager starts it: descriptors from 3 on, then the daemon's own view of them.
DAEMON = """
import json, os, socket, sys
from secsign_gate.broker.service_manager import listening_sockets
from secsign_gate.errors import ConfigError
try:
    found = listening_sockets()
except ConfigError as error:
    answer = {"error": str(error)}
else:
    answer = {name: [one.fileno(), one.getsockname(), one.get_inheritable()] for name, one in found.items()}
json.dump([answer, sorted(name for name in os.environ if name.startswith("LISTEN_"))], sys.stdout)
"""
MANAGER = """
import json, os, sys
descriptors, variables, program = json.loads(sys.argv[1])
for place, descriptor in enumerate(descriptors, 3):
    os.dup2(descriptor, place)
pid = {"LISTEN_PID": str(os.getpid())} if variables.pop("LISTEN_PID", True) is True else {"LISTEN_PID": "1"}
os.execve(sys.executable, [sys.executable, "-c", program], {**os.environ, **pid, **variables})
"""


def daemon(passed: Sequence[socket.socket | IO[str]], **variables: str) -> tuple[dict[str, Any], list[str]]:
    """Start a daemon with `passed` at its descriptors from 3 on; return what it found and which variables are left."""
    high = [os.dup2(one.fileno(), 100 + number) for number, one in enumerate(passed)]  # out of the way of 3, 4, ...
    try:
        order = json.dumps([high, {"LISTEN_FDS": str(len(passed)), **variables}, DAEMON])
        command = [sys.executable, "-c", MANAGER, order]
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE, pass_fds=high, timeout=60)
    finally:
        for descriptor in high:
            os.close(descriptor)
    found, left = json.loads(run.stdout)
    return found, left


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Callable[..., socket.socket]]:
    made = []

    def make(name: str, kind: int = socket.SOCK_STREAM, *, listens: bool = True) -> socket.socket:
        one = socket.socket(socket.AF_UNIX, kind)
        made.append(one)
        one.bind(str(tmp_path / name))
        if listens:
            one.listen()
        return one

    yield make
    for one in made:
        one.close()


class TestListeningSockets:
    def test_each_socket_is_found_by_the_name_of_its_unit(
        self, tmp_path: Path, listener: Callable[..., socket.socket]
    ) -> None:
        found, left = daemon([listener("one"), listener("two")], LISTEN_FDNAMES="broker:secsign-gate.socket")
        assert found == {
            "broker": [3, str(tmp_path / "one"), False],
            "secsign-gate.socket": [4, str(tmp_path / "two"), False],
        }
        assert left == []

    def test_a_manager_that_gives_no_names(self, tmp_path: Path, listener: Callable[..., socket.socket]) -> None:
        found, _ = daemon([listener("one")])
        assert found == {"unknown": [3, str(tmp_path / "one"), False]}

    def test_sockets_of_another_process_are_left_alone(self, listener: Callable[..., socket.socket]) -> None:
        assert daemon([listener("one")], LISTEN_PID="1", LISTEN_FDNAMES="broker") == ({}, [])

    def test_no_manager(self) -> None:
        assert listening_sockets({}) == {}

    def test_what_does_not_listen_is_refused(self, listener: Callable[..., socket.socket], tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as tcp, (tmp_path / "file").open("w") as file:
            for wrong in (tcp, file, listener("quiet", listens=False), listener("d", socket.SOCK_DGRAM, listens=False)):
                found, left = daemon([listener(f"with-{wrong.fileno()}"), wrong], LISTEN_FDNAMES="broker:other")
                assert found["error"].startswith("sockets from the service manager: descriptor 4 ('other') is no ")
                assert left == []

    @pytest.mark.parametrize(
        ("variables", "says"),
        [
            ({"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}, "descriptor 4"),
            ({"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:a"}, "two sockets have the name 'a'"),
            ({"LISTEN_FDS": "one"}, "LISTEN_FDS is 'one', which is no number"),
            ({"LISTEN_FDS": "-1"}, "no number"),
            ({"LISTEN_FDS": "1000000000"}, "no number of sockets up to 64"),
            ({"LISTEN_FDNAMES": "a:b"}, "LISTEN_FDNAMES has 2 names for 1 sockets"),
        ],
    )
    def test_what_the_manager_cannot_have_meant(
        self, listener: Callable[..., socket.socket], variables: dict[str, str], says: str
    ) -> None:
        found, _ = daemon([listener("one")], **variables)
        assert says in found["error"]
        assert "secsign-gate.socket" in found["error"]

    @pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="systemd-socket-activate is not here")
    def test_systemd_itself_is_understood(self, tmp_path: Path) -> None:
        path = tmp_path / "broker.sock"
        command = ["systemd-socket-activate", f"--listen={path}", "--fdname=broker", sys.executable, "-c", DAEMON]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
            assert started.stderr is not None
            while b"Listening on" not in started.stderr.readline():
                pass
            with socket.socket(socket.AF_UNIX) as door:
                door.connect(str(path))
                found, left = json.loads(started.communicate(timeout=60)[0])
        assert found == {"broker": [3, str(path), False]}
        assert left == []


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(30)
        yield receiver


class TestNotifier:
    def test_assignments_come_in_one_message(self, manager: socket.socket) -> None:
        environ = {"NOTIFY_SOCKET": manager.getsockname(), "HOME": "/"}
        notifier = Notifier(environ)
        assert environ == {"HOME": "/"}  # no child of ours speaks for us
        assert notifier.notify(READY=1, STATUS="3 wait, at 12 ms")
        assert manager.recv(4096) == b"READY=1\nSTATUS=3 wait, at 12 ms"

    def test_a_name_in_the_abstract_namespace(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            name = f"secsign-gate-test-{os.getpid()}"
            receiver.bind(b"\0" + name.encode())
            receiver.settimeout(30)
            assert Notifier({"NOTIFY_SOCKET": f"@{name}"}).notify(STOPPING=1)
            assert receiver.recv(4096) == b"STOPPING=1"

    @given(st.text() | st.text(min_size=100).map(lambda text: 9 * text))
    def test_a_text_is_no_second_assignment(self, text: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind("")  # a name of the kernel's choice
            receiver.settimeout(30)
            name = receiver.getsockname()[1:].decode()
            assert Notifier({"NOTIFY_SOCKET": f"@{name}"}).notify(STATUS=text)
            message = receiver.recv(1 << 16)
            assert message.startswith(b"STATUS=")
            assert len(message) < 4096  # PIPE_BUF, the most that systemd reads
            assert message.decode()[7:].isprintable()

    @pytest.mark.parametrize(
        "address", ["", "notify", "vsock:2:1234", "/nowhere/notify", "/" + 200 * "a", "@" + 200 * "a"]
    )
    def test_nobody_to_tell_is_no_fault(self, address: str) -> None:
        assert not Notifier({"NOTIFY_SOCKET": address}).notify(READY=1)

    def test_a_manager_that_does_not_read_holds_nobody_up(
        self, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service_manager, "_SECONDS", 0.05)
        notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
        while notifier.notify(WATCHDOG=1):
            pass
        assert manager.recv(4096) == b"WATCHDOG=1"
        assert notifier.notify(WATCHDOG=1)

    @pytest.mark.parametrize(
        ("variables", "seconds"),
        [
            ({"WATCHDOG_USEC": "30000000"}, 15.0),
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "me"}, None),
            ({"WATCHDOG_USEC": "0"}, None),
            ({"WATCHDOG_USEC": "soon"}, None),
            ({"WATCHDOG_PID": str(os.getpid())}, None),
            ({}, None),
        ],
    )
    def test_the_watchdog_is_fed_twice_as_often_as_it_bites(
        self, variables: dict[str, str], seconds: float | None
    ) -> None:
        assert Notifier(dict(variables)).watchdog_seconds == seconds


@given(st.dictionaries(st.sampled_from(("LISTEN_PID", "LISTEN_FDS", "WATCHDOG_USEC", "WATCHDOG_PID")), st.text()))
def test_no_variable_is_a_crash(variables: dict[str, str]) -> None:
    Notifier(dict(variables))
    try:
        assert listening_sockets(dict(variables)) == {}
    except ConfigError:
        assert variables["LISTEN_PID"] == str(os.getpid())
