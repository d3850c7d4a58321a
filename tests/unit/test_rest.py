"""The REST v2 dialect by value. "Row n" is row n of the table of pitfalls, protocol reference 7."""

import base64
import json

import pytest

from secsign_gate.core.auth_session import AuthSession, PushRequest, StateReport, Transaction
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.errors import IdServerError, IdServerNonsense, IdServerRefused
from secsign_gate.id_server.exchange import Reply
from secsign_gate.id_server.rest import RestDialect

PASSWORD = "correct horse: bättery"
REST = RestDialect("gate", PASSWORD)
CREDENTIALS = base64.b64encode(f"gate:{PASSWORD}".encode()).decode()
SERVER_URL = "https://id.example.org/base"
ID = "7340018559123406651"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
ICON = base64.b64encode(PNG).decode()
ALICE = SecSignId("alice")
SESSION = AuthSession(ID, ALICE, None, SERVER_URL, None)
CREATED = f'{{"authsessionid":{ID},"secsignid":"alice","authsessionstate":1}}'


def answer(body: str | bytes, status: int = 200) -> Reply:
    return Reply("id.example.org:443", status, body.encode() if isinstance(body, str) else body)


def created(body: str | bytes, status: int = 200) -> AuthSession:
    return REST.created(answer(body, status), SERVER_URL)


def state(body: str | bytes, status: int = 200) -> StateReport:
    return REST.state(answer(body, status), SESSION)


class TestWhatIsSent:
    def test_create_is_the_documented_request(self) -> None:
        ask = REST.create(PushRequest(ALICE, "web1 login", "web1.example.org", access_pass=True, transaction=None))
        assert (ask.method, ask.body) == ("GET", b"")
        assert ask.target == (
            "/rest/v2/AuthSession?secsignid=alice&servicename=web1%20login"
            "&serviceaddress=web1.example.org&showaccesspassicons=true"
        )

    def test_row_29_30_a_transaction_has_its_own_words_and_no_pictures(self) -> None:
        transaction = Transaction("alice@web1", "rsync & more")
        ask = REST.create(PushRequest(ALICE, "web1", "web1", access_pass=False, transaction=transaction))
        assert ask.target.endswith(
            "&showaccesspassicons=false&transactiontitle=alice%40web1&transactiondescr=rsync%20%26%20more"
        )

    def test_follow_ups_name_the_auth_session_in_the_path(self) -> None:
        negative = SESSION._replace(id="-5208431176540921877")
        assert REST.look(negative)[:2] == ("GET", "/rest/v2/AuthSession/-5208431176540921877")
        assert REST.cancel(SESSION)[:2] == ("DELETE", f"/rest/v2/AuthSession/{ID}")

    def test_release_disposes_of_it_in_the_only_way_there_is(self) -> None:
        assert REST.release(SESSION) == REST.cancel(SESSION)

    def test_every_request_carries_the_pin_account_unasked(self) -> None:
        push = PushRequest(ALICE, "web1", "web1", access_pass=False, transaction=None)
        for ask in (REST.create(push), REST.look(SESSION), REST.cancel(SESSION), REST.release(SESSION)):
            assert dict(ask.headers)["Authorization"] == f"Basic {CREDENTIALS}"

    def test_row_21_no_secret_shows_in_a_representation(self) -> None:
        shown = repr((REST, REST.look(SESSION)))
        assert PASSWORD not in shown
        assert CREDENTIALS not in shown


class TestCreated:
    def test_a_good_answer(self) -> None:
        assert created(CREATED) == SESSION
        assert created(CREATED.replace("}", f', "authsessionicondata": "{ICON}"}}')).access_pass == PNG

    @pytest.mark.parametrize("text", ["-9223372036854775808", "9223372036854775807", "0", "9007199254740993"])
    def test_row_3_ids_stay_text_whether_number_or_string(self, text: str) -> None:
        assert created(CREATED.replace(ID, text)).id == text
        assert created(CREATED.replace(ID, f'"{text}"')).id == text

    @pytest.mark.parametrize(
        "value",
        [
            "null",
            "true",
            "1.0",
            "1e3",
            "-0",
            "[1]",
            "{}",
            '""',
            '"+1"',
            '"01"',
            '" 1"',
            '"1 "',
            '"0x1"',
            "9223372036854775808",
            "9" * 60_000,
            "1" + "0" * 400,
            '"-9223372036854775809"',
            '"\\u0663"',
            '"1\\u0000"',
        ],
    )
    def test_row_3_anything_else_is_no_id(self, value: str) -> None:
        with pytest.raises(IdServerNonsense):
            created(CREATED.replace(ID, value))

    @pytest.mark.parametrize("name", ["authsessionid", "secsignid"])
    def test_row_9_without_its_ids_it_is_no_answer(self, name: str) -> None:
        with pytest.raises(IdServerNonsense):
            created(CREATED.replace(f'"{name}"', f'"x{name}"'))

    @pytest.mark.parametrize(
        "value", ["null", "7", '""', '" alice"', '"al ice"', '"\\ud800"', '"alice\\u0000"', '["alice"]']
    )
    def test_row_9_a_malformed_secsign_id(self, value: str) -> None:
        with pytest.raises(IdServerNonsense):
            created(CREATED.replace('"alice"', value))

    @pytest.mark.parametrize(
        "icon",
        [
            None,
            "",
            7,
            True,
            [ICON],
            "no",
            ICON[:-2],
            ICON + "\n",
            ICON + "=",
            ICON.replace("A", "=", 1),
            "\x00",
            "ä",
            "R0lGODlh",
            "A" * 40_000,
        ],
    )
    def test_row_10_a_bad_picture_is_none_and_fails_nothing(self, icon: object) -> None:
        fields = {**json.loads(CREATED), "authsessionicondata": icon}
        assert created(json.dumps(fields)) == SESSION

    def test_row_32_other_fields_are_ignored(self) -> None:
        body = CREATED.replace("}", ', "authsessionstate2": 3.5, "new": {"a": [null, true, -1e999]}, "requestid": "x"}')
        assert created(body) == SESSION


class TestState:
    @pytest.mark.parametrize("number", range(10))
    def test_row_2_an_integer_or_a_string_of_one_digit_is_a_state(self, number: int) -> None:
        assert state(f'{{"authsessionstate":{number}}}') == StateReport(None, None, number)
        assert state(f'{{"authsessionstate":"{number}"}}') == StateReport(None, None, number)

    def test_row_2_an_unknown_number_is_reported_as_it_is(self) -> None:
        assert state('{"authsessionstate":33}').state == 33

    @pytest.mark.parametrize(
        "value",
        [
            "3.0",
            "3e0",
            "30e-1",
            "-3",
            "-0",
            "true",
            "false",
            "null",
            "[3]",
            '{"3":3}',
            "NaN",
            "Infinity",
            '"NaN"',
            '"AUTHENTICATED"',
            '"3 "',
            '" 3"',
            '"+3"',
            '"03"',
            '"33"',
            '"0x3"',
            '"3.0"',
            '"\\u0663"',
            '"\\uff13"',
            '"3\\u0000"',
            "3" * 60_000,
            "1" + "0" * 400,
        ],
    )
    def test_row_2_nothing_else_is(self, value: str) -> None:
        with pytest.raises(IdServerNonsense):
            state(f'{{"authsessionstate":{value}}}')

    @pytest.mark.parametrize("value", ["03", "+3", "0x3", "3_0", "٣", "'3'", "undefined", ""])
    def test_row_2_what_is_not_json_even_less(self, value: str) -> None:
        with pytest.raises(IdServerNonsense):
            state(f'{{"authsessionstate":{value}}}')

    def test_row_4_ids_may_be_missing_and_are_reported_if_not(self) -> None:
        report = state('{"authsessionstate":3,"authsessionid":"-7","secsignid":"Mallory"}')
        assert report == StateReport("-7", "mallory", 3)

    @pytest.mark.parametrize(
        "member", ['"authsessionid":null', '"authsessionid":1.0', '"secsignid":null', '"secsignid":""']
    )
    def test_row_4_an_id_that_is_said_must_be_one(self, member: str) -> None:
        with pytest.raises(IdServerNonsense):
            state(f'{{"authsessionstate":3,{member}}}')

    @pytest.mark.parametrize(
        "body",
        [
            '{"authsessionstate":3,"authsessionstate":3}',
            '{"authsessionstate":1,"authsessionstate":3}',
            '{"authsessionstate":3,"\\u0061uthsessionstate":3}',
            '{"authsessionstate":3,"x":{"y":1,"y":1}}',
        ],
    )
    def test_row_8_the_same_name_twice_is_no_answer(self, body: str) -> None:
        with pytest.raises(IdServerNonsense):
            state(body)

    @pytest.mark.parametrize(
        "body", ["[" * 65_000, '{"a":' * 10_000, '{"authsessionstate":' + "[" * 30_000 + "]" * 30_000 + "}"]
    )
    def test_row_13_depth_is_limited(self, body: str) -> None:
        with pytest.raises(IdServerNonsense):
            state(body)

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "3",
            "null",
            '"3"',
            "[]",
            '[{"authsessionstate":3}]',
            '{"authsessionstate":3',
            '{"authsessionstate":3}}',
            "{}",
            '{"authsessionstate":3} {"authsessionstate":3}',
            "{'authsessionstate':3}",
            '{"authsessionstate":3,}',
            '{"a":NaN,"authsessionstate":3}',
            "<!doctype html><p>authsessionstate=3",
            "authsessionid=7&secsignid=alice&authsessionstate=3",
        ],
    )
    def test_row_16_what_is_no_json_object_is_no_answer(self, body: str) -> None:
        with pytest.raises(IdServerNonsense):
            state(body)

    @pytest.mark.parametrize(
        "body",
        [
            b'\xef\xbb\xbf{"authsessionstate":3}',
            b'{"authsessionstate":3}\0',
            b'\0{"authsessionstate":3}',
            b'{"authsessionstate":3,"x":"\0"}',
            b'{"authsessionstate":3,"x":"\t"}',
            b'{"authsessionstate":3,"x":"\x7f"}',
            b'{"authsessionstate":3,"x":"\xff"}',
            b'{"authsessionstate":3,"x":"\xed\xa0\x80"}',
            '{"authsessionstate":3}'.encode("utf-16"),
            '{"authsessionstate":3}'.encode("utf-32-le"),
        ],
    )
    def test_row_17_control_bytes_byte_order_marks_and_foreign_encodings(self, body: bytes) -> None:
        with pytest.raises(IdServerNonsense):
            state(body)

    def test_white_space_around_is_json(self) -> None:
        assert state(' \r\n\t{ "authsessionstate" :\n3 }\r\n').state == 3


class TestRefusals:
    def test_frozen(self) -> None:
        with pytest.raises(IdServerRefused, match="frozen") as caught:
            created('{"error":409,"errormsg":"The SecSign ID is frozen."}', status=409)
        assert (caught.value.http_status, caught.value.error) == (409, "409")
        with pytest.raises(IdServerRefused, match="frozen") as caught:
            created("", status=409)
        assert (caught.value.http_status, caught.value.error, caught.value.errorcode) == (409, "", "")

    def test_no_such_secsign_id(self) -> None:
        with pytest.raises(IdServerRefused, match="users file") as caught:
            created('{"error":500,"errormsg":"A SecSign ID does not exist","errorcode":20000}')
        assert (caught.value.error, caught.value.errorcode) == ("500", "20000")

    @pytest.mark.parametrize("error", ["500", "null", "false", '""', "[]", '"x"', "1e999"])
    def test_row_5_an_error_counts_whatever_else_is_said(self, error: str) -> None:
        for read in (state, created):
            with pytest.raises(IdServerRefused):
                read(f'{{"authsessionstate":3,"authsessionid":{ID},"secsignid":"alice","error":{error}}}')

    @pytest.mark.parametrize(
        "status", [201, 202, 204, 206, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 409, 500, 503]
    )
    def test_row_6_12_a_good_body_counts_with_status_200_only(self, status: int) -> None:
        for attempt in (
            lambda: state('{"authsessionstate":3}', status),
            lambda: created(CREATED, status),
            lambda: REST.done(answer("{}", status), SESSION),
        ):
            with pytest.raises(IdServerRefused) as caught:
                attempt()
            assert caught.value.http_status == status

    @pytest.mark.parametrize(
        ("status", "word"), [(302, "redirects"), (401, "PIN account"), (403, "PIN account"), (404, "url")]
    )
    def test_the_sentence_says_what_to_do(self, status: int, word: str) -> None:
        with pytest.raises(IdServerRefused, match=word):
            state("", status)

    @pytest.mark.parametrize("errormsg", ["null", "7", "{}", '"\\ud800\\u0000\\n"', '""'])
    def test_row_7_details_may_be_absurd(self, errormsg: str) -> None:
        with pytest.raises(IdServerRefused) as caught:
            state(f'{{"error":{{}},"errormsg":{errormsg},"errorcode":[20000]}}')
        assert caught.value.errorcode == ""
        assert str(caught.value).isprintable()

    @pytest.mark.parametrize(
        "said", [PASSWORD, PASSWORD.upper(), CREDENTIALS, f"Basic {CREDENTIALS} is wrong", "7B10C4E2" * 8]
    )
    def test_row_21_no_secret_gets_into_a_sentence(self, said: str) -> None:
        for read in (state, created):
            with pytest.raises(IdServerRefused) as caught:
                read(json.dumps({"error": 401, "errormsg": f"refused {said}"}), 401)
            assert not any(part in str(caught.value) for part in ("horse", "HORSE", CREDENTIALS, "7B10"))


class TestDone:
    @pytest.mark.parametrize("body", [b"", b"{}", b'{"authsessionstate":6}', b"deleted", b"\xff"])
    def test_the_status_counts_and_the_body_may_be_anything(self, body: bytes) -> None:
        REST.done(answer(body), SESSION)

    def test_row_5_but_no_error(self) -> None:
        with pytest.raises(IdServerError):
            REST.done(answer('{"error":400}'), SESSION)
