"""TLS to an ID server: whom we trust, and a connection that carries one request and one answer at a time."""

import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from secsign_gate.errors import IdServerUnreachable

_ANSWER_LIMIT = 256 * 1024  # head, body and whatever frames it; h11 and the transport limit head and body further
_END_OF_HEAD = re.compile(rb"\n\r?\n")


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name, against `ca_file` or else the system's trust store.

    Not by ssl.create_default_context, which obeys SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE of the environment.
    Where the system's store is a folder of hashed names, as on Debian, only the certificate needed is ever read.
    Raises IdServerUnreachable if `ca_file` is unusable.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525 section 2: the name is in subjectAltName
    # An end of TCP is no good-bye of TLS: anybody on the way can cause one. Python treats them alike unless told.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    context.sslobject_class = Conversation
    if ca_file is None:
        system = ssl.get_default_verify_paths()
        bundle = system.openssl_cafile if Path(system.openssl_cafile).is_file() else None
        context.load_verify_locations(cafile=bundle, capath=system.openssl_capath)
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:
        why = "no PEM certificates in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise IdServerUnreachable(
            f"{ca_file} cannot be used as CA file ({why}); correct ca_file in [id_server]",
            request_may_have_arrived=False,
        ) from error
    return context


class Conversation(ssl.SSLObject):
    """The TLS end of one connection: sends each request in one write, and knows whether one answer is all that came.

    httpcore writes a request's head and body apart, and takes what follows an answer for the answer to the next
    request, which may be about somebody else. So what is written waits for the first read, and what was read since
    is kept for `is_one_answer`.
    """

    _unsent = b""  # class attributes, because an SSLObject is not made by its constructor
    _answer: bytes | bytearray = b""
    ended = False
    """Whether the server has said good-bye: nothing more can be asked here."""

    def write(self, data: bytes) -> int:  # type: ignore[override]  # httpcore writes bytes only
        """Keep `data` until somebody wants to read."""
        self._unsent += data
        return len(data)

    def read(self, length: int = 1024, buffer: bytearray | None = None) -> bytes:  # type: ignore[override]
        """Send what is unsent, then read. Raises ssl.SSLError also for more than any answer would be."""
        if self._unsent:
            self._answer = bytearray()
            super().write(self._unsent)
            self._unsent = b""
        data = super().read(length, buffer)
        self._answer += data
        if len(self._answer) > _ANSWER_LIMIT:
            raise ssl.SSLError("an answer without end")
        self.ended = not data
        return data

    def is_one_answer(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether all that came since the request is one answer with these headers and this body, visibly complete."""
        with suppress(ssl.SSLWantReadError, ssl.SSLEOFError):
            self.read(1)
        end_of_head = _END_OF_HEAD.search(self._answer)
        if end_of_head is None:
            return False
        if "transfer-encoding" in headers:
            return self._is_chunks_to_the_end(end_of_head.end())
        visibly_complete = "content-length" in headers or self.ended or not body
        return visibly_complete and self._answer[end_of_head.end() :] == body

    def _is_chunks_to_the_end(self, position: int) -> bool:
        """Whether the chunks from `position` on, which h11 found well-formed, are followed by nothing."""
        while True:
            end_of_line = self._answer.find(b"\r\n", position)
            try:
                size = int(self._answer[position:end_of_line].partition(b";")[0], 16)
            except ValueError:  # no chunks begin here: an interim answer came before the one that h11 read
                return False
            if size == 0:
                return self._answer[end_of_line:] == b"\r\n\r\n"
            position = end_of_line + 2 + size + 2
