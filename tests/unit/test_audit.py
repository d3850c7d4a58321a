"""Where verdicts are recorded: a real datagram socket, a stream socket, a file; and what happens if they fail."""

import contextlib
import json
import os
import re
import resource
import socket
import stat
import subprocess
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from audit_sample import RECORD

from secsign_gate.broker.audit import Audit
from secsign_gate.broker.audit_record import Event, line_of
from secsign_gate.config import AuditSettings
from secsign_gate.core.verdict import Ground, Reason, Verdict, allow, refuse
from secsign_gate.errors import AuditError


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

    def test_a_log_daemon_that_has_another_ones_place(self, tmp_path: Path) -> None:
        """The one before may be there still; who looks into the log looks at the one that has the place."""
        path = tmp_path / "log"
        with (
            closing(Audit(AuditSettings(syslog=True, file=None), dev_log=str(path))) as audit,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as before,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as now,
        ):
            before.bind(str(path))
            assert audit.record_at_once(RECORD)
            path.unlink()
            now.bind(str(path))
            assert audit.record_at_once(RECORD)
            assert line_of(RECORD).encode() in now.recv(65536)

    def test_a_full_log_takes_nothing_at_once_and_all_that_follows(self, syslog: Log) -> None:
        with closing(Audit(AuditSettings(syslog=True, file=None), dev_log=syslog.path)) as audit:
            taken = 0
            while audit.record_at_once(RECORD):
                taken += 1
            for _ in range(taken):
                assert line_of(RECORD).encode() in syslog.receive()
            assert audit.record_at_once(RECORD)
        assert line_of(RECORD).encode() in syslog.receive()

    def test_a_log_daemon_that_does_not_read(self, syslog: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("secsign_gate.broker.audit._SECONDS", 0.05)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
            others.setblocking(False)
            others.connect(syslog.path)
            with contextlib.suppress(BlockingIOError):
                while True:
                    others.send(b"somebody else's message")
            with pytest.raises(AuditError, match=r"syslog at .*\(timed out\)"):
                Audit(AuditSettings(syslog=True, file=None), dev_log=syslog.path).record(RECORD)

    def test_many_records_come_in_order_each_with_its_severity(self, syslog: Log) -> None:
        records = [
            RECORD._replace(
                reference=f"R{number}", verdict=allow(Ground.APPROVED) if number % 2 else refuse(Reason.EXPIRED)
            )
            for number in range(5)  # more than a socket's queue may hold would wait for the reader
        ]
        Audit(AuditSettings(syslog=True, file=None), dev_log=syslog.path).record_all(records)
        for number, record in enumerate(records):
            priority = 86 if number % 2 else 85
            assert syslog.receive() == f"<{priority}>secsign-gate[{os.getpid()}]: {line_of(record)}".encode()

    def test_many_records_on_one_stream(self, tmp_path: Path) -> None:
        path = str(tmp_path / "log")
        records = [RECORD._replace(reference=f"R{number}") for number in range(20)]
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen(1)
            Audit(AuditSettings(syslog=True, file=None), dev_log=path).record_all(records)
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                *messages, rest = stream.read().split(b"\0")
        assert rest == b""
        assert [message.partition(b": ")[2] for message in messages] == [line_of(one).encode() for one in records]

    def test_a_log_daemon_that_stops_reading_is_a_failure_of_all(
        self, syslog: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("secsign_gate.broker.audit._SECONDS", 0.05)
        longest = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
        with pytest.raises(AuditError, match=r"syslog at .*\(timed out\)"):
            Audit(AuditSettings(syslog=True, file=None), dev_log=syslog.path).record_all([RECORD] * (longest + 2))

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
        assert records_in(path) == [json.loads(line_of(RECORD))]
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

        assert re.search(
            r"AuditError: .*gate\.jsonl \(only 40 of \d+ bytes went in\); see to", in_child(record_with_little_room)
        )
        assert "gate.jsonl (File too large)" in in_child(record_with_little_room)
        audit.record(RECORD._replace(reference="AFTER"))
        first, cut, after = path.read_text().splitlines()
        assert json.loads(first)["reference"] == "7F3KQ2"
        assert cut == first[:40].replace("7F3KQ2", "CUT")
        assert json.loads(after)["reference"] == "AFTER"

    def test_many_records_at_once(self, audit: Audit, path: Path) -> None:
        audit.record(RECORD)
        references = [f"R{number}" for number in range(1000)]
        audit.record_all([RECORD._replace(reference=reference) for reference in references])
        assert [found["reference"] for found in records_in(path)] == ["7F3KQ2", *references]

    def test_no_record_at_all_costs_nothing(self, audit: Audit, path: Path) -> None:
        audit.record_all([])
        assert not path.exists()

    def test_many_records_after_a_line_that_was_cut(self, audit: Audit, path: Path) -> None:
        path.write_text('{"time":"2024-05-17T09:3')
        path.chmod(0o600)
        audit.record_all([RECORD._replace(reference=reference) for reference in ("ONE", "TWO")])
        cut, *whole = path.read_text().splitlines()
        assert cut == '{"time":"2024-05-17T09:3'
        assert [json.loads(line)["reference"] for line in whole] == ["ONE", "TWO"]

    def test_a_disk_that_fills_up_in_the_middle_is_a_failure_of_all(self, audit: Audit, path: Path) -> None:
        records = [RECORD._replace(reference=f"R{number}") for number in range(9)]
        room = 3 * len(line_of(records[0])) + 40

        def record_with_little_room() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            audit.record_all(records)

        said = in_child(record_with_little_room)
        assert re.search(rf"AuditError: .*gate\.jsonl \(only {room} of \d+ bytes went in\); see to", said)
        audit.record(RECORD._replace(reference="AFTER"))
        assert json.loads(path.read_text().splitlines()[-1])["reference"] == "AFTER"

    @pytest.mark.skipif(socket.gethostname() != "private-host", reason="a disk is made on the private host only")
    def test_a_disk_without_room(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], check=True)
        try:
            audit = Audit(AuditSettings(syslog=False, file=f"{disk}/gate.jsonl"))
            with pytest.raises(AuditError, match=r"gate\.jsonl \(only \d+ of \d+ bytes went in\)"):
                audit.record_all([RECORD] * 100)
            with pytest.raises(AuditError, match=r"gate\.jsonl \(No space left on device\)"):
                audit.record_all([RECORD] * 2)
        finally:
            subprocess.run(["umount", disk], check=True)

    def test_a_record_too_long_for_syslog_keeps_all_of_them_out(
        self, audit: Audit, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("secsign_gate.broker.audit.MAX_LINE", len(line_of(RECORD)))
        with pytest.raises(AuditError, match="the audit record LONGER THAN is too long"):
            audit.record_all([RECORD, RECORD._replace(reference="LONGER THAN")])
        assert not path.exists()

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        audit = Audit(AuditSettings(syslog=False, file=str(tmp_path / "gone" / "log")))
        with pytest.raises(AuditError, match=r"No such file or directory.*correct audit.file in the configuration"):
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
        with pytest.raises(AuditError, match=r"/dev/full .it is no regular file"):
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
