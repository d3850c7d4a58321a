"""What can go wrong on the way to an ID server: every fault ends in one sentence, in time, and no create goes twice.

"Row n" is row n of the table of pitfalls, protocol reference 7.
"""

import asyncio
import base64
import itertools
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from blocking_id_server import PIN_ACCOUNT, PIN_ARGUMENTS, BlockingIdServer, push, settings_for
from loopback_servers import ByScript, ConnectProxy, TlsServer, nobody_listens, nobody_speaks
from running_simulator import RunningSimulator

from secsign_gate.config import IdServerSettings
from secsign_gate.core.auth_session import AuthSession, AuthSessionState
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.errors import IdServerError, IdServerRefused, IdServerUnreachable
from secsign_gate.id_server.dialects import id_server
from secsign_gate.simulator.certificates import TlsFiles, prepare

Dialect = Literal["form", "rest"]
SECRETS = (PIN_ACCOUNT.password, base64.b64encode(":".join(PIN_ACCOUNT).encode()).decode())
PENDING = b'{"authsessionstate":1}'
ACCEPTED = b'{"authsessionstate":3}'
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with RunningSimulator(tmp_path_factory.mktemp("simulator"), *PIN_ARGUMENTS) as running:
        yield running


@pytest.fixture(scope="module")
def fallback(tmp_path_factory: pytest.TempPathFactory, simulator: RunningSimulator) -> Iterator[RunningSimulator]:
    """A second ID server, with a certificate of the same authority."""
    folder = tmp_path_factory.mktemp("fallback")
    for name in ("ca.pem", "ca-key.pem"):
        (folder / name).write_bytes(Path(simulator.ca_file).with_name(name).read_bytes())
    with RunningSimulator(folder, *PIN_ARGUMENTS) as running:
        yield running


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return prepare(tmp_path_factory.mktemp("tls"), "good", "127.0.0.1")


@pytest.fixture(params=["form", "rest"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    chosen: Dialect = request.param
    return chosen


@pytest.fixture
def settings(simulator: RunningSimulator, dialect: Dialect) -> Iterator[IdServerSettings]:
    yield settings_for(dialect, simulator.url, simulator.ca_file)
    simulator.clear_faults()


@pytest.fixture
def user() -> str:
    """A SecSign ID that no other test uses."""
    return f"alice{next(_numbers)}"


def fault_of(error: IdServerUnreachable, *more_secrets: str | None) -> str:
    """The sentence, after a look for secrets in it and in all that led to it."""
    told: BaseException | None = error
    while told is not None:
        assert not any(secret in f"{told} {told!r}" for secret in (*SECRETS, *more_secrets) if secret)
        told = told.__cause__ or told.__context__
    sentence = str(error)
    assert sentence.isprintable()
    return sentence


def fault_at(settings: IdServerSettings, user: str = "alice") -> IdServerUnreachable:
    """The fault that a create meets."""
    with BlockingIdServer(settings) as server, pytest.raises(IdServerUnreachable) as caught:
        server.open(push(user))
    assert fault_of(caught.value)
    return caught.value


def creates(simulator: RunningSimulator, user: str) -> int:
    return sum(entry["parameters"].get("secsignid") == user for entry in simulator.log("create"))


def state_at(settings: IdServerSettings, auth_session_id: str = "7") -> Any:
    with BlockingIdServer(settings) as server:
        return server.state_of(rest_session(settings.url, auth_session_id))


def rest_session(url: str, auth_session_id: str = "7") -> AuthSession:
    return AuthSession(auth_session_id, SecSignId("alice"), None, url, None)


def http(body: bytes, *headers: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    lines = (*headers, b"Content-Length: %d" % (len(body) if length is None else length))
    return b"\r\n".join((b"HTTP/1.1 " + status, *lines, b"", body))


Options = dict[str, Any]
TOO_SLOW: list[tuple[str, Options]] = [
    ("hang", {}),
    ("drip", {"milliseconds": 50}),
    ("late", {"milliseconds": 5000}),
]
BROKEN: list[tuple[str, Options]] = [
    ("close", {}),
    ("reset", {}),
    ("cut", {}),
    ("cut", {"missing": 1}),
    ("wrong-length", {}),
    ("wrong-length", {"content_length": 0}),
    ("bad-chunk", {}),
    ("garbage", {}),
    ("huge", {}),
    ("huge-header", {}),
    ("gzip", {}),
]
SOON = 1.5  # seconds; a limit that a good answer keeps on a busy machine


class TestFaultsOfTheAnswer:
    @pytest.mark.parametrize(("fault", "options"), BROKEN)
    @pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
    def test_rows_13_15_26_a_create_fails_and_was_sent_once(  # noqa: PLR0917 - pytest passes by name
        self,
        simulator: RunningSimulator,
        settings: IdServerSettings,
        user: str,
        fault: str,
        options: Options,
        warm: bool,
    ) -> None:
        with BlockingIdServer(settings) as server:
            if warm:
                server.open(push(f"{user}warm"))
            simulator.faults(fault, on="create", **options)
            with pytest.raises(IdServerUnreachable) as caught:
                server.open(push(user))
            assert caught.value.request_may_have_arrived
            assert settings.url.removeprefix("https://") in fault_of(caught.value)
            assert creates(simulator, user) == 1
            assert server.open(push(f"{user}next")).secsign_id == f"{user}next"
        assert creates(simulator, user) == 1

    @pytest.mark.parametrize(("fault", "options"), TOO_SLOW)
    def test_rows_14_26_a_create_fails_in_time_and_was_sent_once(
        self, simulator: RunningSimulator, settings: IdServerSettings, user: str, fault: str, options: Options
    ) -> None:
        simulator.faults(fault, on="create", **options)
        failed = fault_at(settings._replace(total_seconds=SOON), user)
        assert failed.request_may_have_arrived
        assert "time limit" in str(failed)
        assert creates(simulator, user) == 1

    @pytest.mark.parametrize(("fault", "options"), BROKEN + TOO_SLOW)
    def test_a_look_fails_alone_and_the_next_one_works(
        self, simulator: RunningSimulator, settings: IdServerSettings, user: str, fault: str, options: Options
    ) -> None:
        limit = SOON if (fault, options) in TOO_SLOW else settings.total_seconds
        with BlockingIdServer(settings._replace(total_seconds=limit)) as server:
            ours = server.open(push(user))
            simulator.accept(user)
            simulator.faults(fault, on="state", **options)
            before = len(simulator.log("state"))
            with pytest.raises(IdServerUnreachable) as caught:
                server.state_of(ours)
            assert fault_of(caught.value, ours.request_id)
            assert len(simulator.log("state")) == before + 1
            assert server.state_of(ours).state == AuthSessionState.AUTHENTICATED

    def test_late_but_in_time_is_fine(self, simulator: RunningSimulator, settings: IdServerSettings, user: str) -> None:
        simulator.faults("late", on="create", milliseconds=300)
        with BlockingIdServer(settings) as server:
            assert server.open(push(user)).secsign_id == user

    def test_an_open_that_is_cancelled_leaves_nothing_behind(
        self, simulator: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        async def leave_while_waiting() -> None:
            server = id_server(settings)
            simulator.faults("hang", on="create")
            opening = asyncio.create_task(server.open(push(user)))
            await asyncio.to_thread(simulator.wait_for, user)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            assert (await server.open(push(f"{user}next"))).secsign_id == f"{user}next"
            await server.aclose()
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(leave_while_waiting())
        assert creates(simulator, user) == 1

    def test_many_at_once_get_their_own_answers(self, settings: IdServerSettings, user: str) -> None:
        async def all_at_once() -> None:
            server = id_server(settings)
            users = [f"{user}.{number}" for number in range(20)]
            opened = await asyncio.gather(*(server.open(push(one)) for one in users))
            assert [one.secsign_id for one in opened] == users
            reports = await asyncio.gather(*(server.state_of(one) for one in opened))
            assert [report.auth_session_id for report in reports] == [one.id for one in opened]
            await server.aclose()

        asyncio.run(all_at_once())


class TestAnswersThatEndElsewhere:
    """What follows an answer must never pass for the answer to the next request (row 15)."""

    @pytest.mark.parametrize(
        "answer",
        [
            http(PENDING) + http(ACCEPTED),
            http(PENDING) + b"\r\n",
            http(PENDING + b"3", length=len(PENDING)),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n16\r\n"
            + PENDING
            + b"\r\n0\r\n\r\n"
            + http(ACCEPTED),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n16\r\n" + PENDING + b"\r\n0\r\nx: y\r\n\r\n",
            http(b"", status=b"503 Service Unavailable") + http(ACCEPTED),
        ],
    )
    def test_more_than_one_answer_is_none(self, tls: TlsFiles, answer: bytes) -> None:
        script = ByScript(answer, answer)
        server = TlsServer(tls.server_file, script)
        with server.running() as url, BlockingIdServer(settings_for("rest", url, str(tls.ca_file))) as client:
            for _ in range(2):
                with pytest.raises(IdServerUnreachable, match="one complete answer"):
                    client.state_of(rest_session(url))
            assert server.handshakes == 2

    def test_more_in_a_record_of_its_own_is_noticed_too(self, tls: TlsFiles) -> None:
        def two_records(conversation: ssl.SSLSocket) -> None:
            while conversation.recv(65536):
                conversation.sendall(http(PENDING))
                conversation.sendall(http(ACCEPTED))

        with (
            TlsServer(tls.server_file, two_records).running() as url,
            BlockingIdServer(settings_for("rest", url, str(tls.ca_file))) as client,
        ):
            for _ in range(5):
                # Whether the second record is there in time is chance; that it is nobody's answer is not.
                try:
                    assert client.state_of(rest_session(url)).state == AuthSessionState.PENDING
                except IdServerUnreachable as fault:
                    assert "one complete answer" in str(fault)  # noqa: PT017 - either end is right, a third is not

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000 + http(PENDING),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1;%s\r\n{\r\n" % (b"x" * 60_000) * 100,
        ],
    )
    def test_row_13_an_answer_without_end_is_given_up(self, tls: TlsFiles, answer: bytes) -> None:
        with TlsServer(tls.server_file, ByScript(answer)).running() as url, pytest.raises(IdServerUnreachable):
            state_at(settings_for("rest", url, str(tls.ca_file)))

    @pytest.mark.parametrize(
        "answer",
        [
            http(PENDING),
            http(PENDING, b"Connection: close"),
            b"HTTP/1.0 200 OK\r\nContent-Length: 22\r\n\r\n" + PENDING,
            b"HTTP/1.1 200\r\ncontent-length:22\r\n\r\n" + PENDING,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n16\r\n" + PENDING + b"\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n{\r\n15\r\n"
            + PENDING[1:]
            + b"\r\n000\r\n\r\n",
        ],
    )
    def test_one_complete_answer_in_any_frame_is_one(self, tls: TlsFiles, answer: bytes) -> None:
        with TlsServer(tls.server_file, ByScript(answer)).running() as url:
            assert state_at(settings_for("rest", url, str(tls.ca_file))).state == AuthSessionState.PENDING

    def test_an_answer_that_ends_with_the_connection_needs_the_good_bye_of_tls(self, tls: TlsFiles) -> None:
        answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + PENDING
        with TlsServer(tls.server_file, ByScript(answer, end="good-bye")).running() as url:
            assert state_at(settings_for("rest", url, str(tls.ca_file))).state == AuthSessionState.PENDING
        with (
            TlsServer(tls.server_file, ByScript(answer, end="cut")).running() as url,
            pytest.raises(IdServerUnreachable, match="one complete answer"),
        ):
            state_at(settings_for("rest", url, str(tls.ca_file)))

    @pytest.mark.parametrize("end", ["good-bye", "cut"])
    def test_a_connection_that_the_server_has_ended_is_not_used_again(
        self, tls: TlsFiles, end: Literal["good-bye", "cut"]
    ) -> None:
        script = ByScript(http(PENDING), end=end)
        server = TlsServer(tls.server_file, script)
        with server.running() as url, BlockingIdServer(settings_for("rest", url, str(tls.ca_file))) as client:
            for count in (1, 2, 3):
                assert client.state_of(rest_session(url)).state == AuthSessionState.PENDING
                assert script.ended.wait(10)
                script.ended.clear()
                assert server.handshakes == count

    def test_a_request_leaves_in_one_write(self, tls: TlsFiles) -> None:
        script = ByScript(http(b"error=500"))
        with (
            TlsServer(tls.server_file, script).running() as url,
            BlockingIdServer(settings_for("form", url, str(tls.ca_file))) as client,
            pytest.raises(IdServerRefused),
        ):
            client.open(push("alice"))
        [request] = script.requests
        assert request.startswith(b"POST / HTTP/1.1\r\n")
        assert request.endswith(b"&showaccesspass=false")


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
            old = TlsServer(tls.server_file, ByScript(http(PENDING)), highest=ssl.TLSVersion.TLSv1_1)
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
                for number, fault in enumerate(("close", "reset", "hang", "garbage")):
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
