"""What of a log is a record, which records are asked for, and how one looks: by value, and for anything at all."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from audit_sample import LOGIN, RECORD
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.admin.logged_record import MAX_BYTES, LoggedRecord, logged_record
from secsign_gate.admin.moment import Span, moment, record_time
from secsign_gate.admin.record_choice import RecordChoice
from secsign_gate.admin.record_view import record_line
from secsign_gate.broker.audit_record import Event, Record, line_of
from secsign_gate.core.login import Command, LoginShell
from secsign_gate.core.patterns import PatternList
from secsign_gate.core.verdict import Ground, Reason, allow, refuse

LINE = line_of(RECORD).encode()
BERLIN = ZoneInfo("Europe/Berlin")


def logged(record: Record = RECORD, **fields: Any) -> LoggedRecord:
    return LoggedRecord("", json.loads(line_of(record)) | fields)


class TestLine:
    @pytest.mark.parametrize(
        "before",
        [
            b"",
            b"Nov  6 20:19:53 web1 secsign-gate[4711]: ",
            b"2024-05-17T11:30:12.345678+02:00 web1 secsign-gate[1]: ",
            b"2024-05-17T09:30:12Z web1.example.org secsign-gate[1]: ",
        ],
    )
    @pytest.mark.parametrize("end", [b"", b"\n"])
    def test_a_record_is_found_in_a_file_of_records_and_in_a_system_log(self, before: bytes, end: bytes) -> None:
        record = logged_record(before + LINE + end)
        assert record is not None
        assert record.text == LINE.decode()
        assert record.fields["reference"] == "7F3KQ2"

    @pytest.mark.parametrize(
        "line",
        [
            b"Nov  6 20:19:53 web1 sshd[4711]: Invalid user x secsign-gate[1]: " + LINE,
            b"2024-05-17T11:30:12.345678+02:00 web1 sudo: secsign-gate[1]: " + LINE,
            b"Nov  6 20:19:53 web1 secsign-gate-broker[4711]: " + LINE,
            b"Nov  6 20:19:53 web1 kernel: " + b"x" * (2 * MAX_BYTES),
        ],
    )
    def test_what_another_program_wrote_is_none_of_ours_although_it_says_so(self, line: bytes) -> None:
        assert logged_record(line + b"\n") is None

    @pytest.mark.parametrize(
        "line",
        [
            b"",
            LINE[:-1],
            LINE + LINE,
            LINE.replace(b"alice", "älice".encode()),
            LINE.replace(b"alice", b"ali\x7fce"),
            LINE.replace(b"alice", b"ali\x1bce"),
            LINE[:-1] + b',"more":"' + b"x" * MAX_BYTES + b'"}',
            b"[" * 60000,
            b"1" * 6000,
            b"[]",
            b"{}",
            b'{"time":"2024-05-17T09:30:12.345Z"}',
            b'{"time":5,"event":"verdict"}',
            b'{"time":"2024-05-17 09:30","event":"verdict"}',
            b"Nov  6 20:19:53 web1 secsign-gate[4711]: the broker has something to say",
        ],
    )
    def test_what_is_no_whole_record_is_damaged(self, line: bytes) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - whatever it says, it is counted
            logged_record(line)

    @given(st.binary() | st.text().map(str.encode))
    def test_any_line_is_a_record_or_foreign_or_damaged(self, line: bytes) -> None:
        for whole in (line, b"Nov  6 20:19:53 web1 secsign-gate[1]: " + line, LINE[:30] + line, LINE + line):
            try:
                record = logged_record(whole)
            except ValueError:
                continue
            assert record is None or record.text.isprintable()


class TestChoice:
    FIRST = logged()
    DENIED = logged(RECORD._replace(verdict=refuse(Reason.DENIED_ON_PHONE), account="bob", time=RECORD.time + 60))
    GONE = logged(RECORD._replace(verdict=refuse(Reason.CLIENT_LEFT), event=Event.CLIENT_LEFT_BEFORE_HAND_OVER))
    STRANGER = logged(
        RECORD._replace(verdict=refuse(Reason.UNKNOWN_ACCOUNT), account="", login=None, reference="ABCDEF")
    )
    ALL = (FIRST, DENIED, GONE, STRANGER)

    @pytest.mark.parametrize(
        ("choice", "taken"),
        [
            (RecordChoice(), ALL),
            (RecordChoice(accounts=PatternList.parse("a*")), (FIRST, GONE)),
            (RecordChoice(accounts=PatternList.parse("*,!alice")), (DENIED, STRANGER)),
            (RecordChoice(since="2024-05-17T09:30:12.346Z"), (DENIED,)),
            (RecordChoice(since="2024-05-17T09:30:12.345Z"), ALL),
            (RecordChoice(until="2024-05-17T09:30:12.345Z"), (FIRST, GONE, STRANGER)),
            (RecordChoice(until="2024-05-17T09:30:12.344Z"), ()),
            (RecordChoice(verdict="allow"), (FIRST,)),
            (RecordChoice(verdict="refuse"), (DENIED, GONE, STRANGER)),
            (RecordChoice(grounds=("approved",)), (FIRST,)),
            (RecordChoice(reasons=("denied_on_phone", "client_left")), (DENIED, GONE)),
            (RecordChoice(grounds=("approved",), reasons=("unknown_account",)), (FIRST, STRANGER)),
            (RecordChoice(reference="abcdef"), (STRANGER,)),
            (RecordChoice(verdict="refuse", accounts=PatternList.parse("alice")), (GONE,)),
        ],
    )
    def test_by_value(self, choice: RecordChoice, taken: tuple[LoggedRecord, ...]) -> None:
        assert tuple(record for record in self.ALL if choice.takes(record)) == taken

    TIMES = st.floats(min_value=0, max_value=4e9)
    CHOICES = st.builds(
        RecordChoice,
        accounts=st.sampled_from([None, PatternList.parse("a*"), PatternList.parse("*,!bob")]),
        since=st.just("") | TIMES.map(lambda time: record_time(datetime.fromtimestamp(time, UTC))),
        until=st.just("") | TIMES.map(lambda time: record_time(datetime.fromtimestamp(time, UTC))),
        verdict=st.sampled_from(["", "allow", "refuse"]),
        grounds=st.just(()) | st.tuples(st.sampled_from(Ground)).map(lambda one: (one[0].value,)),
        reasons=st.just(()) | st.tuples(st.sampled_from(Reason)).map(lambda one: (one[0].value,)),
        reference=st.sampled_from(["", "7F3KQ2", "7f3kq2", "OTHER"]),
    )
    RECORDS = st.builds(
        lambda time, verdict, account, reference: logged(
            RECORD._replace(time=time, verdict=verdict, account=account, reference=reference)
        ),
        TIMES,
        st.sampled_from([*map(allow, Ground), *map(refuse, Reason), None]),
        st.sampled_from(["", "alice", "bob", "carol"]),
        st.sampled_from(["7F3KQ2", "OTHER"]),
    )

    @given(CHOICES, RECORDS)
    def test_what_is_taken_is_all_that_was_asked_for(self, choice: RecordChoice, record: LoggedRecord) -> None:
        """Each wish alone takes what all of them together take; and no record is kept out without a wish."""
        nothing = RecordChoice()
        why = RecordChoice(grounds=choice.grounds, reasons=choice.reasons)
        alone = [nothing._replace(**{name: getattr(choice, name)}) for name in
                 ("accounts", "since", "until", "verdict", "reference")]  # fmt: skip
        assert choice.takes(record) == all(one.takes(record) for one in (*alone, why))

    @given(TIMES, TIMES)
    def test_times_compare_as_the_clock_does(self, one: float, other: float) -> None:
        first, second = sorted((round(one, 3), round(other, 3)))
        record = logged(RECORD._replace(time=second))
        assert RecordChoice(since=record_time(datetime.fromtimestamp(first, UTC))).takes(record)


class TestMoment:
    NOW = datetime(2024, 5, 17, 22, 30, 12, 345678, tzinfo=UTC)  # half past midnight on the 18th in Berlin

    @pytest.mark.parametrize(
        ("text", "first", "last"),
        [
            ("90s", "2024-05-17T22:28:42.345Z", None),
            ("30m", "2024-05-17T22:00:12.345Z", None),
            ("2h", "2024-05-17T20:30:12.345Z", None),
            ("3d", "2024-05-14T22:30:12.345Z", None),
            ("1w", "2024-05-10T22:30:12.345Z", None),
            ("1h30m", "2024-05-17T21:00:12.345Z", None),
            ("2024-05-17", "2024-05-16T22:00:00.000Z", "2024-05-17T21:59:59.999Z"),
            ("2024-03-31", "2024-03-30T23:00:00.000Z", "2024-03-31T21:59:59.999Z"),  # 23 hours
            ("2024-01-02T03:04", "2024-01-02T02:04:00.000Z", None),  # in winter
            ("2024-05-17 09:30:15", "2024-05-17T07:30:15.000Z", None),
            ("2024-05-17T09:30:12.345Z", "2024-05-17T09:30:12.345Z", None),
            ("2024-05-17T09:30:12+05:30", "2024-05-17T04:00:12.000Z", None),
            ("00:15", "2024-05-17T22:15:00.000Z", None),
            ("00:15:30", "2024-05-17T22:15:30.000Z", None),
        ],
    )
    def test_what_it_means(self, text: str, first: str, last: str | None) -> None:
        span = moment(text, self.NOW, BERLIN)
        assert (record_time(span.first), record_time(span.last)) == (first, last or first)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "yesterday",
            "2024-02-30",
            "25:00",
            "9:30",
            "2h 3",
            "20240517",
            "2024-W20",
            "2024-05-17T",
            "-2h",
            "2H",
            "h",
            "2024-13-01T00:00",
            "999999w",
            "0001-01-01",
            "9999-12-31",
        ],
    )
    def test_what_is_no_moment(self, text: str) -> None:
        with pytest.raises(ValueError, match=re.escape(f"{text!a} is no moment; write a date (2024-05-17), ")):
            moment(text, self.NOW, ZoneInfo("Asia/Tokyo") if text.startswith("0001") else ZoneInfo("America/New_York"))

    @given(st.text() | st.from_regex(r"[0-9TZ:.+ -]*"))
    def test_any_text_is_a_moment_or_refused(self, text: str) -> None:
        try:
            span = moment(text, self.NOW, BERLIN)
        except ValueError:
            return
        assert span.first <= span.last

    @given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - local time
    def test_local_time_is_that_of_the_zone(self, at: datetime) -> None:
        at = at.replace(microsecond=0)
        there = moment(at.isoformat(), self.NOW, BERLIN)
        local = [at.replace(tzinfo=BERLIN, fold=fold).astimezone(UTC) for fold in (0, 1)]
        assert there == Span(min(local), max(local))

    @pytest.mark.parametrize("text", ["2024-10-27 02:30", "2024-10-27T02:30:00"])
    def test_an_hour_that_comes_twice_is_both(self, text: str) -> None:
        there = moment(text, self.NOW, BERLIN)
        assert [record_time(there.first), record_time(there.last)] == [
            "2024-10-27T00:30:00.000Z",
            "2024-10-27T01:30:00.000Z",
        ]


def words(record: LoggedRecord, width: int | None = None) -> list[str]:
    return [cell.text.strip() for cell in record_line(record, width, BERLIN)]


class TestView:
    def test_who_what_when_where_why(self) -> None:
        assert words(logged()) == [
            "2024-05-17 11:30:12", "allow", "alice", "192.0.2.7", "uptime", "approved", "4.2s", "7F3KQ2",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("record", "column", "says"),
        [
            (logged(RECORD._replace(verdict=allow(Ground.EXEMPT_GROUP, "robots"))), 5, "exempt group: robots"),
            (logged(RECORD._replace(verdict=refuse(Reason.DENIED_ON_PHONE, "x"))), 5, "denied on phone"),
            (logged(event="client_left_before_hand_over", verdict="refuse", reason="client_left"), 1, "left"),
            (logged(RECORD._replace(login=LOGIN._replace(wanted=LoginShell()))), 4, "shell"),
            (logged(RECORD._replace(login=LOGIN._replace(restriction=b"/bin/backup"))), 4, "/bin/backup"),
            (logged(RECORD._replace(login=LOGIN._replace(wanted=Command(b"a\nb\x1b[2J")))), 4, r"a\x0ab\x1b[2J"),
            (logged(RECORD._replace(account="", login=None)), 2, "-"),
            (logged(waited_seconds=123.45), 6, "123s"),
            (logged(waited_seconds=1e300), 6, "-"),
            (logged(waited_seconds=float("nan")), 6, "-"),
            (logged(waited_seconds="soon"), 6, "-"),
            (logged(account="al\x1b[31mice\u202e"), 2, r"al\u001b[31mice\u202e"),
            (logged(account=["alice"]), 2, "-"),
            (logged(time="2024-13-17T09:30:12.345Z"), 0, "2024-13-17T09:30:12"),
            (LoggedRecord("", {"time": "2024-05-17T09:30:12.345Z", "event": "something_new"}), 5, "something new"),
        ],
    )  # fmt: skip
    def test_by_value(self, record: LoggedRecord, column: int, says: str) -> None:
        assert words(record)[column] == says

    def test_columns_stand_below_each_other(self) -> None:
        for width in (None, 80, 132):
            rows = [record_line(record, width, BERLIN) for record in (*TestChoice.ALL, logged(waited_seconds=60.0))]
            assert len({tuple(len(cell.text) for cell in row) for row in rows}) == 1

    def test_what_is_too_long_for_the_terminal_is_cut_and_says_so(self) -> None:
        record = logged(RECORD._replace(login=LOGIN._replace(wanted=Command(b"tar c " + b"x" * 500))))
        assert words(record, 120)[4].startswith("tar c xxx")
        assert words(record, 120)[4].endswith("x~")
        assert len(words(record)[4]) == 506

    SHOWN = (
        "event", "verdict", "account", "client_address", "wanted", "command", "restriction", "ground", "reason", "rule",
        "waited_seconds", "reference",
    )  # fmt: skip
    ANY_VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())

    @given(
        st.dictionaries(
            st.sampled_from(SHOWN),
            ANY_VALUE,
        ),
        st.none() | st.integers(min_value=0, max_value=300),
    )
    def test_nothing_reaches_the_terminal_but_printable_ascii_in_one_row(
        self, fields: dict[str, object], width: int | None
    ) -> None:
        line = " ".join(cell.text for cell in record_line(logged(RECORD, **fields), width, BERLIN))
        assert re.fullmatch("[ -~]*", line)
        assert width is None or len(line) <= width
