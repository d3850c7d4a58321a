"""Fuzzes both dialects' readers of ID server replies: any bytes give a value or an IdServerError, and no false yes.

    python tests/fuzz/fuzz_replies.py --seconds 600

Mutates valid replies and keeps what got a new outcome. `one(data)` is the target, for any other fuzzer too.
"""

import base64
import json
import random
from collections.abc import Callable

import fuzzing

from secsign_gate.core.auth_session import AuthSession, AuthSessionState, StateReport
from secsign_gate.core.secsign_id import SecSignId, parse_secsign_id
from secsign_gate.errors import IdServerError, IdServerRefused
from secsign_gate.id_server.exchange import Reply
from secsign_gate.id_server.form import FormDialect
from secsign_gate.id_server.rest import RestDialect

ID, REQUEST_ID, PASSWORD = "-5208431176540921877", "7B10C4E2" * 8, "a password that nobody guesses"
SERVER_URL = "https://id.example.org"
ICON = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(64)))
FORM, REST = FormDialect("SecSignGate"), RestDialect("gate", PASSWORD)
FORM_SESSION = AuthSession(ID, SecSignId("alice"), REQUEST_ID, SERVER_URL, None)
REST_SESSION = FORM_SESSION._replace(request_id=None)

_FORM_STATE = f"authsessionid={ID}&secsignid=alice&authsessionstate=".encode()
_REST_STATE = f'{{"authsessionid":{ID},"secsignid":"alice","authsessionstate":'.encode()
SEEDS = (
    *(_FORM_STATE + state for state in (b"0", b"1", b"3", b"7\r\n", b"33", b"3&authsessionstate=3")),
    f"authsessionid={ID}&servicename=web1 login&secsignid=alice&authsessionstate=1&requestid={REQUEST_ID}".encode()
    + b"&authsessionicondata="
    + ICON,
    f"authsessionid={ID}&authsessionstate=6".encode(),
    b"error=500&errormsg=A SecSign ID does not exist&errorcode=20000",
    f"error=400&errormsg=no {REQUEST_ID} {PASSWORD}".encode(),
    *(_REST_STATE + state + b"}" for state in (b"1", b"3", b'"3"', b"3.0", b"3e0", b"true", b"[3]", b"3" * 30)),
    f'{{"authsessionid":"{ID}","secsignid":"alice","authsessionicondata":"{ICON.decode()}"}}'.encode(),
    f'{{"error":500,"errormsg":"\\ud800 {PASSWORD}","errorcode":"20006","a":{{"b":[null,-1.5e9]}}}}'.encode(),
)
TOKENS = (
    *(
        b"&",
        b"=",
        b"%",
        b"+",
        b";",
        b"\0",
        b"\r\n",
        b" ",
        b'"',
        b"\\u0000",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"-",
    ),
    *(
        b"3",
        b"03",
        b"null",
        b"true",
        b"NaN",
        b"1e999",
        b"error",
        b"error=",
        b'"error":',
        b"authsessionstate",
        b"secsignid",
    ),
    *(
        b"authsessionstate=3",
        b'"authsessionstate":3',
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xc0\x80",
        b"\xe2\x80\xae",
        b"%00",
        b"[" * 80,
    ),
)

# Each reader with the secret that it knows and must not repeat.
READERS: tuple[tuple[Callable[[Reply], object], str], ...] = (
    (lambda reply: FORM.created(reply, SERVER_URL), REQUEST_ID),
    (lambda reply: FORM.state(reply, FORM_SESSION), REQUEST_ID),
    (lambda reply: FORM.done(reply, FORM_SESSION), REQUEST_ID),
    (lambda reply: REST.created(reply, SERVER_URL), PASSWORD),
    (lambda reply: REST.state(reply, REST_SESSION), PASSWORD),
    (lambda reply: REST.done(reply, REST_SESSION), PASSWORD),
)


def one(data: bytes) -> tuple[str, ...]:
    """Give `data` to every reader, check the laws, return what came of it. Raises for a broken law only."""
    outcomes = []
    for read, secret in READERS:
        try:
            value = read(Reply("id.example.org:443", 200, data))
        except IdServerError as fault:
            _check_sentence(str(fault), secret)
            outcomes.append(type(fault).__name__ if isinstance(fault, IdServerRefused) else str(fault))
        else:
            _check_value(value, data)
            outcomes.append(f"{type(value).__name__} {getattr(value, 'state', '')}")
        try:
            read(Reply("id.example.org:443", 503, data))
        except IdServerRefused as fault:
            _check_sentence(str(fault), secret)
        else:
            raise AssertionError("a status other than 200 is a refusal, whatever the body says")
    return tuple(outcomes)


def _check_sentence(sentence: str, secret: str) -> None:
    assert sentence.isascii()
    assert sentence.isprintable()
    assert len(sentence) < 600
    assert secret not in sentence


def _check_value(value: object, data: bytes) -> None:
    """Check a good answer against a second, independent reading of the bytes."""
    if isinstance(value, AuthSession):
        assert -(2**63) <= int(value.id) < 2**63
        assert value.id == str(int(value.id))
        assert parse_secsign_id(value.secsign_id) == value.secsign_id
        assert value.access_pass is None or value.access_pass.startswith(b"\x89PNG")
    if isinstance(value, StateReport) and value.state == AuthSessionState.AUTHENTICATED:
        pieces = data.rstrip(b"\r\n").split(b"&")
        says_form = [piece for piece in pieces if piece.startswith(b"authsessionstate=")] == [b"authsessionstate=3"]
        if says_form and not data.startswith(b"{"):
            assert not any(piece.startswith(b"error=") for piece in pieces)
            return
        document = json.loads(data.decode())
        assert document["authsessionstate"] in (3, "3")
        assert type(document["authsessionstate"]) in (int, str)
        assert "error" not in document


def mutated(chance: random.Random, corpus: list[bytes]) -> bytes:
    """Make another input of the corpus."""
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.randint(1, 4)):
        start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        match chance.randrange(5):
            case 0:
                data[start:start] = chance.choice(TOKENS)
            case 1:
                data[start:end] = chance.choice(TOKENS)
            case 2:
                data[start : min(end, start + 3)] = bytes([chance.randrange(256)])
            case 3:
                data[start:start] = data[start:end]
            case _:
                data[start:] = chance.choice(corpus)[start:]
    return bytes(data[: 64 * 1024])


def run(seed: int, executions: int | None = None, seconds: float | None = None) -> int:
    """Run until either limit and return the number of executions. An input that breaks a law is printed first."""
    return fuzzing.fuzz(one, SEEDS, mutated, seed=seed, executions=executions, seconds=seconds)


if __name__ == "__main__":
    fuzzing.main(__doc__, {"": run})
