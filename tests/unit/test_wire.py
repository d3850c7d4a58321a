"""The messages between door and broker: what goes in comes out, and nothing else does."""

import pytest
from progress_sample import progress

from secsign_gate import wire
from secsign_gate.errors import WireError


def ask(command: bytes | None, auth_info: bytes = b"publickey ssh-ed25519 AAAA\n") -> wire.Ask:
    return wire.Ask(
        door="force_command",
        ssh_connection=b"192.0.2.1 50022 192.0.2.2 22",
        auth_info=auth_info,
        auth_info_time=1,
        auth_info_problem="",
        logname=b"alice",
        command=command,
        terminal=False,
        started_by_key=False,
        restricted_to=None,
    )


ASK = ask(b"printf '\xff\xfe'")
PROGRESS = progress(phone_text="alice@web1", access_pass=b"\x89PNG")
ANSWER = wire.Answer(
    allowed=True,
    why="approved",
    reference="7F3K",
    waited=4,
    account=b"alice",
    home=b"/home/alice",
    login_shell=b"/bin/bash",
    program=[b"/usr/lib/openssh/sftp-server", b"-l"],
    command=b"",
    original_command=b"uptime",
    user_rc=True,
    motd_files=[b"/etc/motd"],
    mail_notice=True,
    last_login=True,
)
MESSAGES: list[wire.Message] = [
    ASK,
    wire.FindKeyLines(needles=[b"AAAA"], paths=[b"/home/alice/.ssh/authorized_keys"]),
    wire.KeyLines(
        lines=[(b"/home/alice/.ssh/authorized_keys", 3, b"ssh-ed25519 AAAA\xff")],
        unsafe=[b"/home/alice/.ssh/authorized_keys"],
    ),
    PROGRESS,
    ANSWER,
    wire.Left(why="client_left"),
]


def fields(message: wire.Message) -> dict[str, object]:
    return {name: getattr(message, name) for name in message.FIELDS}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_arrives_as_it_was_sent(message: wire.Message) -> None:
    frame = message.encode()
    assert wire.frame_length(frame[: wire.HEADER]) == len(frame) - wire.HEADER
    arrived = wire.decode(frame[wire.HEADER :])
    assert type(arrived) is type(message)
    assert fields(arrived) == fields(message)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_truncated_message_is_an_error_at_every_length(message: wire.Message) -> None:
    frame = message.encode()[wire.HEADER :]
    for length in range(len(frame)):
        with pytest.raises(WireError):
            wire.decode(frame[:length])


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_with_something_behind_it_is_an_error(message: wire.Message) -> None:
    with pytest.raises(WireError, match="longer than it says"):
        wire.decode(message.encode()[wire.HEADER :] + b"\0")


def test_an_empty_command_is_not_an_absent_one() -> None:
    for command in (None, b"", b"x"):
        arrived = wire.decode(ask(command).encode()[wire.HEADER :])
        assert isinstance(arrived, wire.Ask)
        assert arrived.command == command


def test_an_unknown_kind_is_an_error() -> None:
    for number in set(range(256)) - {1, 2, 3, 4, 11, 12, 13}:
        with pytest.raises(WireError, match=f"unknown kind {number}"):
            wire.decode(bytes([number]))
    with pytest.raises(WireError, match="empty"):
        wire.decode(b"")


def test_an_oversized_message_is_neither_sent_nor_taken() -> None:
    with pytest.raises(WireError, match="over the limit"):
        ask(b"x" * wire.MAX_FRAME).encode()
    with pytest.raises(WireError, match="announces"):
        wire.frame_length((wire.MAX_FRAME + 1).to_bytes(4, "big"))
    with pytest.raises(WireError, match="announces"):
        wire.frame_length(b"\0\0\0\0")


def test_the_longest_command_that_sshd_accepts_fits() -> None:
    arrived = wire.decode(ask(b"x" * 131_072, b"y" * 65_536).encode()[wire.HEADER :])
    assert isinstance(arrived, wire.Ask)
    assert arrived.command == b"x" * 131_072


def test_a_boolean_is_0_or_1() -> None:
    frame = bytearray(wire.Answer(allowed=False, why="x").encode()[wire.HEADER :])
    for value in range(2, 256):
        frame[1] = value
        with pytest.raises(WireError, match="boolean"):
            wire.decode(bytes(frame))


def test_a_list_cannot_be_absurdly_long() -> None:
    frame = bytes([wire.KeyLines.NUMBER]) + (2**32 - 1).to_bytes(4, "big")
    with pytest.raises(WireError, match="lists"):
        wire.decode(frame)


def test_door_and_broker_of_different_versions_do_not_talk() -> None:
    frame = bytearray(ASK.encode()[wire.HEADER :])
    frame[4] = 99
    with pytest.raises(WireError, match=r"different versions \(99 and \d+\); restart the broker"):
        wire.decode(bytes(frame))


@pytest.mark.parametrize("rest", [b"", bytes(14), bytes(26), b"\xff" * 40], ids=["nothing", "before", "now", "later"])
def test_a_refusal_is_understood_whatever_orders_a_broker_of_another_version_has(rest: bytes) -> None:
    """Version 3 had 14 bytes of orders in each refusal; a door that takes them for a fault cannot say what is wrong."""
    said = wire.Answer(allowed=False, why="broker_unavailable", detail="door and broker differ", reference="7F3K")
    frame = said.encode()[wire.HEADER :].removesuffix(bytes(26)) + rest
    assert fields(wire.decode(frame)) == fields(said)


def test_a_yes_of_a_broker_of_another_version_is_none() -> None:
    frame = ANSWER.encode()[wire.HEADER :]
    beginning = len(wire.Answer(allowed=True, why="approved", reference="7F3K").encode()) - wire.HEADER - 26
    for rest in (b"", bytes(14), b"\xff" * 40):
        with pytest.raises(WireError):
            wire.decode(frame[:beginning] + rest)


def test_text_is_utf_8() -> None:
    frame = bytes([wire.Left.NUMBER]) + (1).to_bytes(4, "big") + b"\xff"
    with pytest.raises(WireError, match="UTF-8"):
        wire.decode(frame)
