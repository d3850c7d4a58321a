"""`secsign-gate log` as a process: what is read from where, in which order, and what is printed."""

import contextlib
import fcntl
import gzip
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple
from unittest import mock

import pytest
from audit_sample import LOGIN, RECORD
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.admin import record_files
from secsign_gate.admin.record_files import followed_lines
from secsign_gate.broker.audit import Audit
from secsign_gate.broker.audit_record import Record, line_of
from secsign_gate.config import AuditSettings
from secsign_gate.core.login import PamService
from secsign_gate.core.verdict import Reason, refuse

LOG = (sys.executable, "-m", "secsign_gate", "log")
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}


def log(
    *arguments: str,
    program: tuple[str, ...] = LOG,
    env: dict[str, str] = ENVIRONMENT,
    stdin: int | IO[str] | None = None,
    stdout: int = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    command = [*program, *arguments]
    done = subprocess.run(
        command, check=False, timeout=60, env=env, text=True, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE
    )
    assert "Traceback" not in done.stderr
    return done


def references(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["reference"] for line in done.stdout.splitlines()]


def numbered(number: int) -> Record:
    """Return the record of a login that came `number` hours after the first one."""
    return RECORD._replace(reference=f"R{number}", time=RECORD.time + 3600 * number)


def text_of(*numbers: int) -> str:
    return "".join(f"{line_of(numbered(number))}\n" for number in numbers)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gate.jsonl"
    path.write_text(text_of(6, 7, 8))
    return path


class TestPrinting:
    def test_one_line_a_record_for_people(self, path: Path) -> None:
        done = log("--file", str(path), "--limit", "1")
        assert (done.returncode, done.stderr) == (0, "")
        assert " ".join(done.stdout.split()) == "2024-05-17 17:30:12 allow alice 192.0.2.7 uptime approved 4.2s R8"

    def test_of_pam_it_shows_the_service(self, path: Path) -> None:
        services = [
            PamService("sudo", "auth", "pts/3", "", whole_connection=False),
            PamService("sshd", "account", "ssh", "", whole_connection=True),
        ]
        records = [RECORD._replace(door="pam_exec", service=one, login=LOGIN._replace(wanted=one)) for one in services]
        path.write_text("".join(f"{line_of(record)}\n" for record in records))
        shown = [line.split()[5] for line in log("--file", str(path)).stdout.splitlines()]
        assert shown == ["sudo", "connection"]

    def test_times_are_those_of_the_reader(self, path: Path) -> None:
        done = log("--file", str(path), "--limit", "1", env=ENVIRONMENT | {"TZ": "Asia/Tokyo"})
        assert done.stdout.startswith("2024-05-18 02:30:12 ")

    def test_json_is_what_was_written(self, path: Path) -> None:
        assert log("--file", str(path), "--json").stdout == path.read_text()

    def test_the_filters_together(self, path: Path) -> None:
        denied = numbered(9)._replace(verdict=refuse(Reason.DENIED_ON_PHONE), account="bob")
        with path.open("a") as file:
            file.write(line_of(denied) + "\n")
        chosen = ["--verdict=refuse", "--reason=denied_on_phone", "--account=b*", "--since=2024-05-17T16:00"]
        assert references(log("--file", str(path), "--json", *chosen, "--until", "2024-05-17")) == ["R9"]
        assert references(log("--file", str(path), "--json", *chosen, "--ground", "approved", "--account", "a*")) == []
        assert references(log("--file", str(path), "--json", "--reference", "r7")) == ["R7"]
        assert references(log("--file", str(path), "--json", "--limit", "2")) == ["R8", "R9"]

    def test_the_last_ones_of_those_that_are_chosen(self, path: Path) -> None:
        path.write_text("{\n" + text_of(*range(2000)))
        done = log("--file", str(path), "--json", "--limit", "3", "--reference", "R1")
        assert references(done) == ["R1"]
        assert "1 line is no whole record" in done.stderr
        done = log("--file", str(path), "--json", "--limit", "3", "--until", "2024-05-18")
        assert references(done) == ["R36", "R37", "R38"]
        assert done.stderr == ""  # nobody looked at what is before them
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
        assert references(log("--file", f"{path}.gz", "--json", "--limit", "2")) == ["R1998", "R1999"]
        path.write_text("")
        assert references(log("--file", str(path), "--json", "--limit", "2")) == []

    def test_an_age_is_counted_from_now(self, path: Path) -> None:
        with path.open("a") as file:
            file.write(line_of(RECORD._replace(reference="NOW", time=time.time() - 60)) + "\n")
        assert references(log("--file", str(path), "--json", "--since", "1h")) == ["NOW"]

    def test_damaged_lines_are_left_out_and_counted_once(self, path: Path) -> None:
        whole = path.read_text()
        path.write_text(whole[:100] + "\n" + whole + "\x1b]0;owned\x07\n" + "x" * 1_000_000 + "\n" + whole[:300])
        done = log("--file", str(path), "--json")
        assert references(done) == ["R6", "R7", "R8"]
        assert done.stderr == "secsign-gate: 4 lines are no whole records and are left out\n"
        path.write_text(whole + "{")
        assert log("--file", str(path)).stderr == "secsign-gate: 1 line is no whole record and is left out\n"

    def test_colour_is_for_terminals_whose_user_wants_it(self, path: Path) -> None:
        assert "\x1b" not in log("--file", str(path)).stdout
        assert "\x1b[32mallow" in on_terminal(["--file", str(path)], columns=80)
        assert "\x1b" not in on_terminal(["--file", str(path)], columns=80, NO_COLOR="1")

    @pytest.mark.parametrize("columns", [20, 80, 200])
    def test_a_row_is_a_row_of_the_terminal(self, path: Path, columns: int) -> None:
        shown = on_terminal(["--file", str(path)], columns=columns, NO_COLOR="1")
        rows = shown.splitlines()
        assert len(rows) == 3
        assert max(map(len, rows)) <= columns

    def test_a_reader_who_has_seen_enough(self, path: Path) -> None:
        path.write_text(text_of(1) * 20000)
        with subprocess.Popen([*LOG, "--file", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
            assert started.stdout is not None
            assert started.stderr is not None
            started.stdout.readline()
            started.stdout.close()
            assert started.stderr.read() == b""


def on_terminal(arguments: list[str], columns: int, **environment: str) -> str:
    """Run the command on a pseudo-terminal and return what appears there."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    done = log(*arguments, env=ENVIRONMENT | environment, stdin=theirs, stdout=theirs)
    os.close(theirs)
    assert done.returncode == 0
    shown = b""
    with contextlib.suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:  # EIO: all has been read
        while piece := terminal.read(65536):
            shown += piece
    return shown.decode().replace("\r\n", "\n")


class TestSource:
    def test_rotated_files_are_read_as_far_back_as_asked(self, path: Path) -> None:
        Path(f"{path}.1").write_text(text_of(4, 5))
        with gzip.open(f"{path}.2.gz", "wt") as file:
            file.write(text_of(2, 3))
        with gzip.open(f"{path}.10.gz", "wt") as file:
            file.write(text_of(0, 1))
        (path.parent / "gate.jsonl.2.gz.bak").write_text(text_of(99))
        (path.parent / "other.jsonl.1").write_text(text_of(99))
        for since, first in [(None, 6), ("15:40", 7), ("13:31", 5), ("12:00", 3), ("10:00", 1), ("00:00", 0)]:
            asked = [] if since is None else ["--since", f"2024-05-17T{since}"]
            assert references(log("--file", str(path), "--json", *asked)) == [
                f"R{number}" for number in range(first, 9)
            ]

    def test_a_damaged_rotated_file_is_not_touched_unless_it_is_needed(self, path: Path) -> None:
        Path(f"{path}.1").write_text(text_of(4, 5))
        Path(f"{path}.2.gz").write_bytes(gzip.compress(text_of(2, 3).encode() * 100)[:-20])
        assert references(log("--file", str(path), "--json", "--since", "2024-05-17T14:00"))[0] == "R5"
        done = log("--file", str(path), "--json", "--since", "2024-05-17T01:00")
        assert done.returncode == 1
        assert "gate.jsonl.2.gz is no whole gzip file" in done.stderr

    def test_rotated_files_named_by_date(self, path: Path) -> None:
        Path(f"{path}-20240516.gz").write_bytes(gzip.compress(text_of(2, 3).encode()))
        Path(f"{path}-20240517").write_text(text_of(4, 5))
        found = references(log("--file", str(path), "--json", "--since", "2024-05-17"))
        assert found == [f"R{number}" for number in range(2, 9)]

    def test_a_file_that_was_just_rotated_away(self, path: Path) -> None:
        path.rename(f"{path}.1")
        assert references(log("--file", str(path), "--json")) == ["R6", "R7", "R8"]

    def test_standard_input(self, path: Path) -> None:
        with path.open() as file:
            assert references(log("--file", "-", "--json", "--limit", "1", stdin=file)) == ["R8"]

    def test_a_compressed_file(self, path: Path) -> None:
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
        assert references(log("--file", f"{path}.gz", "--json")) == ["R6", "R7", "R8"]

    def test_a_system_log_in_which_others_write(self, path: Path) -> None:
        forged = f"Nov  6 20:19:53 web1 sshd[1]: Invalid user secsign-gate[1]: {line_of(numbered(1))}\n"
        ours = "".join(f"Nov  6 20:19:53 web1 secsign-gate[77]: {line}\n" for line in path.read_text().splitlines())
        path.write_text(forged + ours + forged)
        done = log("--file", str(path), "--json")
        assert references(done) == ["R6", "R7", "R8"]
        assert done.stderr == ""

    def test_the_configuration_says_where(self, path: Path) -> None:
        configuration = path.parent / "gate.toml"
        configuration.write_text(
            f'[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n[audit]\nfile = "{path}"\n'
        )
        configuration.chmod(0o644)
        path.parent.chmod(0o755)
        assert references(log("--config", str(configuration), "--json")) == ["R6", "R7", "R8"]

    @pytest.mark.parametrize(
        ("arguments", "status", "says"),
        [
            (["--file", "/nowhere/gate.jsonl"], 1, "/nowhere: No such file or directory"),
            (["--config", "/nowhere/gate.toml"], 78, "/nowhere/gate.toml"),
            (["--since", "yesterday"], 2, "'yesterday' is no moment"),
            (["--account", "!alice"], 2, "the list matches nobody"),
            (["--reason", "no_reason"], 2, "no_answer"),
            (["--limit", "0"], 2, "--limit"),
            (["--follow", "--until", "2024-05-17"], 2, "leave out --until"),
            (["--follow", "--file", "gate.gz"], 2, "leave out --follow"),
        ],
    )
    def test_what_cannot_be_read_or_meant(self, arguments: list[str], status: int, says: str) -> None:
        done = log(*arguments)
        assert (done.returncode, done.stdout) == (status, "")
        assert says in done.stderr


@contextlib.contextmanager
def following(*arguments: str, program: tuple[str, ...] = LOG) -> Iterator[Iterator[str]]:
    """Start `log --follow --json`; give the references as they are printed. Ctrl-C ends it, and it says so."""
    command = [*program, "--follow", "--json", *arguments]
    with subprocess.Popen(
        command, env=ENVIRONMENT, text=True, bufsize=1, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        try:
            yield (json.loads(line)["reference"] for line in started.stdout)
            started.send_signal(signal.SIGINT)
            assert started.wait(60) == 130
            assert started.stderr.read().endswith("secsign-gate: interrupted\n")
        finally:
            started.kill()


@given(st.lists(st.binary(max_size=12) | st.integers(1, 40).map(lambda size: b"x" * size), max_size=12), st.booleans())
def test_the_lines_are_the_same_from_either_end(parts: list[bytes], ended: bool) -> None:
    content = b"\n".join(parts) + b"\n" * ended
    with tempfile.NamedTemporaryFile() as file, mock.patch.multiple(record_files, _BLOCK=7, _LONGEST=16):
        file.write(content)
        file.seek(0)
        forwards = [line.removesuffix(b"\n") for line in record_files.lines_in(file)]
        assert [*record_files.last_lines(file.name)] == forwards[::-1]


class TestFollow:
    def test_the_last_ten_and_then_what_comes(self, path: Path) -> None:
        path.write_text(text_of(*range(12)))
        with following("--file", str(path)) as found:
            assert [next(found) for _ in range(10)] == [f"R{number}" for number in range(2, 12)]
            Audit(AuditSettings(syslog=False, file=str(path))).record(numbered(12))
            assert next(found) == "R12"

    def test_rotation_loses_nothing_and_repeats_nothing(self, path: Path) -> None:
        audit = Audit(AuditSettings(syslog=False, file=str(path)))
        with following("--file", str(path), "--limit", "1") as found:
            assert next(found) == "R8"
            for turn in (10, 20, 30):
                audit.record(numbered(turn))
                path.rename(f"{path}.{turn}")
                audit.record_all([numbered(turn + 1), numbered(turn + 2)])
                assert [next(found) for _ in range(3)] == [f"R{turn}", f"R{turn + 1}", f"R{turn + 2}"]

    def test_with_since_it_begins_in_the_rotated_files(self, path: Path) -> None:
        Path(f"{path}.1").write_text(text_of(4, 5))
        with following("--file", str(path), "--since", "2024-05-17T14:00") as found:
            assert [next(found) for _ in range(4)] == ["R5", "R6", "R7", "R8"]

    def test_a_file_that_is_not_there_yet_is_waited_for(self, tmp_path: Path) -> None:
        path = tmp_path / "gate.jsonl"
        with following("--file", str(path)) as found:
            Audit(AuditSettings(syslog=False, file=str(path))).record(numbered(1))
            assert next(found) == "R1"


def until_it_waits(lines: Iterator[bytes | None]) -> list[str]:
    found = []
    while (line := next(lines)) is not None:
        found.append(line.decode())
    return found


class TestFollowedLines:
    """Step by step, each look at the file at a moment of the test's choice."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "log"
        path.write_text("a\n")
        return path

    def test_a_line_in_pieces_is_one_line(self, path: Path) -> None:
        lines = followed_lines(str(path), "")
        assert until_it_waits(lines) == ["a\n"]
        for piece in ("b", "c"):
            with path.open("a") as file:
                file.write(piece)
            assert until_it_waits(lines) == []
        with path.open("a") as file:
            file.write("d\ne\n")
        assert until_it_waits(lines) == ["bcd\n", "e\n"]

    def test_a_writer_that_still_holds_the_rotated_file_is_heard_out(self, path: Path) -> None:
        lines = followed_lines(str(path), "")
        assert until_it_waits(lines) == ["a\n"]
        with path.open("a") as late:
            path.rename(f"{path}.1")
            path.touch()
            assert until_it_waits(lines) == []
            late.write("late\n")
        assert until_it_waits(lines) == ["late\n"]
        path.write_text("new\n")
        assert until_it_waits(lines) == ["new\n"]

    def test_a_file_that_disappears_for_a_while(self, path: Path) -> None:
        lines = followed_lines(str(path), "")
        assert until_it_waits(lines) == ["a\n"]
        path.unlink()
        assert until_it_waits(lines) == []
        path.write_text("new\n")
        assert until_it_waits(lines) == ["new\n"]

    def test_a_file_that_is_cut_begins_again(self, path: Path) -> None:
        lines = followed_lines(str(path), "")
        assert until_it_waits(lines) == ["a\n"]
        path.write_text("")  # as logrotate's copytruncate does
        assert until_it_waits(lines) == []
        path.write_text("b\n")
        assert until_it_waits(lines) == ["b\n"]

    def test_a_line_that_never_ends_takes_no_memory(self, path: Path) -> None:
        lines = followed_lines(str(path), "")
        assert until_it_waits(lines) == ["a\n"]
        with path.open("a") as file:
            file.write("x" * 3_000_000)
        assert until_it_waits(lines) == []
        with path.open("a") as file:
            file.write("\nb\n")
        cut, whole = until_it_waits(lines)
        assert len(cut) < 200_000
        assert whole == "b\n"


class Journal(NamedTuple):
    """systemd's journal: its socket, where the test sees it, and how to start a command where the journal is."""

    dev_log: str
    enter: tuple[str, ...]

    def is_in_sync(self) -> bool:
        """Have it write all that it was told. It opens what it is asked by after what it is told by."""
        done = subprocess.run([*self.enter, "journalctl", "--sync"], check=False, capture_output=True)
        return done.returncode == 0

    def log(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        assert self.is_in_sync()
        return log(*arguments, program=(*self.enter, *LOG))


@pytest.mark.skipif(socket.gethostname() != "private-host", reason="a journal is started on the private host only")
class TestJournal:
    @pytest.fixture
    def journal(self) -> Iterator[Journal]:
        """Start systemd's own journal, which wants to see control groups, with a /run of its own."""
        Path("/sys/fs/cgroup").mkdir(parents=True, exist_ok=True)
        start = (
            "mount -t tmpfs tmpfs /run && mkdir -p /run/log/journal /run/systemd/journal && "
            "mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup && exec /lib/systemd/systemd-journald"
        )
        with subprocess.Popen(["unshare", "--mount", "sh", "-c", start]) as journald:
            journal = Journal(
                f"/proc/{journald.pid}/root/run/systemd/journal/dev-log",
                ("nsenter", f"--mount=/proc/{journald.pid}/ns/mnt"),
            )
            try:
                while not (Path(journal.dev_log).exists() and journal.is_in_sync()):
                    assert journald.poll() is None
                    time.sleep(0.01)
                yield journal
            finally:
                journald.terminate()

    def test_what_the_gate_logs_is_found_in_the_journal(self, journal: Journal) -> None:
        audit = Audit(AuditSettings(syslog=True, file=None), dev_log=journal.dev_log)
        now = time.time()
        early, late = (RECORD._replace(reference=name, time=now - age) for name, age in [("A", 1000), ("B", 1)])
        audit.record_all([early, late])
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as somebody:
            somebody.sendto(f"<86>sshd[1]: {line_of(RECORD)}".encode(), journal.dev_log)
            somebody.sendto(b"<86>secsign-gate[1]: -- cursor: no record", journal.dev_log)
        done = journal.log("--json")
        assert done.stdout == f"{line_of(early)}\n{line_of(late)}\n"
        assert done.stderr == "secsign-gate: 1 line is no whole record and is left out\n"
        assert references(journal.log("--json", "--since", "15m")) == ["B"]
        assert references(journal.log("--json", "--until", "30s")) == ["A"]
        assert references(journal.log("--json", "--limit", "1")) == ["B"]
        assert references(journal.log("--json", "--limit", "1", "--until", "30s")) == ["A"]
        with following("--limit", "1", program=(*journal.enter, *LOG)) as found:
            assert next(found) == "B"
            audit.record(RECORD._replace(reference="C", time=now))
            assert next(found) == "C"

    def test_a_journal_without_us_is_followed_from_its_end(self, journal: Journal) -> None:
        assert journal.log().stdout == ""
        with following(program=(*journal.enter, *LOG)) as found:
            Audit(AuditSettings(syslog=True, file=None), dev_log=journal.dev_log).record(RECORD)
            assert next(found) == "7F3KQ2"
