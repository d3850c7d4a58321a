"""What the doctor prints, and how it ends, for findings of every kind."""

import json
import re
from itertools import product

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.admin.doctor_report import exit_status, report
from secsign_gate.admin.doctor_text import Page, doctor_text, picture, steps_text
from secsign_gate.doctor.finding import Finding, Status, worst, worst_first
from secsign_gate.doctor.station import Examined, Station

PIPE, SCREEN, OLD_SCREEN = Page(None, unicode=True), Page(80, unicode=True), Page(80, unicode=False)
TEXTS = st.text(max_size=200)
FINDINGS = st.builds(Finding, st.sampled_from(Status), TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
EXAMINED = st.lists(
    st.builds(Examined, st.sampled_from(Station), st.lists(FINDINGS, max_size=4).map(tuple)), max_size=5
).map(tuple)


def found(status: Status, station: Station = Station.SSHD, what: str = "it is so", account: str = "") -> Examined:
    return Examined(station, (Finding(status, "tunnel", account, what, "because", "do this", "PermitTunnel no"),))


class TestExitStatus:
    @pytest.mark.parametrize(
        ("status", "station", "expected"),
        [
            *((Status.OPEN, station, 1) for station in Station),
            (Status.BROKEN, Station.SSHD, 78),
            (Status.BROKEN, Station.GATE, 78),
            (Status.BROKEN, Station.PHONE, 78),
            (Status.BROKEN, Station.BROKER, 75),
            (Status.BROKEN, Station.ID_SERVER, 75),
            *((Status.UNKNOWN, station, 75) for station in Station),
            *((good, station, 0) for good in (Status.WEAK, Status.NOTE, Status.CLOSED) for station in Station),
        ],
    )
    def test_of_one_finding(self, status: Status, station: Station, expected: int) -> None:
        assert exit_status([found(status, station)]) == expected

    def test_the_worse_hides_the_lesser_never_the_other_way(self) -> None:
        order = [0, 75, 78, 1]
        cases = [found(status, station) for status in Status for station in Station]
        for one, other in product(cases, cases):
            both = order.index(exit_status([one, other]))
            assert both == max(order.index(exit_status([one])), order.index(exit_status([other])))


class TestJson:
    @given(EXAMINED)
    def test_any_findings_are_one_object_with_the_same_fields(self, examined: tuple[Examined, ...]) -> None:
        read = json.loads(json.dumps(report(examined)))
        assert list(read) == ["schema", "version", "worst", "counts", "stations"]
        assert sum(read["counts"].values()) == sum(len(one.findings) for one in examined)
        for station in read["stations"]:
            assert list(station) == ["station", "worst", "findings"]
            ranks = [Status(finding["status"]).rank for finding in station["findings"]]
            assert ranks == sorted(ranks)
            assert station["worst"] == (station["findings"][0]["status"] if ranks else "closed")


class TestText:
    @given(EXAMINED, st.sampled_from([PIPE, SCREEN, OLD_SCREEN, Page(1, unicode=True)]), st.booleans())
    def test_nothing_that_a_terminal_obeys(self, examined: tuple[Examined, ...], page: Page, everything: bool) -> None:
        for text in (doctor_text(examined, page, everything=everything), steps_text(examined, page)):
            bare = click.unstyle(text)
            assert all(char.isprintable() or char == "\n" for char in bare)
            if not page.unicode:
                assert bare.isascii()

    def test_the_worst_first(self) -> None:
        text = doctor_text([found(status) for status in reversed(Status)], PIPE, everything=True)
        places = [text.index(title) for title in ("OPEN: ", "BROKEN: ", "weak: ", "unknown: ", "worth ", "in order")]
        assert places == sorted(places)

    def test_why_and_what_to_do_and_the_line_to_copy(self) -> None:
        lines = doctor_text([found(Status.OPEN)], SCREEN, everything=False).splitlines()
        shown = [click.unstyle(line).strip() for line in lines]
        assert shown[-4:] == ["sshd: it is so [tunnel]", "why   because", "mend  do this", "PermitTunnel no"]

    def test_what_is_in_order_is_counted_or_listed(self) -> None:
        examined = [found(Status.CLOSED), found(Status.CLOSED, Station.GATE)]
        assert "2 more things are in order" in click.unstyle(doctor_text(examined, PIPE, everything=False))
        assert "gate: it is so" in doctor_text(examined, PIPE, everything=True)

    def test_the_same_of_many_accounts_is_said_once(self) -> None:
        examined = [found(Status.OPEN, account=name) for name in ("a1", "b2", "c3, d4", "e5", "f6")]
        text = click.unstyle(doctor_text(examined, PIPE, everything=False))
        assert text.count("it is so") == 1
        assert "[tunnel; a1, b2, c3, d4 and 2 more]" in text

    @pytest.mark.parametrize("width", [40, 60, 80, 200])
    def test_lines_fit_except_what_is_to_be_copied(self, width: int) -> None:
        long = Examined(
            Station.GATE, (Finding(Status.WEAK, "", "", "word " * 60, "word " * 60, "word " * 60, "x" * 300),)
        )
        for text in (
            doctor_text([long], Page(width, unicode=True), everything=True),
            steps_text([long], Page(width, unicode=True)),
        ):
            widths = [len(line) for line in click.unstyle(text).splitlines() if "x" * 300 not in line]
            assert max(widths) <= width

    def test_the_line_to_copy_is_whole(self) -> None:
        one = Examined(
            Station.GATE, (Finding(Status.OPEN, "", "", "w", line="Match all\n    ForceCommand " + "x " * 90),)
        )
        assert "    ForceCommand " + "x " * 90 in doctor_text([one], Page(40, unicode=True), everything=False)

    def test_a_pipe_gets_each_sentence_in_one_line(self) -> None:
        what = "word " * 100 + "end"
        assert what in doctor_text([found(Status.OPEN, what=what)], PIPE, everything=False)


class TestPicture:
    def test_a_mark_below_each_station(self) -> None:
        above, below = map(click.unstyle, picture([found(Status.OPEN, Station.GATE), found(Status.CLOSED)], SCREEN))
        assert re.sub(r"\W+", " ", above).split() == ["client", "sshd", "gate", "broker", "ID", "server", "phone"]
        assert below.index("OPEN") == above.index("gate")
        assert below.index("ok") == above.index("sshd")
        assert "not asked" in below

    def test_downwards_where_it_is_narrow(self) -> None:
        lines = [click.unstyle(line) for line in picture([found(Status.OPEN, Station.GATE)], Page(40, unicode=True))]
        assert [line.split()[0] for line in lines] == ["client", "sshd", "gate", "broker", "ID", "phone"]
        assert lines[2].split() == ["gate", "OPEN"]

    def test_ascii_where_nothing_else_is_shown(self) -> None:
        assert " --> " in picture([], OLD_SCREEN)[0]


class TestAlike:
    def test_ways_that_one_line_opens_are_one_entry_with_all_that_closes_them(self) -> None:
        one = Finding(Status.OPEN, "local-forwarding", "", "it is on", "because", "write", "A no\nB no")
        other = one._replace(bypass="remote-forwarding", why="too", line="A no\nC no")
        text = doctor_text([Examined(Station.SSHD, (one, other))], PIPE, everything=False)
        assert "sshd: it is on [local-forwarding, remote-forwarding]" in text
        assert text.count("mend") == 1
        assert [text.count(line) for line in ("A no", "B no", "C no")] == [1, 1, 1]

    def test_what_is_mended_alike_is_advised_once(self) -> None:
        one = Finding(Status.OPEN, "shell-startup-files", "alice", "bash reads it", "because", "write", "SetEnv A=")
        text = doctor_text(
            [Examined(Station.SSHD, (one, one._replace(what="zsh reads it", account="zoe")))], PIPE, everything=False
        )
        assert "bash reads it [shell-startup-files; alice]\n  sshd: zsh reads it [shell-startup-files; zoe]\n" in text
        assert text.count("SetEnv A=") == 1

    def test_what_is_true_of_all_and_what_is_true_of_one_stay_apart(self) -> None:
        one = Finding(Status.OPEN, "tunnel", "", "it is on", "because", "write", "A no")
        text = doctor_text([Examined(Station.SSHD, (one, one._replace(account="root")))], PIPE, everything=False)
        assert "it is on [tunnel]" in text
        assert "it is on [tunnel; root]" in text

    @given(EXAMINED)
    def test_no_way_is_left_out(self, examined: tuple[Examined, ...]) -> None:
        text = doctor_text(examined, PIPE, everything=True)
        for one in examined:
            for finding in one.findings:
                assert PIPE.readable(finding.bypass) in text


def test_the_worst_of_nothing_is_closed() -> None:
    assert worst([]) is Status.CLOSED


@given(st.lists(FINDINGS))
def test_sorting_keeps_the_order_among_equals(findings: list[Finding]) -> None:
    ordered = worst_first(findings)
    for status in Status:
        assert [one for one in ordered if one.status is status] == [one for one in findings if one.status is status]
