"""Both dialects, over all bytes that a server could answer."""

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.core.auth_session import AuthSession, PushRequest, StateReport, Transaction
from secsign_gate.core.display_text import display_text
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.errors import IdServerError, IdServerRefused
from secsign_gate.id_server.exchange import Reply
from secsign_gate.id_server.form import FormDialect
from secsign_gate.id_server.rest import RestDialect

FORM, REST = FormDialect("SecSignGate"), RestDialect("gate", "a password that nobody guesses")
SERVER_URL = "https://id.example.org"
SESSION = AuthSession("7", SecSignId("alice"), "7B10C4E2" * 8, SERVER_URL, None)
DIALECTS = pytest.mark.parametrize("dialect", [FORM, REST], ids=["form", "rest"])

ids = st.integers(-(2**63), 2**63 - 1).map(str)
users = st.text("abcdefghijklmnopqrstuvwxyz0123456789@_-.", min_size=1, max_size=255)
request_ids = st.text("0123456789ABCDEF", min_size=64, max_size=64)
statuses = st.integers(100, 999)
names = st.sampled_from(
    ["authsessionid", "secsignid", "authsessionstate", "error", "errormsg", "errorcode", "requestid", "x"]
)
scalars = st.none() | st.booleans() | st.integers(-10, 40) | st.floats() | ids | users | st.text(max_size=8)
documents = st.dictionaries(names, st.recursive(scalars, st.lists, max_leaves=4))
forms = st.lists(st.tuples(names, scalars.map(str)), max_size=8).map(
    lambda pairs: "&".join("=".join(pair) for pair in pairs)
)
bodies = (
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: text.encode(errors="surrogatepass"))
    | documents.map(json.dumps).map(str.encode)
    | forms.map(lambda text: text.encode(errors="surrogatepass"))
)


def answer(body: bytes, status: int = 200) -> Reply:
    return Reply("id.example.org:443", status, body)


def state_or_none(dialect: Any, body: bytes, status: int = 200) -> StateReport | None:
    try:
        report = dialect.state(answer(body, status), SESSION)
    except IdServerError:
        return None
    assert isinstance(report, StateReport)
    return report


def outcome_of(dialect: Any, kind: str, reply: Reply) -> object:
    try:
        match kind:
            case "created":
                return dialect.created(reply, SERVER_URL)
            case "state":
                return dialect.state(reply, SESSION)
            case _:
                return dialect.done(reply, SESSION)
    except IdServerError as fault:
        return fault


@DIALECTS
@pytest.mark.parametrize(("kind", "good"), [("created", AuthSession), ("state", StateReport), ("done", type(None))])
@given(body=bodies, status=st.just(200) | statuses)
def test_any_answer_is_a_value_or_an_id_server_error(
    dialect: Any, kind: str, good: type, body: bytes, status: int
) -> None:
    outcome = outcome_of(dialect, kind, answer(body, status))
    if status != 200:
        assert isinstance(outcome, IdServerRefused)
    else:
        assert isinstance(outcome, good | IdServerError)
    if isinstance(outcome, IdServerError):
        assert str(outcome).isascii()
        assert str(outcome).isprintable()


@given(fields=st.lists(st.tuples(names, st.just("3") | ids | users | st.text(max_size=4)), max_size=7))
def test_a_yes_in_the_form_dialect_is_one_field_that_is_3_beside_two_good_ids(fields: list[tuple[str, str]]) -> None:
    body = "&".join(f"{name}={value}" for name, value in fields).encode(errors="surrogatepass")
    report = state_or_none(FORM, body)
    if report is not None and report.state == 3:
        # parse_qsl is another reading of the same bytes; its decoding can add fields but not hide one.
        seen = parse_qsl(body.decode(), keep_blank_values=True, separator="&")
        assert [value for name, value in seen if name == "authsessionstate"] == ["3"]
        assert "error" not in dict(seen)
        assert report.auth_session_id == str(int(dict(seen)["authsessionid"]))
        assert report.secsign_id == dict(seen)["secsignid"].lower()


@given(document=documents | st.fixed_dictionaries({"authsessionstate": scalars}, optional={"authsessionid": scalars}))
def test_a_yes_in_rest_is_a_3_and_no_error(document: dict[str, Any]) -> None:
    report = state_or_none(REST, json.dumps(document).encode())
    if report is not None and report.state == 3:
        assert document["authsessionstate"] in (3, "3")
        assert isinstance(document["authsessionstate"], int | str)
        assert "error" not in document
        assert report.auth_session_id == (str(document["authsessionid"]) if "authsessionid" in document else None)


@given(number=st.integers(0, 9), auth_session_id=ids, user=users, order=st.permutations(range(4)))
def test_every_good_state_answer_is_understood(number: int, auth_session_id: str, user: str, order: list[int]) -> None:
    wanted = StateReport(auth_session_id, user, number)
    fields = [
        ("authsessionid", auth_session_id),
        ("secsignid", user),
        ("authsessionstate", str(number)),
        ("new", "a=+b"),
    ]
    shuffled = [fields[index] for index in order]
    assert state_or_none(FORM, "&".join(f"{name}={value}" for name, value in shuffled).encode()) == wanted
    assert state_or_none(REST, json.dumps(dict(shuffled)).encode()) == wanted
    assert state_or_none(REST, json.dumps({**dict(shuffled), "authsessionid": int(auth_session_id)}).encode()) == wanted


@given(auth_session_id=ids, user=users, request_id=request_ids, picture=st.none() | st.binary(max_size=200))
def test_every_good_create_answer_is_understood(
    auth_session_id: str, user: str, request_id: str, picture: bytes | None
) -> None:
    png = None if picture is None else b"\x89PNG\r\n\x1a\n" + picture
    icon = "" if png is None else base64.b64encode(png).decode()
    fields = {"authsessionid": auth_session_id, "secsignid": user, "requestid": request_id, "authsessionicondata": icon}
    wanted = AuthSession(auth_session_id, SecSignId(user), request_id, SERVER_URL, png)
    for value in (str, lambda text: quote(text, safe="")):
        body = "&".join(
            f"{name}={value(text) if name == 'authsessionicondata' else text}" for name, text in fields.items()
        )
        assert FORM.created(answer(body.encode()), SERVER_URL) == wanted
    assert REST.created(answer(json.dumps(fields).encode()), SERVER_URL) == wanted._replace(request_id=None)


@given(name=st.text().map(display_text), address=st.text().map(display_text), user=users, access_pass=st.booleans())
def test_display_texts_arrive_as_they_were(name: str, address: str, user: str, access_pass: bool) -> None:
    request = PushRequest(SecSignId(user), name, address, access_pass, None)
    sent = parse_qsl(FORM.create(request).body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    word = "true" if access_pass else "false"
    assert sent == [
        ("request", "ReqRequestAuthSession"),
        ("apimethod", "SecSignGate"),
        ("secsignid", user),
        ("servicename", name),
        ("serviceaddress", address),
        ("showaccesspass", word),
    ]
    path, _, query = REST.create(request._replace(transaction=Transaction(name, address))).target.partition("?")
    assert path == "/rest/v2/AuthSession"
    assert parse_qsl(query, keep_blank_values=True, strict_parsing=True) == [
        ("secsignid", user),
        ("servicename", name),
        ("serviceaddress", address),
        ("showaccesspassicons", word),
        ("transactiontitle", name),
        ("transactiondescr", address),
    ]


@DIALECTS
@given(text=st.text(max_size=300), number=st.integers())
def test_whatever_an_error_says_it_is_a_refusal_in_one_printable_line(dialect: Any, text: str, number: int) -> None:
    form = f"error=500&errormsg={quote(text, safe='', errors='surrogatepass')}&errorcode={number}"
    body = form if dialect is FORM else json.dumps({"error": 500, "errormsg": text, "errorcode": number})
    with pytest.raises(IdServerRefused) as caught:
        dialect.state(answer(body.encode()), SESSION)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert caught.value.error == "500"
