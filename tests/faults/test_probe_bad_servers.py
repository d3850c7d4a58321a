"""SSH servers that misbehave: refused, cut off or unproven, never taken for held, and never waited for without end."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import paramiko  # type: ignore[import-untyped]  # it ships no types
import pytest
from probe_servers import HOST_KEY, KEY, KNOWN, PEER_HAS_GONE, SECONDS, ssh_server, wishes

from secsign_gate.probe.fault import HostKeyRefused, LoginRefused, LoginWaits, ProbeError
from secsign_gate.probe.host_keys import HostKeys, read_host_keys
from secsign_gate.probe.identity import Identity
from secsign_gate.probe.login import does_the_gate_ask
from secsign_gate.probe.outcome import Status
from secsign_gate.probe.run import chosen, run
from secsign_gate.probe.session import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secsign_gate.probe.place import Place
    from secsign_gate.probe.situation import Wishes


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The servers of these tests log what they are asked; nobody wants to read it."""
    with caplog.at_level("CRITICAL", logger="paramiko"):
        yield


@pytest.mark.parametrize(
    ("name", "status"), [("global-requests", Status.AGREED), ("two-terminals", Status.GOT_THROUGH)]
)
def test_what_no_sshd_grants_is_found_where_it_is_granted(name: str, status: Status) -> None:
    with ssh_server() as server:
        (result,) = run(wishes(server), chosen([name]), lambda _situation: None)
    assert result.outcome.status is status, result.outcome.what


def test_where_sshd_gives_no_terminal_no_command_is_asked_for() -> None:
    """It counts as an attempt that asks no phone, and sshd goes on to the command where PermitTTY is off."""
    commands: list[bytes] = []
    with ssh_server(pty=False, execute=lambda _channel, command: commands.append(command)) as server:
        (result,) = run(wishes(server), chosen(["two-terminals"]), lambda _situation: None)
    assert (result.outcome.status, commands) == (Status.HELD, [])


AUTH_FAILED: int = paramiko.AUTH_FAILED
WAITING = Identity("a key that waits", paramiko.ECDSAKey.generate())
SEVERAL: dict[str, Callable[[Wishes], Wishes]] = {
    "ungated-account": lambda wishes: wishes._replace(also_users=("bob", "carol")),
    "restricted-key": lambda wishes: wishes._replace(restricted=(KEY, WAITING)),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_a_login_that_waits_does_not_hide_what_another_has_shown(name: str) -> None:
    def wait(key: paramiko.PKey) -> int:
        del key
        threading.Event().wait(SECONDS + 1)
        return AUTH_FAILED

    def key(key: paramiko.PKey) -> int:
        return wait(key) if key.asbytes() == WAITING.key.asbytes() else paramiko.AUTH_SUCCESSFUL

    with ssh_server(key=key, key_of_carol=wait) as server:
        wanted = SEVERAL[name](wishes(server))
        (result,) = run(wanted, chosen([name]), lambda _situation: None)
    assert result.outcome.status is Status.GOT_THROUGH, result.outcome.what


def known_as(place: Place, key: paramiko.PKey, marker: str = "") -> str:
    return f"{marker}{place.known_as} {key.get_name()} {key.get_base64()}\n"


OTHER_KEY = paramiko.ECDSAKey.generate()
REFUSED_KEYS: dict[str, Callable[[Place], HostKeys]] = {
    "and not SHA256:other": lambda _: HostKeys(fingerprints=("SHA256:other",)),
    "known_hosts has no key of": lambda _: HostKeys(),
    "another one than known_hosts has": lambda place: HostKeys((known_as(place, OTHER_KEY),)),
    "is revoked": lambda place: HostKeys((known_as(place, HOST_KEY, "@revoked "),), KNOWN.fingerprints),
}


@pytest.mark.parametrize("why", REFUSED_KEYS)
def test_a_wrong_host_key_is_told_nothing(why: str) -> None:
    with ssh_server() as server:
        keys = REFUSED_KEYS[why](server.place)
        with pytest.raises(HostKeyRefused, match=why):
            does_the_gate_ask(server.place, [KEY], keys, seconds=SECONDS)


def test_a_host_key_of_known_hosts_will_do() -> None:
    with ssh_server() as server:
        keys = HostKeys((known_as(server.place, OTHER_KEY) + known_as(server.place, HOST_KEY),))
        assert does_the_gate_ask(server.place, [KEY], keys, seconds=SECONDS).seen is Seen.RAN


def test_no_key_is_taken() -> None:
    with ssh_server(key=AUTH_FAILED) as server, pytest.raises(LoginRefused, match="does not take a key for"):
        does_the_gate_ask(server.place, [KEY], KNOWN, seconds=SECONDS)


def test_a_login_that_waits_is_not_tried_with_another_key() -> None:
    """A PAM door would ask the phone once more."""
    asked = []

    def wait(key: paramiko.PKey) -> int:
        asked.append(key.fingerprint)
        threading.Event().wait(SECONDS + 1)
        return AUTH_FAILED

    other = Identity("another key", paramiko.ECDSAKey.generate())
    with ssh_server(key=wait) as server, pytest.raises(LoginWaits, match="does not finish the login of alice"):
        does_the_gate_ask(server.place, [KEY, other], KNOWN, seconds=SECONDS)
    assert len(set(asked)) == 1


def test_a_key_is_not_enough() -> None:
    partly = paramiko.AUTH_PARTIALLY_SUCCESSFUL
    with ssh_server(key=partly) as server, pytest.raises(LoginRefused, match="alone; it wants"):
        does_the_gate_ask(server.place, [KEY], KNOWN, seconds=SECONDS)


def test_no_session_is_opened() -> None:
    with ssh_server(channel=paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED) as server:
        heard = does_the_gate_ask(server.place, [KEY], KNOWN, seconds=SECONDS, session_seconds=SECONDS)
    assert heard.seen is Seen.ENDED


def test_it_ends_in_the_middle_of_a_session() -> None:
    def hang_up(channel: paramiko.Channel, command: bytes) -> None:
        del command
        channel.get_transport().sock.close()

    with ssh_server(execute=hang_up) as server:
        heard = does_the_gate_ask(server.place, [KEY], KNOWN, seconds=SECONDS, session_seconds=SECONDS)
    assert heard.seen is Seen.CUT


CUT_OFF = ("shadowed-match", "subsystem", "gate-tampering", "client-environment", "x11-forwarding", "remote-forwarding")


@pytest.mark.parametrize("name", CUT_OFF)
def test_what_was_cut_off_is_not_held(name: str) -> None:
    """That nothing came through means something only as long as there is a connection."""
    with ssh_server(cut=True) as server:
        (result,) = run(wishes(server), chosen([name]), lambda _situation: None)
    assert result.outcome.status is Status.UNKNOWN, result.outcome.what


def test_a_session_that_floods_and_never_ends() -> None:
    def flood(channel: paramiko.Channel, command: bytes) -> None:
        del command

        def pour() -> None:
            with suppress(*PEER_HAS_GONE):
                while True:
                    channel.sendall(b"12345 " * 1000)

        threading.Thread(target=pour, daemon=True).start()

    with ssh_server(execute=flood) as server:
        heard = does_the_gate_ask(server.place, [KEY], KNOWN, seconds=SECONDS, session_seconds=SECONDS)
    assert heard.seen is Seen.SILENT
    assert len(heard.words) < 400


def test_a_fingerprint_is_written_as_ssh_keygen_prints_it() -> None:
    with pytest.raises(ProbeError, match="is no fingerprint"):
        read_host_keys([], ["d4:1d:8c"])


@pytest.mark.parametrize("name", ["shadowed-match", "subsystem", "tunnel", "local-forwarding", "remote-forwarding"])
def test_a_server_that_says_yes_to_everything_and_does_nothing_proves_nothing(name: str) -> None:
    """Its words are not evidence: no attempt takes them for something that came through."""

    def echo(channel: paramiko.Channel, command: bytes) -> None:
        channel.sendall(command)

    with ssh_server(execute=echo) as server:
        (result,) = run(wishes(server), chosen([name]), lambda _situation: None)
    assert result.outcome.status is not Status.GOT_THROUGH, result.outcome.what
