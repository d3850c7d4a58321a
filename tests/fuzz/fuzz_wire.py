"""Fuzzes the messages between door and broker: a message or a WireError, and what is read is what was written.

    python tests/fuzz/fuzz_wire.py --seconds 600

Mutates real messages and keeps what got a new outcome. `one(data)` is the target, for any other fuzzer too.
"""

import random

import fuzzing

from secsign_gate import wire
from secsign_gate.doors.ask_broker import answer_in
from secsign_gate.doors.wait_for_broker import take_message
from secsign_gate.errors import WireError

PATH = b"/home/alice/.ssh/authorized_keys"
MESSAGES: tuple[wire.Message, ...] = (
    wire.Ask(
        door="force_command",
        ssh_connection=b"192.0.2.1 50022 192.0.2.2 22",
        auth_info=b"publickey ssh-ed25519 AAAA\n",
        auth_info_time=1,
        auth_info_problem="",
        logname=b"alice",
        command=b"printf '\xff\xfe'",
        terminal=False,
        started_by_key=True,
        restricted_to=b"",
    ),
    wire.FindKeyLines(needles=[b"AAAA", b"BBBB"], paths=[PATH]),
    wire.KeyLines(lines=[(PATH, 3, b"ssh-ed25519 AAAA\xff"), (PATH, 2**32 - 1, b"")], unsafe=[PATH]),
    wire.Progress(
        stage="pushed",
        place=0,
        account="alice",
        host="w\xe9b1",
        secsign_id="alice",
        seconds_left=60,
        wants="a shell",
        phone_text="alice@web1",
        access_pass=b"\x89PNG",
        speak=True,
    ),
    wire.Answer(
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
        motd_files=[b"/etc/motd"],
        last_login=True,
    ),
    wire.Left(why="client_left"),
)
SEEDS = (*(message.encode() for message in MESSAGES), b"".join(message.encode() for message in MESSAGES))
NO_ORDERS = bytes(26)  # how a refusal ends
NUMBERS = (0, 1, 2, 3, 4, 5, 8, 64, 255, 256, 4096, 4097, wire.MAX_FRAME, wire.MAX_FRAME + 1, 2**31, 2**32 - 1)
TOKENS = (
    *(number.to_bytes(4, "big") for number in NUMBERS),
    *(bytes([byte]) for byte in (*range(16), 0x7F, 0x80, 0xC3, 0xED, 0xFF)),
    b"\xed\xa0\x80",  # half of a surrogate pair, which is no UTF-8
    b"\xc0\x80",
)


def one(data: bytes) -> tuple[str, ...]:
    """Read `data` as a stream, as the waiting door does. Return what came of each message; raise for a broken law."""
    received = bytearray(data)
    outcome: list[str] = []
    while True:
        before = len(received)
        try:
            at_once = answer_in(bytes(received))
            message = take_message(received)
        except WireError as error:
            sentence = str(error)
            assert sentence.isprintable()
            assert 10 < len(sentence) < 200
            return (*outcome, sentence)
        if message is None:
            return (*outcome, f"{min(len(received), wire.HEADER)} left")
        taken = data[len(data) - before : len(data) - len(received)]
        assert (at_once is not None) == isinstance(message, wire.Answer)
        if isinstance(message, wire.Answer) and not message.allowed:
            said = message.encode()[wire.HEADER :].removesuffix(NO_ORDERS)
            assert taken[wire.HEADER :].startswith(said)  # another version may have other orders, and none is read
        else:
            assert message.encode() == taken
        assert at_once is None or at_once.encode() == message.encode()
        outcome.append(_shape(message))


def _shape(message: wire.Message) -> str:
    """Return what makes a message another one, without what stands in it."""
    values = (getattr(message, name) for name in message.FIELDS)
    return type(message).__name__ + " ".join("-" if value in (None, b"", "", (), []) else "+" for value in values)


def mutated(chance: random.Random, corpus: list[bytes]) -> bytes:
    """Make another input of the corpus."""
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.randint(1, 4)):
        start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        match chance.randrange(6):
            case 0:
                data[start:start] = chance.choice(TOKENS)
            case 1:
                token = chance.choice(TOKENS)
                data[start : start + len(token)] = token
            case 2:
                data[start : start + 1] = bytes([chance.randrange(256)])
            case 3:
                data[start:start] = data[start:end]
            case 4:
                del data[start : min(end, start + 4)]
            case _:
                data[start:] = chance.choice(corpus)[start:]
    if chance.randrange(4) and len(data) > wire.HEADER:  # mostly keep the frame's own length right: else little is read
        data[: wire.HEADER] = (len(data) - wire.HEADER).to_bytes(wire.HEADER, "big")
    return bytes(data[: 8 * 1024])


def run(seed: int, executions: int | None = None, seconds: float | None = None) -> int:
    """Run until either limit and return the number of executions. An input that breaks a law is printed first."""
    return fuzzing.fuzz(one, SEEDS, mutated, seed=seed, executions=executions, seconds=seconds)


if __name__ == "__main__":
    fuzzing.main(__doc__, {"": run})
