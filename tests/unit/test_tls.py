"""The TLS end of a connection in memory: both sides are real, only the network is missing."""

import ssl
from pathlib import Path

import pytest

from secsign_gate.id_server.tls import Conversation, tls_context
from secsign_gate.simulator.certificates import prepare


class InMemory:
    """A client's and a server's end, shaken hands."""

    def __init__(self, folder: Path) -> None:
        files = prepare(folder, "good", "127.0.0.1")
        server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_context.load_cert_chain(files.server_file)
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.sent_by_client = up
        self.client = tls_context(str(files.ca_file)).wrap_bio(down, up, server_hostname="localhost")
        self.server = server_context.wrap_bio(up, down, server_side=True)
        waiting = [self.client, self.server]
        while waiting:
            try:
                waiting[0].do_handshake()
                waiting.pop(0)
            except ssl.SSLWantReadError:
                waiting.reverse()


@pytest.fixture
def ends(tmp_path: Path) -> InMemory:
    return InMemory(tmp_path)


def test_nothing_is_sent_until_somebody_reads(ends: InMemory) -> None:
    assert isinstance(ends.client, Conversation)
    already = ends.sent_by_client.pending
    ends.client.write(b"head ")
    ends.client.write(b"body")
    assert ends.sent_by_client.pending == already
    with pytest.raises(ssl.SSLWantReadError):
        ends.client.read()
    assert ends.server.read(100) == b"head body"


def test_row_13_an_answer_without_end_is_given_up(ends: InMemory) -> None:
    ends.client.write(b"?")
    with pytest.raises(ssl.SSLWantReadError):
        ends.client.read()
    for _ in range(20):
        ends.server.write(b"x" * 16384)
    for _ in range(256 * 1024 // 16384):
        assert len(ends.client.read(16384)) == 16384
    with pytest.raises(ssl.SSLError, match="without end"):
        ends.client.read(16384)


def test_each_request_begins_a_new_answer(ends: InMemory) -> None:
    assert isinstance(ends.client, Conversation)
    for body in (b"one", b"two"):
        ends.client.write(b"?")
        with pytest.raises(ssl.SSLWantReadError):
            ends.client.read()
        ends.server.write(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        ends.client.read()
        assert ends.client.is_one_answer({"content-length": "3"}, body)
        assert not ends.client.is_one_answer({"content-length": "3"}, b"on")


def test_row_19_the_systems_trust_is_strict_too() -> None:
    context = tls_context(None)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
