"""Servers for the probe: threads that speak SSH by paramiko, or anything else, as a test tells them."""

from __future__ import annotations

import socket
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import paramiko  # type: ignore[import-untyped]  # it ships no types

from secsign_gate.core.public_key import fingerprint
from secsign_gate.probe.host_keys import HostKeys
from secsign_gate.probe.identity import Identity
from secsign_gate.probe.place import Place
from secsign_gate.probe.situation import Wishes

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 2.0  # that the probe waits; nobody measures it
HOST_KEY = paramiko.ECDSAKey.generate()
PEER_HAS_GONE = (OSError, EOFError, paramiko.SSHException)  # what paramiko may raise where the peer has gone
KEY = Identity("a key", paramiko.ECDSAKey.generate())
KNOWN = HostKeys(fingerprints=(fingerprint(HOST_KEY.asbytes()),))


class Server:
    """Does `serve` with every connection, until the test is over."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.place = Place("alice", *self._listening.getsockname())
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                stream, _ = self._listening.accept()
                threading.Thread(target=self._one, args=[stream], daemon=True).start()

    def _one(self, stream: socket.socket) -> None:
        with suppress(*PEER_HAS_GONE), stream:
            self._serve(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()  # else it may take the next one's connections, by the same number of a descriptor
        self._listening.close()


class Rules(paramiko.ServerInterface):  # type: ignore[misc]  # it ships no types
    """A server that grants all that it is asked for, and runs commands; a test takes back what it wants."""

    def __init__(self, **changed: Any) -> None:
        self.changed = changed

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        result = self.changed.get(f"key_of_{username}", self.changed.get("key", paramiko.AUTH_SUCCESSFUL))
        return int(result(key) if callable(result) else result)

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del kind, chanid
        return int(self.changed.get("channel", paramiko.OPEN_SUCCEEDED))

    def attach(self, transport: paramiko.Transport) -> None:
        """Take note of the connection that is to be cut by whatever is asked for after the login."""
        self.transport = transport

    def _cut_off(self) -> bool:
        if self.changed.get("cut"):
            self.transport.sock.close()
        return True

    def check_channel_env_request(self, *_: object) -> bool:
        return self._cut_off()

    check_channel_x11_request = check_channel_env_request

    def check_channel_subsystem_request(self, *_: object) -> bool:
        self._cut_off()
        return False  # it has none

    def check_channel_pty_request(self, *_: object) -> bool:
        return bool(self.changed.get("pty", True))

    def check_port_forward_request(self, address: str, port: int) -> bool:
        del address, port
        return self._cut_off()

    def check_global_request(self, kind: str, msg: object) -> bool:
        del kind, msg
        return self._cut_off()

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._cut_off()
        self.changed.get("execute", execute)(channel, command)
        return True


def execute(channel: paramiko.Channel, command: bytes) -> None:
    def run_it() -> None:
        done = subprocess.run(["/bin/sh", "-c", command], check=False, capture_output=True)
        with suppress(*PEER_HAS_GONE):
            channel.sendall(done.stdout)
            channel.send_exit_status(done.returncode)
            channel.close()

    threading.Thread(target=run_it, daemon=True).start()


def ssh_server(**changed: Any) -> Server:
    """Return a real server of the protocol that does as it is told."""

    def serve(stream: socket.socket) -> None:
        transport = paramiko.Transport(stream)
        transport.add_server_key(HOST_KEY)
        rules = Rules(**changed)
        rules.attach(transport)
        transport.start_server(server=rules)
        transport.join()

    return Server(serve)


def wishes(server: Server) -> Wishes:
    return Wishes(server.place, [KEY], KNOWN, seconds=SECONDS, session_seconds=SECONDS)
