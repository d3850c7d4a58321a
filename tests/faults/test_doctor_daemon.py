"""A daemon that says of itself what this version does not: it is one of another version, and no traceback."""

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from secsign_gate.broker.listening import control_path
from secsign_gate.config import Settings, load_settings
from secsign_gate.doctor.daemon_found import daemon_found

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root asks a daemon")
WELL: dict[str, Any] = {"pid": 1, "waiting": [], "pushes": [], "id_servers": [], "configuration_fault": None}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    tmp_path.chmod(0o755)
    for name, text in (
        ("users", "root alice\n"),
        (
            "gate.toml",
            f'[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n[broker]\nsocket = "{tmp_path}/b.sock"\n',
        ),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
    return load_settings(str(tmp_path / "gate.toml"))


def asked_of(settings: Settings, answer: bytes) -> str:
    """Return the state of a daemon whose control socket gives this answer."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(control_path(settings.broker.socket))
        listener.listen()

        def serve() -> None:
            with listener.accept()[0] as stream:
                stream.recv(4096)
                stream.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        found = daemon_found(settings)
        thread.join()
    return found.sentence if found.status is None else "ours"


def line(**changes: object) -> bytes:
    return json.dumps(WELL | changes).encode() + b"\n"


def test_ours(settings: Settings) -> None:
    status = line(configuration=settings.path, loaded_at=2e9)
    assert asked_of(settings, status) == "ours"


@pytest.mark.parametrize(
    "answer",
    [
        b"{}\n",
        line(pid=None),
        line(waiting=None),
        line(waiting=["alice"]),
        line(waiting=[{}]),
        line(pushes={"alice": 1}),
        line(pushes=[{"name": "alice"}]),
        line(id_servers=["https://id.example.org"]),
        line(id_servers=[[["url", "x"]]]),
        line(),
    ],
)
def test_another_version(settings: Settings, answer: bytes) -> None:
    assert asked_of(settings, answer).startswith("of another version")


@pytest.mark.parametrize("answer", [b"", b"\n", b"nonsense\n", b"[]\n", b'{"error": "no"}\n', b"\xff\n"])
def test_no_daemon_at_all(settings: Settings, answer: bytes) -> None:
    assert asked_of(settings, answer).startswith("does not answer")
