"""What can go wrong with an ID server's answer: it ends in one sentence, in time, and no create goes twice.

"Row n" is row n of the table of pitfalls, protocol reference 7.
"""

import asyncio
import ssl
import threading
from typing import Any, Literal

import pytest
from blocking_id_server import BlockingIdServer, creates, fault_at, fault_of, push, rest_session, settings_for, state_at
from loopback_servers import ByScript, TlsServer
from running_simulator import RunningSimulator

from secsign_gate.config import IdServerSettings
from secsign_gate.core.auth_session import AuthSessionState
from secsign_gate.errors import IdServerRefused, IdServerUnreachable
from secsign_gate.id_server.dialects import id_server
from secsign_gate.id_server.transport import BODY_LIMIT
from secsign_gate.simulator.certificates import TlsFiles

LONGEST_WAIT = 30.0  # seconds; a guard against hanging, never an expectation
PENDING = b'{"authsessionstate":1}'
ACCEPTED = b'{"authsessionstate":3}'


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
            b"HTTP/1.1 100 Continue\r\n\r\n" + http(PENDING),
            b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + http(PENDING),
            http(PENDING) + b"x",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n16\r\n" + PENDING + b"\r\n0\r\n\r\n0",
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

    def test_a_change_of_protocol_is_no_answer_nor_is_what_follows_it(self, tls: TlsFiles) -> None:
        switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
        server = TlsServer(tls.server_file, ByScript(switch + http(ACCEPTED), http(ACCEPTED)))
        with server.running() as url, BlockingIdServer(settings_for("rest", url, str(tls.ca_file))) as client:
            for count in (1, 2):
                with pytest.raises(IdServerUnreachable):
                    client.state_of(rest_session(url))
                assert server.handshakes == count

    def test_more_in_a_record_of_its_own_is_noticed_too(self, tls: TlsFiles) -> None:
        both_sent = threading.Semaphore(0)

        def two_records(conversation: ssl.SSLSocket) -> None:
            while conversation.recv(65536):
                conversation.sendall(http(PENDING))
                conversation.sendall(http(ACCEPTED))
                both_sent.release()

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
                # What is sent after the next question cannot be told from its answer: HTTP/1.1 has no numbers.
                assert both_sent.acquire(timeout=LONGEST_WAIT)

    def test_row_13_a_body_has_a_limit(self, tls: TlsFiles) -> None:
        most = PENDING.ljust(BODY_LIMIT)
        script = ByScript(http(most), http(most + b" "))
        with (
            TlsServer(tls.server_file, script).running() as url,
            BlockingIdServer(settings_for("rest", url, str(tls.ca_file))) as client,
        ):
            assert client.state_of(rest_session(url)).state == AuthSessionState.PENDING
            with pytest.raises(IdServerUnreachable, match="more than 65536 bytes"):
                client.state_of(rest_session(url))

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
            pytest.raises(IdServerUnreachable, match="no complete answer"),
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

    @pytest.mark.parametrize("location", [b"/elsewhere", b"https://[", b"\xff", b"mailto:x"])
    def test_a_redirect_is_a_refusal_wherever_it_leads(self, tls: TlsFiles, location: bytes) -> None:
        script = ByScript(http(b"", b"Location: " + location, status=b"302 Found"), http(PENDING))
        server = TlsServer(tls.server_file, script)
        with server.running() as url, BlockingIdServer(settings_for("rest", url, str(tls.ca_file))) as client:
            with pytest.raises(IdServerRefused, match="redirects are never followed"):
                client.state_of(rest_session(url))
            assert client.state_of(rest_session(url)).state == AuthSessionState.PENDING
            assert server.handshakes == 1

    def test_cookies_are_not_kept(self, tls: TlsFiles) -> None:
        script = ByScript(http(PENDING, b"Set-Cookie: crumb=1; Path=/"), http(PENDING))
        with (
            TlsServer(tls.server_file, script).running() as url,
            BlockingIdServer(settings_for("rest", url, str(tls.ca_file))) as client,
        ):
            for _ in range(2):
                client.state_of(rest_session(url))
        assert not any(b"crumb" in request for request in script.requests)

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
