"""Law 3: only state 3, of the auth session that we created, for the SecSign ID that we asked for, is an approval.

The replies here are bytes as they come off the wire, read by the real dialects and judged by the real approval. What a
reply deserves is said beside it, by hand; the code under test has no say in that.
"""

import json
import random
from collections.abc import Callable, Iterator

import pytest

from secsign_gate.core.approval import Approval, observe, opened
from secsign_gate.core.auth_session import AuthSession, StateReport
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Allow
from secsign_gate.errors import IdServerError, IdServerUnreachable
from secsign_gate.id_server.dialects import Dialect
from secsign_gate.id_server.exchange import Reply
from secsign_gate.id_server.form import FormDialect
from secsign_gate.id_server.rest import RestDialect

ALICE = SecSignId("alice")
OURS = "-5208431176540921877"
SESSION = AuthSession(OURS, ALICE, "7B10C4E2" * 8, "https://id.example", None)
Replies = Iterator[tuple[tuple[int, bytes], str]]  # status and body of each, and what it deserves
YES, ON, NO = "yes", "goes on", "no"

STRANGE_STATES = [
    "9", "10", "33", "03", "+3", " 3", "3 ", "3.0", "3e0", "0x3", "", "AUTHENTICATED", "true", "null", "[3]", '{"3":3}',
    "-3", "³", "３", "3\0", "3\n3",
]  # fmt: skip


def form_replies() -> Replies:
    """Yield (reply, what it deserves)."""
    for state in range(9):
        body = f"authsessionid={OURS}&secsignid=alice&authsessionstate={state}"
        yield (200, body.encode()), YES if state == 3 else ON if state in (1, 7) else NO
    good = f"authsessionid={OURS}&secsignid=alice&authsessionstate=3"
    for strange in STRANGE_STATES:
        yield (200, good.replace("state=3", f"state={strange}").encode()), NO
    for body in (
        good.replace("alice", "bob"),
        good.replace(OURS, "1"),
        good.replace(OURS, OURS + "0"),
        good.replace(f"authsessionid={OURS}&", ""),
        good.replace("secsignid=alice&", ""),
        good.replace("&authsessionstate=3", ""),
        good + "&authsessionstate=3",
        good + "&authsessionstate=1",
        good + "&secsignid=alice",
        good + "&error=500",
        "error=500&errormsg=no&" + good,
        "error=&" + good,
        good.replace("=3", "%3D3").replace("&", "%26"),
        good.replace("&", ";"),
        "\ufeff" + good,
        good + "\0",
        "<html>" + good + "</html>",
        "",
        "authsessionstate",
        "error=400;errormsg=unknown",
    ):
        yield (200, body.encode()), NO
    yield (200, good.encode() + b"&x=\xff"), NO
    for status in (201, 202, 204, 206, 301, 302, 304, 307, 308, 400, 401, 403, 404, 409):
        yield (status, good.encode()), NO
    for status in (429, 500, 502, 503, 504):  # passing trouble, if the body says no more
        yield (status, b"<html>busy</html>"), ON
        yield (status, b"error=500&errormsg=broken"), NO


def rest_replies() -> Replies:
    """Yield (reply, what it deserves)."""
    good = {"authsessionid": int(OURS), "secsignid": "alice", "authsessionstate": 3}
    for state in range(9):
        verdict = YES if state == 3 else ON if state in (1, 7) else NO
        yield (200, json.dumps({**good, "authsessionstate": state}).encode()), verdict
        yield (200, json.dumps({"authsessionstate": str(state)}).encode()), verdict
    whole = json.dumps(good)
    for strange in STRANGE_STATES:
        yield (200, json.dumps({**good, "authsessionstate": strange}).encode()), NO
        if strange not in ("9", "10", "33", "-3", " 3", "3 ", "3\n3"):
            yield (200, whole.replace("3}", f"{strange}}}").encode()), NO
    for strange in ("9", "10", "33", "-3", "3.0", "3e0", "30e-1", "true", "null", "[3]", '{"3":3}', "NaN", "Infinity"):
        yield (200, whole.replace("3}", f"{strange}}}").encode()), NO
    for members in (
        {**good, "secsignid": "bob"},
        {**good, "authsessionid": 1},
        {**good, "authsessionid": float(OURS)},
        {**good, "authsessionid": int(OURS) + 1},
        {**good, "authsessionid": None},
        {**good, "secsignid": None},
        {**good, "secsignid": ["alice"]},
        {**good, "error": 500},
        {**good, "error": None},
        {"authsessionid": int(OURS), "secsignid": "alice"},
        [good],
        3,
        "3",
        None,
        {},
    ):
        yield (200, json.dumps(members).encode()), NO
    for body in (
        whole[:-1] + ', "authsessionstate": 3}',
        whole[:-1] + ', "authsessionstate": 1}',
        whole + whole,
        whole[:-1],
        "\ufeff" + whole,
        whole.replace("alice", "ali\0ce"),
        "[" * 1000 + whole + "]" * 1000,
        "",
        "<html>3</html>",
        "authsessionstate=3",
    ):
        yield (200, body.encode()), NO
    yield (200, whole.encode().replace(b"alice", b"alice\xff")), NO
    for status in (201, 202, 204, 206, 301, 302, 304, 307, 308, 400, 401, 403, 404, 409):
        yield (status, whole.encode()), NO
    for status in (429, 500, 502, 503, 504):
        yield (status, b"<html>busy</html>"), ON
        yield (status, b'{"error": 500}'), NO


DIALECTS: dict[str, tuple[Dialect, Callable[[], Replies]]] = {
    "form": (FormDialect("SecSignGate"), form_replies),
    "rest": (RestDialect("gate", "not-a-secret"), rest_replies),
}
SILENCE = IdServerUnreachable("nothing came", request_may_have_arrived=True)


def read(dialect: Dialect, status: int, body: bytes) -> StateReport | IdServerError:
    try:
        return dialect.state(Reply("id.example:443", status, body), SESSION)
    except IdServerError as error:
        return error


@pytest.mark.parametrize("name", DIALECTS)
def test_every_sequence_of_up_to_four_replies(name: str) -> None:
    dialect, replies = DIALECTS[name]
    shapes = [(read(dialect, *reply), deserved) for reply, deserved in replies()]
    shapes.append((SILENCE, ON))
    assert sum(deserved is YES for _, deserved in shapes) in (1, 2)
    # Replies that read alike are one letter of the alphabet: what follows cannot tell them apart.
    alphabet = list({(type(reply), str(reply), deserved): (reply, deserved) for reply, deserved in shapes}.values())
    wrong = []
    sequences = 0

    def go_on(approval: Approval, open_: bool, accepted: bool, depth: int) -> None:
        nonlocal sequences
        for reply, deserved in alphabet:
            after = observe(approval, reply, 101.0 + depth)
            yes = accepted or (open_ and deserved is YES)
            sequences += 1
            if isinstance(after.verdict, Allow) is not yes:
                wrong.append((depth, reply))
            if depth < 3:
                go_on(after, open_ and deserved is ON, yes, depth + 1)

    go_on(opened(SESSION, ALICE, 100.0, 60.0), True, False, 0)
    assert not wrong
    assert sequences == sum(len(alphabet) ** length for length in range(1, 5))


@pytest.mark.parametrize("name", DIALECTS)
def test_a_hundred_thousand_generated_sequences_in_two_dialects(name: str) -> None:
    dialect, replies = DIALECTS[name]
    bodies = [reply for reply, _ in replies()]
    good = {reply for reply, deserved in replies() if deserved is YES}
    chance = random.Random(20_221)
    granted = 0
    for _ in range(50_000):
        approval = opened(SESSION, ALICE, 100.0, 60.0)
        now = 100.0
        ours_accepted = False
        for _ in range(chance.randint(1, 6)):
            status, body = chance.choice(bodies)
            if chance.random() < 0.5:
                body = mutated(body, chance)
            now += chance.choice((0.1, 1.0, 20.0, 61.0))
            reply = read(dialect, status, body)
            if approval.verdict is None and now < 160.0 and means_yes(name, status, body):
                ours_accepted = True
            approval = observe(approval, reply, now)
            if isinstance(approval.verdict, Allow):
                assert ours_accepted, (status, body)
        granted += isinstance(approval.verdict, Allow)
    assert good
    assert granted > 100  # the generator does reach the one road to a yes


def mutated(body: bytes, chance: random.Random) -> bytes:
    """Return `body` with one to three bytes changed, dropped, doubled or added."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0:
                changed[at:at] = bytes([chance.randrange(256)])
            case 1:
                del changed[at : at + 1]
            case 2:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 3:
                changed[at:at] = changed[at : at + chance.randint(1, 12)]
    return bytes(changed)


def means_yes(name: str, status: int, body: bytes) -> bool:
    """Tell, by another reading than the program's, whether a reply says that ours was accepted."""
    if status != 200:
        return False
    text = body.decode("latin-1").rstrip("\r\n")
    if name == "form":
        pairs = [piece.split("=", 1) for piece in text.split("&")]
        names = [pair[0] for pair in pairs]
        fields = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
        return (
            len(names) == len(set(names))
            and "error" not in fields
            and fields.get("authsessionstate") == "3"
            and fields.get("authsessionid") == OURS
            and fields.get("secsignid", "").lower() == "alice"
        )
    try:
        members = json.loads(body.decode())
    except (ValueError, RecursionError):
        return False
    if not isinstance(members, dict) or "error" in members:
        return False
    state = members.get("authsessionstate")
    return (
        (state == "3" or (type(state) is int and state == 3))
        and str(members.get("authsessionid", OURS)) == OURS
        and str(members.get("secsignid", "alice")).lower() == "alice"
    )
