"""Certificates and clocks, by value: what is wrong, in which direction, and from when on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.doctor.certificate import Certificate, certificate_of, what_is_wrong
from secsign_gate.doctor.clock import examine_clock, skew
from secsign_gate.doctor.finding import Status

DAY = 86400.0
NOON = 1_779_969_600.0  # 2026-05-28 12:00 UTC
DATE = "Thu, 28 May 2026 12:00:00 GMT"
GOOD = Certificate(("id.example.org",), "Example CA", NOON - DAY, NOON + 30 * DAY)


class TestCertificate:
    def test_days_that_are_left(self) -> None:
        assert GOOD.days_left(NOON) == 30
        assert GOOD.days_left(NOON + 29 * DAY) == 1
        assert GOOD.days_left(GOOD.not_after + 1) == -1
        assert GOOD.last_day == "2026-06-27"

    @pytest.mark.parametrize(
        ("certificate", "said", "words"),
        [
            (GOOD._replace(not_after=NOON - 3 * DAY), "certificate has expired", "it ended on 2026-05-25, 3 days ago"),
            (GOOD._replace(not_before=NOON + DAY), "not yet valid", "it begins on 2026-05-29 12:00 UTC only"),
            (GOOD, "Hostname mismatch, ...", "it is for id.example.org, not for id.example.com"),
            (GOOD, "IP address mismatch, ...", "it is for id.example.org, not for id.example.com"),
            (GOOD._replace(names=()), "Hostname mismatch", "it is for nobody"),
            (
                GOOD,
                "unable to get local issuer certificate",
                "it is signed by Example CA, whom this host does not trust",
            ),
            (GOOD._replace(issuer=""), "self-signed certificate", "it is signed by nobody"),
        ],
    )
    def test_what_is_wrong(self, certificate: Certificate, said: str, words: str) -> None:
        what, mend = what_is_wrong(certificate, "id.example.com", said, NOON)
        assert words in what
        assert mend

    def test_the_fields_of_the_ssl_module(self) -> None:
        fields: dict[str, object] = {
            "notBefore": "May 27 12:00:00 2026 GMT",
            "notAfter": "Jun 27 12:00:00 2026 GMT",
            "subjectAltName": (("DNS", "id.example.org"),),
            "issuer": ((("organizationName", "Example"),), (("commonName", "Example CA"),)),
        }
        assert certificate_of(fields) == GOOD

    def test_nothing_to_read(self) -> None:
        assert certificate_of({}) is None


class TestSkew:
    @pytest.mark.parametrize("off", [-29, 0, 1, 30])
    def test_clocks_that_agree(self, off: float) -> None:
        assert skew(DATE, NOON + off, "id").status is Status.CLOSED

    @pytest.mark.parametrize(
        ("off", "words"),
        [
            (90, "90 seconds ahead of"),
            (-90, "90 seconds behind"),
            (3600, "60 minutes ahead of"),
            (-7200, "2 hours behind"),
            (3 * DAY, "3 days ahead of"),
        ],
    )
    def test_clocks_that_do_not(self, off: float, words: str) -> None:
        found = skew(DATE, NOON + off, "id")
        assert found.status is Status.WEAK
        assert words in found.what

    @given(st.text())
    def test_a_server_may_say_anything(self, date: str) -> None:
        assert skew(date, NOON, "id").status in (Status.NOTE, Status.WEAK, Status.CLOSED)


def test_the_kernel_says_something_of_its_clock() -> None:
    assert "clock" in examine_clock().what
