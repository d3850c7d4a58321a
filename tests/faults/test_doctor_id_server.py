"""What the doctor says of an ID server with a fault: which fault, to whom, and what mends it."""

import asyncio
from pathlib import Path

import pytest
from blocking_id_server import PIN_ACCOUNT, PIN_ARGUMENTS, Dialect, settings_for
from loopback_servers import ByScript, ConnectProxy, TlsServer, nobody_listens, nobody_speaks, nobody_takes
from running_simulator import RunningSimulator

from secsign_gate.config import IdServerSettings
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.id_server import IdServerSeen, examine_id_servers
from secsign_gate.doctor.known_id import examine_secsign_ids
from secsign_gate.simulator.certificates import Quality, TlsFiles, prepare

ASKED = SecSignId("alice")
BRIEFLY = 0.3


def seen(settings: IdServerSettings) -> tuple[IdServerSeen, ...]:
    return asyncio.run(examine_id_servers(settings, ASKED))


def worst_of(settings: IdServerSettings) -> Finding:
    """Return what is wrong with the main server, which must be one thing."""
    [server, *_] = seen(settings)
    assert not server.answers
    [wrong] = [finding for finding in server.findings if finding.status not in (Status.CLOSED, Status.NOTE)]
    assert wrong.status is Status.BROKEN
    assert wrong.why
    assert PIN_ACCOUNT.password not in repr(wrong)
    return wrong


class TestInOrder:
    def test_each_step_is_told_and_no_phone_hears_of_it(
        self, settings: IdServerSettings, simulator: RunningSimulator
    ) -> None:
        before = len(simulator.auth_sessions())
        [server] = seen(settings)
        assert server.answers
        assert {finding.status for finding in server.findings} == {Status.CLOSED}
        told = " | ".join(finding.what for finding in server.findings)
        for step in ("takes connections", "good until", f"speaks {settings.dialect}", "clocks"):
            assert step in told
        assert len(simulator.auth_sessions()) == before
        assert {entry["kind"] for entry in simulator.log()} <= {"state"}

    def test_by_way_of_a_proxy(self, settings: IdServerSettings) -> None:
        proxy = ConnectProxy()
        with proxy.running() as url:
            [server] = seen(settings._replace(proxy=url))
        assert server.answers
        assert "the proxy 127.0.0.1" in server.findings[0].what
        assert proxy.heads


class TestNoConnection:
    def test_a_name_that_nobody_knows(self, settings: IdServerSettings) -> None:
        wrong = worst_of(settings._replace(url="https://id.invalid"))
        assert "id.invalid:443 cannot be resolved" in wrong.what
        assert "DNS" in wrong.mend

    def test_nobody_listens(self, settings: IdServerSettings) -> None:
        with nobody_listens() as url:
            assert "Connection refused" in worst_of(settings._replace(url=url)).what

    def test_a_firewall_that_swallows_everything(self, settings: IdServerSettings) -> None:
        with nobody_takes() as url:
            wrong = worst_of(settings._replace(url=url, connect_seconds=BRIEFLY))
        assert "time limit" in wrong.what
        assert "firewalls" in wrong.mend

    def test_a_proxy_that_refuses(self, settings: IdServerSettings) -> None:
        with ConnectProxy(b"HTTP/1.1 403 Forbidden\r\n\r\n").running() as url:
            wrong = worst_of(settings._replace(proxy=url))
        assert "does not lead to" in wrong.what
        assert "403" in wrong.what


class TestTls:
    @pytest.mark.parametrize(
        ("quality", "what", "mend"),
        [
            ("expired", "it ended on 20", "renew it"),
            ("wrong-host", "it is for elsewhere.example.org, not for 127.0.0.1", "url in [id_server]"),
            ("self-signed", "it is signed by localhost, whom this host does not trust", "ca_file"),
        ],
    )
    def test_which_fault_a_certificate_has(self, tmp_path: Path, quality: Quality, what: str, mend: str) -> None:
        with RunningSimulator(tmp_path, "--certificate", quality) as simulator:
            wrong = worst_of(settings_for("form", simulator.url, simulator.ca_file))
        assert what in wrong.what
        assert mend in wrong.mend

    def test_an_authority_that_is_not_ours(self, settings: IdServerSettings, tmp_path: Path) -> None:
        other = prepare(tmp_path, "good", "127.0.0.1")
        wrong = worst_of(settings._replace(ca_file=str(other.ca_file)))
        assert "signed by secsign-gate simulator, whom this host does not trust" in wrong.what

    def test_the_systems_store_where_a_ca_file_is_needed(self, settings: IdServerSettings) -> None:
        assert "ca_file" in worst_of(settings._replace(ca_file=None)).mend

    def test_a_ca_file_without_a_certificate(self, settings: IdServerSettings, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("no certificate\n")
        [server] = seen(settings._replace(ca_file=str(tmp_path / "ca.pem")))
        assert not server.answers
        assert "cannot be used as CA file" in " ".join(finding.what for finding in server.findings)

    def test_a_server_that_does_not_speak(self, settings: IdServerSettings) -> None:
        with nobody_speaks() as (url, _):
            wrong = worst_of(settings._replace(url=url, connect_seconds=BRIEFLY))
        assert "does not speak TLS (time limit)" in wrong.what


class TestConversation:
    @pytest.mark.parametrize("fault", ["captive_portal", "garbage", "gzip", "huge", "cut"])
    def test_what_is_no_answer_of_the_protocol(
        self, simulator: RunningSimulator, settings: IdServerSettings, fault: str
    ) -> None:
        simulator.faults(fault.replace("_", "-"), times=None)
        assert not seen(settings)[0].answers

    @pytest.mark.parametrize("fault", ["empty", "byte_order_mark", "nul", "invalid_utf8"])
    def test_an_answer_with_a_status_and_no_words_is_not_called_good(
        self, simulator: RunningSimulator, settings: IdServerSettings, fault: str
    ) -> None:
        simulator.faults(fault.replace("_", "-"), times=None)
        [server] = seen(settings)
        assert not any("speaks" in finding.what for finding in server.findings)
        assert server.answers == (settings.dialect == "rest")  # whose status 400 says something by itself

    def test_a_redirect(self, simulator: RunningSimulator, settings: IdServerSettings) -> None:
        simulator.faults("redirect", times=None)
        assert "redirects to elsewhere" in worst_of(settings).what

    def test_a_server_in_trouble(self, simulator: RunningSimulator, settings: IdServerSettings) -> None:
        simulator.faults("status", times=None, status=503)
        assert "is in trouble (HTTP status 503)" in worst_of(settings).what

    def test_a_server_that_takes_questions_and_answers_none(
        self, simulator: RunningSimulator, settings: IdServerSettings
    ) -> None:
        simulator.faults("hang", times=None)
        wrong = worst_of(settings._replace(total_seconds=BRIEFLY))
        assert "gave no complete answer (time limit)" in wrong.what

    def test_another_thing_at_the_address(self, settings: IdServerSettings, tls: TlsFiles) -> None:
        page = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope\n"
        with TlsServer(tls.server_file, ByScript(page, page)).running() as url:
            wrong = worst_of(settings._replace(url=url, ca_file=str(tls.ca_file)))
        assert f"does not speak the dialect {settings.dialect} there (HTTP status 404)" in wrong.what

    def test_a_pin_account_that_the_server_does_not_know(self, simulator: RunningSimulator) -> None:
        settings = settings_for("rest", simulator.url, simulator.ca_file)
        wrong = worst_of(settings._replace(pin_account=PIN_ACCOUNT._replace(password="not this")))
        assert "does not accept the PIN account gate (HTTP status 401)" in wrong.what
        assert "pin_account_file" in wrong.mend

    def test_a_clock_that_is_an_hour_off(self, settings: IdServerSettings, tls: TlsFiles) -> None:
        body = b'{"error":400}' if settings.dialect == "rest" else b"error=400"
        status = b"400 Bad Request" if settings.dialect == "rest" else b"200 OK"
        answer = b"HTTP/1.1 %s\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: %d\r\n\r\n%s" % (
            status, len(body), body,
        )  # fmt: skip
        with TlsServer(tls.server_file, ByScript(answer, answer)).running() as url:
            [server] = seen(settings._replace(url=url, ca_file=str(tls.ca_file)))
        assert server.answers
        [off] = [finding for finding in server.findings if finding.status is Status.WEAK]
        assert "days ahead of the ID server's" in off.what


class TestFallback:
    def test_both_are_looked_at(
        self, settings: IdServerSettings, simulator: RunningSimulator, fallback: RunningSimulator
    ) -> None:
        servers = seen(settings._replace(fallback_url=fallback.url))
        assert [(server.url, server.answers) for server in servers] == [(simulator.url, True), (fallback.url, True)]

    def test_one_that_is_down_is_a_weakness_only(self, settings: IdServerSettings) -> None:
        with nobody_listens() as url:
            main, spare = seen(settings._replace(fallback_url=url))
        assert main.answers
        assert not spare.answers
        [wrong] = spare.findings
        assert (wrong.status, wrong.why) == (Status.WEAK, "when the main server is down, there is no other")


def test_rest_at_a_server_without_pin_accounts(tmp_path: Path) -> None:
    with RunningSimulator(tmp_path) as simulator:
        wrong = worst_of(settings_for("rest", simulator.url, simulator.ca_file))
    assert "does not accept the PIN account" in wrong.what


def test_a_strict_server_takes_the_question_for_a_good_one(simulator: RunningSimulator, dialect: Dialect) -> None:
    """It counts parameters and checks formats; what it says is that there is no such auth session."""
    seen(settings_for(dialect, simulator.url, simulator.ca_file))
    assert {entry["kind"] for entry in simulator.log()} == {"state"}


def test_a_fallback_with_a_weakness_still_answers(settings: IdServerSettings, tls: TlsFiles) -> None:
    """Its clock is wrong, which is weak, and so is all that is wrong with a fallback; but it could be asked."""
    body = b'{"error":400}' if settings.dialect == "rest" else b"error=400"
    status = b"400 Bad Request" if settings.dialect == "rest" else b"200 OK"
    answer = b"HTTP/1.1 %s\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: %d\r\n\r\n%s" % (
        status, len(body), body,
    )  # fmt: skip
    with TlsServer(tls.server_file, ByScript(answer, answer)).running() as url:
        _, spare = seen(settings._replace(fallback_url=url, url=url, ca_file=str(tls.ca_file)))
    assert spare.answers
    assert Status.WEAK in {finding.status for finding in spare.findings}


class TestSecSignIds:
    def test_known_and_unknown(self, tmp_path: Path) -> None:
        with RunningSimulator(tmp_path, *PIN_ARGUMENTS, "--id", "alice") as simulator:
            settings = settings_for("rest", simulator.url, simulator.ca_file)
            known, unknown = examine_secsign_ids(settings, (SecSignId("alice"), SecSignId("bob")))
            assert simulator.auth_sessions() == []
        assert (known.status, known.what) == (Status.CLOSED, "the ID server knows the SecSign ID alice")
        assert (unknown.status, unknown.what) == (Status.BROKEN, "the ID server knows no SecSign ID bob")

    def test_the_form_dialect_has_no_such_question(self, simulator: RunningSimulator) -> None:
        assert examine_secsign_ids(settings_for("form", simulator.url, simulator.ca_file), (ASKED,)) == ()

    @pytest.mark.parametrize("fault", ["status", "captive_portal", "empty", "close", "garbage"])
    def test_a_server_that_does_not_say(self, simulator: RunningSimulator, fault: str) -> None:
        simulator.faults(fault.replace("_", "-"), on="exist", times=None)
        try:
            [one] = examine_secsign_ids(settings_for("rest", simulator.url, simulator.ca_file), (ASKED,))
        finally:
            simulator.clear_faults()
        assert (one.status, "does not say" in one.what) == (Status.NOTE, True)

    @pytest.mark.parametrize("value", ['"true"', "1", "null", "[true]", "{}"])
    def test_only_a_truth_value_is_one(self, simulator: RunningSimulator, value: str) -> None:
        simulator.faults("literal", on="exist", times=None, name="exist", value=value)
        try:
            [one] = examine_secsign_ids(settings_for("rest", simulator.url, simulator.ca_file), (ASKED,))
        finally:
            simulator.clear_faults()
        assert one.status is Status.NOTE
