"""What can go wrong before an ID server has a request: no create is sent, or it is sent once, and it is known which.

"Row n" is row n of the table of pitfalls, protocol reference 7.
"""

import asyncio
import ssl
import warnings
from pathlib import Path

import pytest
from blocking_id_server import (
    PIN_ARGUMENTS,
    BlockingIdServer,
    Dialect,
    creates,
    fault_at,
    push,
    settings_for,
    state_at,
)
from loopback_servers import ByScript, ConnectProxy, TlsServer, nobody_listens, nobody_speaks, nobody_takes
from running_simulator import RunningSimulator

from secsign_gate.config import IdServerSettings
from secsign_gate.core.auth_session import AuthSessionState
from secsign_gate.errors import IdServerError, IdServerUnreachable
from secsign_gate.id_server.dialects import id_server
from secsign_gate.simulator.certificates import TlsFiles

SOON = 1.5  # seconds; a limit that a good answer keeps on a busy machine


class TestConnecting:
    @pytest.mark.parametrize("quality", ["wrong-host", "expired", "self-signed"])
    def test_row_19_a_bad_certificate_gets_no_request(self, tmp_path: Path, dialect: Dialect, quality: str) -> None:
        with RunningSimulator(tmp_path, "--certificate", quality, *PIN_ARGUMENTS) as simulator:
            fault = fault_at(settings_for(dialect, simulator.url, simulator.ca_file))
            assert not fault.request_may_have_arrived
            assert "certificate" in str(fault)
            assert "ca_file" in str(fault)
            assert simulator.log() == []

    def test_row_19_an_unknown_authority_gets_no_request(self, simulator: RunningSimulator, tls: TlsFiles) -> None:
        before = len(simulator.log())
        for ca_file in (None, str(tls.ca_file)):
            assert "certificate" in str(fault_at(settings_for("form", simulator.url, ca_file)))
        assert len(simulator.log()) == before

    def test_row_19_tls_older_than_1_2_is_none(self, tls: TlsFiles) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old = TlsServer(tls.server_file, ByScript(), highest=ssl.TLSVersion.TLSv1_1)
        with old.running() as url, pytest.raises(IdServerUnreachable, match="TLS"):
            state_at(settings_for("rest", url, str(tls.ca_file)))
        assert old.handshakes == 0

    def test_row_19_plain_http_is_not_even_tried(self) -> None:
        with nobody_speaks() as (url, listening):
            with pytest.raises(IdServerUnreachable, match="https"):
                state_at(settings_for("rest", url.replace("https:", "http:"), None))
            with pytest.raises(BlockingIOError):
                listening.accept()

    def test_plain_http_on_the_port(self, simulator: RunningSimulator, settings: IdServerSettings) -> None:
        fault = fault_at(settings._replace(url=simulator.phone_url.replace("http:", "https:").rstrip("/")))
        assert "TLS" in str(fault)
        assert not fault.request_may_have_arrived

    def test_connection_refused(self, settings: IdServerSettings) -> None:
        with nobody_listens() as url:
            fault = fault_at(settings._replace(url=url))
        assert "Connection refused" in str(fault)
        assert url.removeprefix("https://") in str(fault)
        assert not fault.request_may_have_arrived

    def test_a_name_that_does_not_resolve(self, settings: IdServerSettings) -> None:
        # No label of a host name is longer than 63 octets (RFC 1035), so nobody is asked about this one.
        fault = fault_at(settings._replace(url=f"https://{'a' * 64}.example"))
        assert "resolved" in str(fault)
        assert not fault.request_may_have_arrived

    def test_connection_refused_at_every_address_of_a_name(self, settings: IdServerSettings) -> None:
        with nobody_listens() as url:
            fault = fault_at(settings._replace(url=url.replace("127.0.0.1", "localhost")))
        assert "Connection refused" in str(fault)
        assert not fault.request_may_have_arrived

    def test_row_14_a_host_that_drops_everything(self, settings: IdServerSettings) -> None:
        with nobody_takes() as url:
            fault = fault_at(settings._replace(url=url, connect_seconds=0.3))
        assert "time limit" in str(fault)
        assert "no connection" in str(fault)
        assert not fault.request_may_have_arrived

    def test_row_14_a_server_that_accepts_and_says_nothing(self, settings: IdServerSettings) -> None:
        with nobody_speaks() as (url, _):
            fault = fault_at(settings._replace(url=url, connect_seconds=0.3))
        assert "time limit" in str(fault)
        assert not fault.request_may_have_arrived

    @pytest.mark.parametrize("content", [None, b"", b"no certificate"])
    def test_a_ca_file_that_is_none(self, settings: IdServerSettings, tmp_path: Path, content: bytes | None) -> None:
        ca_file = tmp_path / "ca.pem"
        if content is not None:
            ca_file.write_bytes(content)
        fault = fault_at(settings._replace(ca_file=str(ca_file)))
        assert str(ca_file) in str(fault)
        assert "correct ca_file" in str(fault)

    def test_closing_twice_and_going_on_is_fine(self, settings: IdServerSettings, user: str) -> None:
        async def close_often() -> None:
            server = id_server(settings)
            await server.aclose()
            ours = await server.open(push(user))
            await server.aclose()
            assert (await server.state_of(ours)).state == AuthSessionState.PENDING
            await server.aclose()
            await server.aclose()

        asyncio.run(close_often())


class TestFallback:
    """Row 20: only for a create that certainly was not sent; follow-ups go to the server that answered."""

    def test_takes_over_when_nobody_listens(
        self, fallback: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        with nobody_listens() as url:
            chosen = settings._replace(url=url, fallback_url=fallback.url)
            with BlockingIdServer(chosen) as server:
                ours = server.open(push(user))
                assert ours.server_url == fallback.url
                fallback.accept(user)
                assert server.state_of(ours).state == AuthSessionState.AUTHENTICATED
                server.release(ours)

    def test_takes_over_when_the_main_server_is_silent_or_somebody_else(
        self, fallback: RunningSimulator, settings: IdServerSettings, user: str, tmp_path: Path
    ) -> None:
        with nobody_speaks() as (url, _):
            chosen = settings._replace(url=url, fallback_url=fallback.url, connect_seconds=SOON)
            with BlockingIdServer(chosen) as server:
                assert server.open(push(user)).server_url == fallback.url
        with RunningSimulator(tmp_path, "--certificate", "self-signed", *PIN_ARGUMENTS) as stranger:
            chosen = settings._replace(url=stranger.url, fallback_url=fallback.url)
            with BlockingIdServer(chosen) as server:
                assert server.open(push(f"{user}again")).server_url == fallback.url
            assert stranger.log() == []

    def test_what_never_leaves_holds_no_place_among_those_that_may_leave_a_second(
        self, fallback: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        async def one_is_cancelled_and_one_finds_no_connection() -> None:
            with nobody_speaks() as (url, listening):
                server = id_server(
                    settings._replace(url=url, fallback_url=fallback.url, connect_seconds=SOON, requests_per_second=1)
                )
                try:
                    cancelled = asyncio.create_task(server.open(push(f"{user}gone")))
                    connecting, _ = await asyncio.get_running_loop().sock_accept(listening)
                    with connecting:
                        await asyncio.get_running_loop().sock_recv(connecting, 1)  # TLS has begun
                        cancelled.cancel()
                        await asyncio.wait([cancelled])
                    assert (await server.open(push(user))).server_url == fallback.url
                finally:
                    await server.aclose()

        asyncio.run(one_is_cancelled_and_one_finds_no_connection())
        assert creates(fallback, f"{user}gone") == 0

    @pytest.mark.parametrize(
        "fault", ["hang", "close", "reset", "cut", "garbage", "huge", "error", "redirect", "empty", "frozen"]
    )
    def test_is_not_asked_after_the_main_server_may_have_been(
        self,
        simulator: RunningSimulator,
        fallback: RunningSimulator,
        settings: IdServerSettings,
        user: str,
        fault: str,
    ) -> None:
        simulator.faults(fault, on="create")
        limit = SOON if fault == "hang" else settings.total_seconds
        chosen = settings._replace(fallback_url=fallback.url, total_seconds=limit)
        with BlockingIdServer(chosen) as server, pytest.raises(IdServerError):
            server.open(push(user))
        assert (creates(simulator, user), creates(fallback, user)) == (1, 0)

    def test_is_not_asked_about_a_state(
        self, simulator: RunningSimulator, fallback: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        with BlockingIdServer(settings._replace(fallback_url=fallback.url)) as server:
            ours = server.open(push(user))
            assert ours.server_url == simulator.url
            before = len(fallback.log())
            with nobody_listens() as url, pytest.raises(IdServerUnreachable):
                server.state_of(ours._replace(server_url=url))
            assert len(fallback.log()) == before

    def test_when_neither_answers_the_sentence_names_both(self, settings: IdServerSettings) -> None:
        with nobody_listens() as main, nobody_listens() as second:
            sentence = str(fault_at(settings._replace(url=main, fallback_url=second)))
        assert main.removeprefix("https://") in sentence
        assert second.removeprefix("https://") in sentence


class TestProxy:
    def test_is_used_when_configured_and_sees_no_more_than_the_address(
        self, simulator: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        proxy = ConnectProxy()
        with proxy.running() as url, BlockingIdServer(settings._replace(proxy=url)) as server:
            ours = server.open(push(user))
            assert server.state_of(ours).state == AuthSessionState.PENDING
        [head] = proxy.heads
        address = simulator.url.removeprefix("https://").encode()
        assert head.splitlines()[0] == b"CONNECT " + address + b" HTTP/1.1"
        assert b"authorization" not in head.lower()

    @pytest.mark.parametrize(
        ("refusal", "word"),
        [
            (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "403 Forbidden"),
            (b"", "time limit"),
            (b"SSH-2.0-x\r\n\r\n", "proxy"),
            (b"HTTP/1.1 200 OK\r\n\r\nx", "what nobody asked for"),
            (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "what nobody asked for"),
        ],
    )
    def test_that_does_not_connect(
        self, simulator: RunningSimulator, settings: IdServerSettings, user: str, refusal: bytes, word: str
    ) -> None:
        with ConnectProxy(refusal).running() as url:
            fault = fault_at(settings._replace(proxy=url, total_seconds=15 if refusal else 0.3), user)
        assert word in str(fault)
        assert url.removeprefix("http://") in str(fault)
        assert not fault.request_may_have_arrived
        assert creates(simulator, user) == 0

    def test_that_is_down(self, settings: IdServerSettings) -> None:
        with nobody_listens() as url:
            fault = fault_at(settings._replace(proxy=url.replace("https", "http")))
        assert "proxy" in str(fault)
        assert not fault.request_may_have_arrived

    def test_does_not_weaken_the_check_of_the_certificate(self, settings: IdServerSettings, tls: TlsFiles) -> None:
        with ConnectProxy().running() as url:
            fault = fault_at(settings._replace(proxy=url, ca_file=str(tls.ca_file)))
        assert "certificate" in str(fault)
        assert not fault.request_may_have_arrived

    def test_a_create_through_it_is_sent_once_whatever_happens(
        self, simulator: RunningSimulator, fallback: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        with ConnectProxy().running() as url:
            chosen = settings._replace(proxy=url, fallback_url=fallback.url, total_seconds=SOON)
            with BlockingIdServer(chosen) as server:
                for number, fault in enumerate(("close", "reset", "garbage", "hang")):
                    simulator.faults(fault, on="create")
                    with pytest.raises(IdServerUnreachable) as caught:
                        server.open(push(f"{user}.{number}"))
                    assert caught.value.request_may_have_arrived
                    assert creates(simulator, f"{user}.{number}") == 1
                    assert creates(fallback, f"{user}.{number}") == 0


class TestEnvironment:
    """Row 18: whoever logs in owns the environment, so nothing is taken from it."""

    def test_proxies_are_not(self, settings: IdServerSettings, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
        proxy = ConnectProxy()
        with proxy.running() as url:
            for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"):
                monkeypatch.setenv(name, url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            with BlockingIdServer(settings) as server:
                server.open(push(user))
        assert proxy.heads == []

    def test_trust_is_not(
        self, simulator: RunningSimulator, settings: IdServerSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, simulator.ca_file)
        monkeypatch.setenv("SSL_CERT_DIR", str(Path(simulator.ca_file).parent))
        assert "certificate" in str(fault_at(settings._replace(ca_file=None)))

    def test_credentials_and_key_logs_are_not(
        self,
        simulator: RunningSimulator,
        user: str,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        netrc, keys = tmp_path / "netrc", tmp_path / "keys"
        netrc.write_text("default login mallory password opensesame\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
        with BlockingIdServer(settings_for("form", simulator.url, simulator.ca_file)) as server:
            server.open(push(user))
        assert "authorization" not in simulator.log("create")[-1]["headers"]
        assert not keys.exists()
