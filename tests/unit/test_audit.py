"""Verdicts on record: in a real datagram socket, a real stream socket, a real file; and what happens if they fail."""

import json
import os
import re
import resource
import socket
import stat
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.broker.audit import Audit
from secsign_gate.broker.audit_record import MAX_LINE, Certificate, Event, Record, escaped, line_of
from secsign_gate.config import AuditSettings
from secsign_gate.core.login import (
    Account,
    Command,
    Login,
    LoginShell,
    OtherMethod,
    PublicKey,
    SshConnection,
)
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Ground, Reason, Verdict, allow, refuse
from secsign_gate.errors import AuditError

KEY = "SHA256:PEwSdoGta4FL6IHBXTO+GPSvpm0NCzM+EuSLnhFc/VU"
LOGIN = Login(
    door="force_command",
    account=Account("alice", 1000, "/home/alice", "/bin/bash", ("alice",)),
    connection=SshConnection(ip_address("192.0.2.7"), 50022, ip_address("2001:db8::1"), 22),
    methods=(PublicKey("ssh-ed25519", b"blob"), OtherMethod("keyboard-interactive/pam")),
    fingerprints=(KEY,),
    wanted=Command(b"uptime"),
    restriction=None,
    terminal=True,
)
RECORD = Record(
    time=1715938212.345,
    event=Event.VERDICT,
    reference="7F3KQ2",
    verdict=allow(Ground.APPROVED),
    door="force_command",
    account="alice",
    uid=1000,
    login=LOGIN,
    secsign_id=SecSignId("alice"),
    auth_session_id="-5208431176540921877",
    waited=4.2069,
)


def fields(record: Record) -> dict[str, Any]:
    found = json.loads(line_of(record))
    assert isinstance(found, dict)
    return found


class TestFields:
    def test_an_approved_command(self) -> None:
        assert list(fields(RECORD).items()) == [
            ("time", "2024-05-17T09:30:12.345Z"),
            ("event", "verdict"),
            ("reference", "7F3KQ2"),
            ("verdict", "allow"),
            ("ground", "approved"),
            ("door", "force_command"),
            ("account", "alice"),
            ("uid", 1000),
            ("client_address", "192.0.2.7"),
            ("client_port", 50022),
            ("server_address", "2001:db8::1"),
            ("server_port", 22),
            ("methods", ["publickey ssh-ed25519", "keyboard-interactive/pam"]),
            ("fingerprints", [KEY]),
            ("terminal", True),
            ("wanted", "command"),
            ("command", "uptime"),
            ("command_bytes", 6),
            ("secsign_id", "alice"),
            ("auth_session_id", "-5208431176540921877"),
            ("waited_seconds", 4.207),
        ]

    def test_an_exemption_names_its_rule(self) -> None:
        found = fields(RECORD._replace(verdict=allow(Ground.EXEMPT_NETWORK, "192.0.2.0/24"), secsign_id=None))
        assert (found["verdict"], found["ground"], found["rule"]) == ("allow", "exempt_network", "192.0.2.0/24")
        assert "secsign_id" not in found

    def test_a_refusal_has_a_reason_and_no_ground(self) -> None:
        found = fields(RECORD._replace(verdict=refuse(Reason.ID_SERVER_UNREACHABLE, "no route")))
        assert (found["verdict"], found["reason"], found["detail"]) == ("refuse", "id_server_unreachable", "no route")
        assert "ground" not in found

    def test_a_shell_is_not_a_command_called_shell(self) -> None:
        shell = fields(RECORD._replace(login=LOGIN._replace(wanted=LoginShell())))
        assert shell["wanted"] == "shell"
        assert "command" not in shell
        command = fields(RECORD._replace(login=LOGIN._replace(wanted=Command(b"shell"))))
        assert (command["wanted"], command["command"]) == ("command", "shell")

    def test_an_empty_command_is_there_and_empty(self) -> None:
        found = fields(RECORD._replace(login=LOGIN._replace(wanted=Command(b""))))
        assert (found["wanted"], found["command"], found["command_bytes"]) == ("command", "", 0)

    def test_a_restricted_key_and_a_certificate(self) -> None:
        found = fields(
            RECORD._replace(
                login=LOGIN._replace(restriction=b"rrsync /srv"), certificate=Certificate(b"alice\n@ca", 2**64 - 1)
            )
        )
        assert (found["restriction"], found["restriction_bytes"]) == ("rrsync /srv", 11)
        assert (found["certificate_key_id"], found["certificate_serial"]) == ("alice\\x0a@ca", "18446744073709551615")

    def test_a_claim_that_could_not_be_used(self) -> None:
        found = fields(
            RECORD._replace(verdict=refuse(Reason.CLAIM_UNUSABLE), login=None, account="", secsign_id=None)
        )
        assert (found["reason"], found["uid"], found["door"]) == ("claim_unusable", 1000, "force_command")
        assert not found.keys() & {"account", "client_address", "methods", "command", "secsign_id"}

    def test_a_connection_without_a_peer(self) -> None:
        found = fields(RECORD._replace(login=LOGIN._replace(connection=SshConnection(None, 65535, None, 65535))))
        assert "client_address" not in found

    def test_a_client_that_left_after_all(self) -> None:
        found = fields(RECORD._replace(event=Event.CLIENT_LEFT_BEFORE_HAND_OVER, verdict=refuse(Reason.CLIENT_LEFT)))
        assert (found["event"], found["reason"]) == ("client_left_before_hand_over", "client_left")


class TestForeignBytes:
    @pytest.mark.parametrize(
        ("raw", "shown"),
        [
            (b"printf '\xff\n\x1b[31m'", "printf '\\xff\\x0a\\x1b[31m'"),
            (b"a\\x0ab", "a\\x5cx0ab"),  # a backslash that was sent is told from one that we wrote
            ("Grüße".encode(), "Gr\\xc3\\xbc\\xc3\\x9fe"),
            (b'"{}', '"{}'),
            (b"a" * 16, "a" * 16),
            (b"a" * 17, "a" * 13 + "..."),
            (b"a" * 10 + b"\n" * 9, "a" * 10 + "..."),
            (b"a" * 12 + b"\n", "a" * 12 + "\\x0a"),
            (b"\n" * 5, "\\x0a" * 3 + "..."),
        ],
    )
    def test_text_is_escaped_so_that_it_can_be_read_back_and_cut_between_escapes(self, raw: bytes, shown: str) -> None:
        limit = 16 if len(raw) != 13 or b"printf" in raw else 16
        assert escaped(raw, 100 if b"printf" in raw or b"x0ab" in raw or b"\xc3" in raw else limit) == shown

    @given(st.binary(max_size=60), st.integers(3, 80))
    def test_any_text_is_bounded_printable_and_what_is_whole_can_be_read_back(self, raw: bytes, limit: int) -> None:
        shown = escaped(raw, limit)
        assert len(shown) <= limit
        assert shown.isascii()
        assert shown.isprintable()
        back = re.sub(r"\\x(..)", lambda found: chr(int(found[1], 16)), shown).encode("latin-1")
        assert back == raw or (back.endswith(b"...") and raw.startswith(back[:-3]))

    def test_the_full_length_of_a_long_command_is_told(self) -> None:
        found = fields(RECORD._replace(login=LOGIN._replace(wanted=Command(b"x" * 131050))))
        assert (len(found["command"]), found["command_bytes"]) == (1024, 131050)
        assert found["command"].endswith("x...")

    foreign = st.binary(max_size=2000) | st.sampled_from([b'"' * 2000, b"\\" * 2000, b"\xff" * 2000])
    names = st.text(max_size=300) | st.sampled_from(['"' * 300, "\udcff" * 300, "\u2028" * 300])

    @given(st.data())
    def test_no_login_makes_a_line_that_is_too_long_or_not_one_line_of_ascii(self, data: st.DataObject) -> None:
        def name() -> str:
            return data.draw(self.names)

        def foreign() -> bytes:
            return data.draw(self.foreign)

        many = data.draw(st.integers(0, 20))
        login = LOGIN._replace(
            methods=tuple(PublicKey(name(), b"") for _ in range(many)),
            fingerprints=tuple(name() for _ in range(many)),
            wanted=Command(foreign()),
            restriction=foreign(),
        )
        verdict: Verdict = allow(Ground.EXEMPT_COMMAND, name()) if many % 2 else refuse(Reason.ID_SERVER_REFUSED, name())
        certificate = Certificate(foreign(), 2**64 - 1)
        record = RECORD._replace(
            login=login,
            verdict=verdict,
            certificate=certificate,
            reference=name(),
            account=name(),
            door=name(),
            secsign_id=SecSignId(name()),
            auth_session_id=name(),
        )
        line = line_of(record)
        assert len(line) <= MAX_LINE
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line)["command_bytes"] == len(login.wanted.line if isinstance(login.wanted, Command) else b"")

    def test_the_longest_line_of_all_fits(self) -> None:
        worst = '"' * 3000
        login = LOGIN._replace(
            methods=tuple(PublicKey(worst, b"") for _ in range(20)),
            fingerprints=tuple(worst for _ in range(20)),
            wanted=Command(worst.encode()),
            restriction=worst.encode(),
        )
        record = RECORD._replace(
            login=login,
            verdict=refuse(Reason.CANCELED_AT_ID_SERVER, worst),
            certificate=Certificate(worst.encode(), 2**64 - 1),
            reference=worst,
            account=worst,
            door=worst,
            secsign_id=SecSignId(worst),
            auth_session_id=worst,
        )
        assert 5000 < len(line_of(record)) <= MAX_LINE

    def test_the_request_id_has_no_way_in(self) -> None:
        assert not {field for field in Record._fields if "request" in field}


@dataclass
class Log:
    """A system log: the path of its socket, and what came in."""

    path: str
    receive: Callable[[], bytes]


@pytest.fixture
def syslog(tmp_path: Path) -> Iterator[Log]:
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.settimeout(30)
        yield Log(path, lambda: receiver.recv(65536))


class TestSyslog:
    @pytest.mark.parametrize(
        ("verdict", "event", "priority"),
        [
            (allow(Ground.APPROVED), Event.VERDICT, 86),  # authpriv.info
            (refuse(Reason.DENIED_ON_PHONE), Event.VERDICT, 85),  # authpriv.notice
            (refuse(Reason.ID_SERVER_UNREACHABLE), Event.VERDICT, 84),  # authpriv.warning
            (refuse(Reason.CONFIGURATION_ERROR), Event.VERDICT, 84),
            (refuse(Reason.CLIENT_LEFT), Event.CLIENT_LEFT_BEFORE_HAND_OVER, 85),
            (allow(Ground.APPROVED), Event.CLIENT_LEFT_BEFORE_HAND_OVER, 85),
            (None, Event.CLIENT_LEFT_BEFORE_HAND_OVER, 85),
        ],
    )
    def test_a_datagram_of_authpriv_with_the_record(
        self, syslog: Log, verdict: Verdict | None, event: Event, priority: int
    ) -> None:
        record = RECORD._replace(verdict=verdict, event=event)
        Audit(AuditSettings(syslog=True, file=None), dev_log=syslog.path).record(record)
        expected = f"<{priority}>secsign-gate[{os.getpid()}]: {line_of(record)}"
        assert syslog.receive() == expected.encode()

    def test_a_stream_socket_gets_the_record_ended_by_nul(self, tmp_path: Path) -> None:
        path = str(tmp_path / "log")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen()
            Audit(AuditSettings(syslog=True, file=None), dev_log=path).record(RECORD)
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                assert stream.read().endswith(b"]: " + line_of(RECORD).encode() + b"\0")

    def test_no_log_daemon(self, tmp_path: Path) -> None:
        audit = Audit(AuditSettings(syslog=True, file=None), dev_log=str(tmp_path / "log"))
        with pytest.raises(AuditError, match=r"syslog at .*/log \(No such file or directory\); start the system's log"):
            audit.record(RECORD)

    def test_a_log_daemon_that_went_away(self, tmp_path: Path) -> None:
        path = str(tmp_path / "log")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(path)
        with pytest.raises(AuditError, match="Connection refused"):
            Audit(AuditSettings(syslog=True, file=None), dev_log=path).record(RECORD)

    def test_a_log_daemon_that_does_not_read(self, syslog: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("secsign_gate.broker.audit._SECONDS", 0.05)
        audit = Audit(AuditSettings(syslog=True, file=None), dev_log=syslog.path)
        with pytest.raises(AuditError, match=r"syslog at .*\(timed out\)"):
            for _ in range(100_000):
                audit.record(RECORD)

    def test_a_name_that_no_socket_can_have(self, tmp_path: Path) -> None:
        audit = Audit(AuditSettings(syslog=True, file=None), dev_log=str(tmp_path / ("a" * 200)))
        with pytest.raises(AuditError, match="path too long"):
            audit.record(RECORD)


def records_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class TestFile:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "gate.jsonl"

    @pytest.fixture
    def audit(self, path: Path) -> Audit:
        return Audit(AuditSettings(syslog=False, file=str(path)))

    def test_a_line_for_each_record_in_a_file_that_only_its_owner_reads(self, audit: Audit, path: Path) -> None:
        before = os.umask(0)
        try:
            audit.record(RECORD)
            audit.record(RECORD._replace(reference="SECOND"))
        finally:
            os.umask(before)
        assert [found["reference"] for found in records_in(path)] == ["7F3KQ2", "SECOND"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_both_sinks(self, path: Path, syslog: Log) -> None:
        Audit(AuditSettings(syslog=True, file=str(path)), dev_log=syslog.path).record(RECORD)
        assert records_in(path) == [fields(RECORD)]
        assert syslog.receive().endswith(line_of(RECORD).encode())

    def test_one_failing_sink_of_two_is_a_failure(self, path: Path, syslog: Log, tmp_path: Path) -> None:
        with pytest.raises(AuditError, match="syslog"):
            Audit(AuditSettings(syslog=True, file=str(path)), dev_log=str(tmp_path / "none")).record(RECORD)
        path.unlink()
        path.mkdir()
        with pytest.raises(AuditError, match=str(path)):
            Audit(AuditSettings(syslog=True, file=str(path)), dev_log=syslog.path).record(RECORD)

    def test_a_full_disk_is_a_failure_and_the_next_record_is_whole(self, audit: Audit, path: Path) -> None:
        audit.record(RECORD)
        room = path.stat().st_size + 40

        def record_with_little_room() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            for reference in ("CUT", "NONE"):
                audit.record(RECORD._replace(reference=reference))

        assert re.search(r"AuditError: .*gate\.jsonl \(only 40 of \d+ bytes went in\); see to", in_child(record_with_little_room))
        assert "gate.jsonl (File too large)" in in_child(record_with_little_room)
        audit.record(RECORD._replace(reference="AFTER"))
        first, cut, after = path.read_text().splitlines()
        assert json.loads(first)["reference"] == "7F3KQ2"
        assert cut == first[:40].replace("7F3KQ2", "CUT")
        assert json.loads(after)["reference"] == "AFTER"

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        audit = Audit(AuditSettings(syslog=False, file=str(tmp_path / "gone" / "log")))
        with pytest.raises(AuditError, match="No such file or directory.*correct audit.file in the configuration"):
            audit.record(RECORD)

    def test_a_link_is_not_followed(self, audit: Audit, path: Path, tmp_path: Path) -> None:
        (tmp_path / "precious").write_text("precious\n")
        path.symlink_to("precious")
        with pytest.raises(AuditError, match="it is a symbolic link"):
            audit.record(RECORD)
        assert (tmp_path / "precious").read_text() == "precious\n"

    @pytest.mark.parametrize("mode", [0o620, 0o602])
    def test_a_file_that_others_can_write_to_is_no_record(self, audit: Audit, path: Path, mode: int) -> None:
        path.touch()
        path.chmod(mode)
        with pytest.raises(AuditError, match="others may write to it"):
            audit.record(RECORD)
        assert path.read_text() == ""

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_a_foreign_file(self, audit: Audit, path: Path) -> None:
        path.touch()
        os.chown(path, 61234, -1)
        with pytest.raises(AuditError, match="it belongs to uid 61234"):
            audit.record(RECORD)

    def test_a_fifo_holds_nobody_up(self, audit: Audit, path: Path) -> None:
        os.mkfifo(path)
        with pytest.raises(AuditError, match="it is no regular file"):
            audit.record(RECORD)

    def test_a_device(self) -> None:
        with pytest.raises(AuditError, match="/dev/full .it is no regular file"):
            Audit(AuditSettings(syslog=False, file="/dev/full")).record(RECORD)

    def test_no_descriptor_stays_open(self, audit: Audit, path: Path) -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        audit.record(RECORD)
        path.chmod(0o666)
        with pytest.raises(AuditError):
            audit.record(RECORD)
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def in_child(work: Callable[[], None]) -> str:
    """Run `work` in a child, whose limits are its own; return its traceback, or "" if it had none."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        try:
            work()
        except BaseException:  # noqa: BLE001 - the parent judges it; a child must not go on as pytest
            said = traceback.format_exc()
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


class TestDocumentation:
    TEXT = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()

    def documented(self, section: str) -> set[str]:
        rows = self.TEXT.partition(f"## {section}")[2].partition("\n## ")[0]
        return {name for row in re.findall(r"^\|([^|]*)\|", rows, re.M) for name in re.findall(r"`([a-z_]+)`", row)}

    def test_every_field_is_documented_and_no_other(self) -> None:
        full = RECORD._replace(
            login=LOGIN._replace(restriction=b"x"),
            certificate=Certificate(b"x", 1),
            verdict=allow(Ground.EXEMPT_GROUP, "x"),
        )
        refused = full._replace(verdict=refuse(Reason.NO_ANSWER, "x"))
        assert self.documented("Fields") == fields(full).keys() | fields(refused).keys()

    def test_every_reason_ground_and_event_is_documented(self) -> None:
        assert self.documented("Reasons") == {reason.value for reason in Reason}
        assert all(f"`{word.value}`" in self.TEXT for word in [*Ground, *Event])

    def test_the_example_is_a_record(self) -> None:
        found = re.search(r"^secsign-gate\[4711\]: (\{.*\})$", self.TEXT, re.M)
        assert found is not None
        assert json.loads(found[1]).keys() == fields(RECORD).keys()
