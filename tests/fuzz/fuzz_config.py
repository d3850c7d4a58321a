"""Fuzzes the readers of orders: TOML file, users file, PIN account file, the vendor's mapping. Value or ConfigError.

    python tests/fuzz/fuzz_config.py --seconds 600

Mutates valid files and keeps what got a new outcome. `one(data)` is the target, for any other fuzzer too.
"""

import contextlib
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import fuzzing

from secsign_gate.config import Settings
from secsign_gate.config.pin_account import parse_pin_account
from secsign_gate.config.reader import load_settings, users_file_named_in
from secsign_gate.config.settings import PinAccount
from secsign_gate.core.account_name import check_account
from secsign_gate.directory.users_file import Users, check_fingerprint, load_users, parse_users
from secsign_gate.directory.vendor_import import import_mapping
from secsign_gate.errors import ConfigError

KEY = b"SHA256:PEwSdoGta4FL6IHBXTO+GPSvpm0NCzM+EuSLnhFc/VU"
MAX_INPUT = 16 * 1024
SEEDS = (
    b'[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n',
    b"""users_file = "u"
[id_server]
dialect = "rest"
url = "https://[::1]:8443/a"
fallback_url = "https://b"
ca_file = "input"
pin_account_file = "input"
proxy = "http://p:1"
connect_seconds = 1
total_seconds = 2.5
requests_per_second = 100
""",
    b"""[push]
service_name = "{account}@{host}"
service_address = "{client}"
access_pass = "never"
wait_seconds = 9
[messages]
before = false
after = 1
[audit]
syslog = false
file = '/a'
""",
    b"""[policy]
exempt_accounts = "a,!b,c*"
exempt_groups = "g"
exempt_networks = ["192.0.2.0/24", "2001:db8::/32"]
[[policy.exempt_commands]]
accounts = "a"
command = '''b'''
[[policy.exempt_commands]]
accounts = 1
""",
    b"""[sshd]
authorized_keys_files = ["%h/%u", "/%%"]
authorized_keys_elsewhere = "refuse"
trusted_user_ca_keys = ["/a"]
permit_user_rc = true
subsystems = ["a"]
sftp_server = "/a"
motd_files = []
""",
    b'id_server = {dialect = "form", url = "https://a", x.y.z = [1, {a = 2}]} # c\r\n"a b".c = 1979-05-27T07:32:00Z\n',
    b"# c\nalice\talice\ndeploy bob " + KEY + b" # c\r\nEXAMPLE\\x y\n",
    b"alice:alice\nbob = bob@example.org\n# c\nops\tops\r\n",
    b"gate:open sesame\n",
)
TOKENS = (
    *(b'"""', b"'''", b'"', b"'", b"\\", b"\\u0000", b"#", b"\n", b"\r", b"\r\n", b"\0", b" ", b"\t", b"=", b".", b","),
    *(
        b"[",
        b"]",
        b"[[",
        b"]]",
        b"{",
        b"}",
        b":",
        b"!",
        b"*",
        b"%",
        b"/",
        b"-",
        b"true",
        b"nan",
        b"inf",
        b"0x",
        b"9" * 20,
    ),
    *(b"\xef\xbb\xbf", b"\xff", b"\xc3\xa4", b"\xe2\x80\xae", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\x7f", b"\x85"),
    *(b"id_server.", b"[policy]\n", b"exempt_commands", b"users_file", b"wait_seconds = 60\n", b"~", b"..", b"SHA256:"),
    *(b"[" * 200, b"{a=" * 200, b"a." * 200, b'"a".' * 40, b"192.0.2.1/32", b"::/0", b"https://", b"{account}", KEY),
)


class Target:
    """Feeds a file to every reader, as a file where the reader opens one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "input"

    def one(self, data: bytes) -> tuple[str, ...]:
        """Check the laws and return what came of it. Raises for a broken law only."""
        self.path.write_bytes(data)
        self.path.chmod(0o600)
        name = str(self.path)
        text = data.decode("latin-1")
        return (
            self._try(lambda: load_settings(name), data),
            self._try(lambda: load_users(name), data),
            self._try(lambda: parse_users(name, text), data),
            self._try(lambda: parse_pin_account(name, data), data),
            self._try(lambda: import_mapping(name, data), data),
            str(users_file_named_in(name) is None),
        )

    def _try(self, read: Callable[[], object], data: bytes) -> str:
        try:
            value = read()
        except ConfigError as error:
            self._check_problems(error, data)
            return " ".join(f"{problem.key}:{problem.what[:24]}" for problem in error.problems[:4])
        _check_value(value)
        return type(value).__name__

    def _check_problems(self, error: ConfigError, data: bytes) -> None:
        assert error.problems
        for problem in error.problems:
            sentence = str(problem)
            assert sentence.isprintable(), sentence
            assert len(sentence) < 6000, sentence
            assert problem.what
            assert problem.remedy
            if problem.path == str(self.path):
                assert 0 <= problem.line <= data.count(b"\n") + 1
            if problem.key and problem.line:
                line = data.split(b"\n")[problem.line - 1]
                assert line.strip(), f"{problem} points to an empty line"


def _check_value(value: object) -> None:
    match value:
        case Settings():
            assert value.id_server.url.startswith("https://")
            assert (value.id_server.pin_account is None) == (value.id_server.dialect == "form")
            assert value.audit.syslog or value.audit.file
            assert 5 <= value.push.wait_seconds <= 600
            value.push.service_name.format_map(dict.fromkeys(("account", "host", "client", "command"), ""))
        case Users():
            for (account, fingerprint), secsign_id in value.rules.items():
                check_account(account)
                assert fingerprint is None or check_fingerprint(fingerprint)
                assert secsign_id == secsign_id.lower()
                assert value.secsign_id(account, (fingerprint,) if fingerprint else ()) == secsign_id
        case str():
            assert len(parse_users("imported", value)) == value.count("\n")
        case PinAccount():
            assert value.name
            assert value.password
            assert ":" not in value.name
        case _:
            raise AssertionError(f"a reader returned {value!r}")


@contextlib.contextmanager
def target() -> Iterator[Target]:
    """Yield a target with a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="secsign-gate-fuzz-") as folder:
        yield Target(Path(folder))


def one(data: bytes) -> tuple[str, ...]:
    """Give `data` to every reader once, in a folder of its own."""
    with target() as reading:
        return reading.one(data)


def mutated(chance: random.Random, corpus: list[bytes]) -> bytes:
    """Make another input of the corpus."""
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.randint(1, 4)):
        start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        match chance.randrange(6):
            case 0:
                data[start:start] = chance.choice(TOKENS)
            case 1:
                data[start : min(end, start + 8)] = chance.choice(TOKENS)
            case 2:
                data[start : min(end, start + 3)] = bytes([chance.randrange(256)])
            case 3:
                data[start:start] = data[start:end]
            case 4:
                data += chance.choice(corpus)
            case _:
                del data[start:end]
    return bytes(data[:MAX_INPUT])


def run(seed: int, executions: int | None = None, seconds: float | None = None) -> int:
    """Run until either limit and return the number of executions. An input that breaks a law is printed first."""
    with target() as reading:
        return fuzzing.fuzz(reading.one, SEEDS, mutated, seed=seed, executions=executions, seconds=seconds)


if __name__ == "__main__":
    os.umask(0o077)
    fuzzing.main(__doc__, {"": run})
