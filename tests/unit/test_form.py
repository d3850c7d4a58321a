"""The form dialect by value. "Row n" is row n of the table of pitfalls, protocol reference 7."""

import base64

import pytest

from secsign_gate.core.auth_session import AuthSession, AuthSessionState, PushRequest, StateReport, Transaction
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.errors import IdServerNonsense, IdServerRefused
from secsign_gate.id_server.exchange import Reply
from secsign_gate.id_server.form import FormDialect

FORM = FormDialect("SecSignGate")
SERVER_URL = "https://id.example.org"
ID = "-5208431176540921877"
REQUEST_ID = "7B10C4E2" * 8
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) + b"\xfb\xff\xfe\0"
ICON = base64.b64encode(PNG).decode()
ALICE = SecSignId("alice")
SESSION = AuthSession(ID, ALICE, REQUEST_ID, SERVER_URL, None)
CREATED = f"authsessionid={ID}&servicename=web1 login&secsignid=alice&authsessionstate=1&requestid={REQUEST_ID}"
STATE = f"authsessionid={ID}&secsignid=alice&authsessionstate="


def answer(body: str | bytes, status: int = 200) -> Reply:
    return Reply("id.example.org:443", status, body.encode() if isinstance(body, str) else body)


def created(body: str | bytes, status: int = 200) -> AuthSession:
    return FORM.created(answer(body, status), SERVER_URL)


def state(body: str | bytes, status: int = 200) -> StateReport:
    return FORM.state(answer(body, status), SESSION)


def push(name: str = "web1 login", *, access_pass: bool = False) -> PushRequest:
    return PushRequest(ALICE, name, "web1.example.org", access_pass, None)


class TestWhatIsSent:
    def test_create_is_the_documented_request(self) -> None:
        ask = FORM.create(push())
        assert (ask.method, ask.target) == ("POST", "/")
        assert ask.headers == (("Content-Type", "application/x-www-form-urlencoded"),)
        assert ask.body == (
            b"request=ReqRequestAuthSession&apimethod=SecSignGate&secsignid=alice"
            b"&servicename=web1%20login&serviceaddress=web1.example.org&showaccesspass=false"
        )

    @pytest.mark.parametrize(
        ("ask", "name"),
        [
            (FORM.look(SESSION), "ReqGetAuthSessionState"),
            (FORM.cancel(SESSION), "ReqCancelAuthSession"),
            (FORM.release(SESSION), "ReqReleaseAuthSession"),
        ],
    )
    def test_follow_ups_name_the_auth_session_and_nothing_else(self, ask: object, name: str) -> None:
        assert ask == (
            "POST",
            "/",
            (("Content-Type", "application/x-www-form-urlencoded"),),
            f"request={name}&apimethod=SecSignGate&secsignid=alice&authsessionid={ID}&requestid={REQUEST_ID}".encode(),
        )

    def test_row_29_truth_values_are_words(self) -> None:
        assert FORM.create(push(access_pass=True)).body.endswith(b"&showaccesspass=true")

    def test_row_11_everything_but_unreserved_characters_is_percent_encoded(self) -> None:
        assert b"&servicename=a%20b%2Bc%26d%3De%25f~%C3%A4&" in FORM.create(push("a b+c&d=e%f~ä")).body

    def test_row_30_a_transaction_is_no_word_of_this_dialect(self) -> None:
        request = push()._replace(transaction=Transaction("title", "description"))
        assert FORM.create(request) == FORM.create(push())

    def test_a_request_id_goes_back_exactly_as_it_came(self) -> None:
        odd = created(CREATED.replace(REQUEST_ID, "a+b/c=%41"))
        assert FORM.look(odd).body.endswith(b"&requestid=a%2Bb%2Fc%3D%2541")


class TestCreated:
    def test_a_good_answer(self) -> None:
        assert created(f"{CREATED}&authsessionicondata={ICON}") == SESSION._replace(access_pass=PNG)

    def test_row_3_ids_stay_text_up_to_the_ends_of_64_bits(self) -> None:
        for text in ("-9223372036854775808", "9223372036854775807", "0", "9007199254740993"):
            assert created(CREATED.replace(ID, text)).id == text

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "+1",
            "01",
            "-0",
            "-01",
            " 1",
            "1 ",
            "1.0",
            "1e3",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
            "٣",
        ],
    )
    def test_row_3_anything_else_is_no_id(self, text: str) -> None:
        with pytest.raises(IdServerNonsense):
            created(CREATED.replace(ID, text))

    def test_row_4_the_secsign_id_is_the_servers_word_in_lower_case(self) -> None:
        assert created(CREATED.replace("alice", "Bob@Example.ORG")).secsign_id == "bob@example.org"

    @pytest.mark.parametrize("name", ["authsessionid", "requestid", "secsignid"])
    def test_row_9_without_its_ids_it_is_no_answer(self, name: str) -> None:
        with pytest.raises(IdServerNonsense):
            created(CREATED.replace(f"{name}=", f"x{name}="))

    @pytest.mark.parametrize("value", ["", "a b", "ä", "x" * 257])
    def test_row_9_a_malformed_request_id(self, value: str) -> None:
        with pytest.raises(IdServerNonsense):
            created(CREATED.replace(REQUEST_ID, value))

    @pytest.mark.parametrize("value", ["", " alice", "alice ", "al ice", "al%69ce", "älice", "a" * 256])
    def test_row_9_a_malformed_secsign_id(self, value: str) -> None:
        with pytest.raises(IdServerNonsense):
            created(CREATED.replace("=alice", f"={value}"))

    @pytest.mark.parametrize(
        "icon",
        [
            "",
            "not base64",
            ICON[:-1],
            ICON.replace("+", " "),
            ICON + "!",
            base64.b64encode(b"GIF89a").decode(),
            "ä",
            "A" * 40_000,
        ],
    )
    def test_row_10_a_bad_picture_is_none_and_fails_nothing(self, icon: str) -> None:
        assert created(f"{CREATED}&authsessionicondata={icon}") == SESSION

    def test_row_10_11_a_picture_may_be_raw_or_percent_encoded(self) -> None:
        assert "+" in ICON
        assert ICON.endswith("=")
        encoded = ICON.replace("+", "%2B").replace("/", "%2f").replace("=", "%3D")
        assert created(f"{CREATED}&authsessionicondata={encoded}").access_pass == PNG

    def test_row_32_the_state_in_it_is_nobodys_approval(self) -> None:
        assert created(CREATED.replace("authsessionstate=1", "authsessionstate=3")) == SESSION


class TestState:
    @pytest.mark.parametrize("number", range(9))
    def test_row_2_one_digit_is_a_state(self, number: int) -> None:
        assert state(f"{STATE}{number}") == StateReport(ID, "alice", number)

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "3.0",
            "3e0",
            "3 ",
            " 3",
            "+3",
            "-3",
            "03",
            "0x3",
            "true",
            "null",
            "[3]",
            "33",
            "AUTHENTICATED",
            '"3"',
            "%33",
            "٣",
            "\uff13",
            "³",
        ],
    )
    def test_row_2_nothing_else_is(self, value: str) -> None:
        with pytest.raises(IdServerNonsense):
            state(f"{STATE}{value}")

    def test_row_1_4_the_ids_are_reported_as_the_server_said_them(self) -> None:
        other = state("authsessionid=7&secsignid=MALLORY&authsessionstate=3")
        assert other == StateReport("7", "mallory", AuthSessionState.AUTHENTICATED)

    @pytest.mark.parametrize("name", ["authsessionid", "secsignid", "authsessionstate"])
    def test_row_4_all_three_fields_are_needed(self, name: str) -> None:
        with pytest.raises(IdServerNonsense):
            state(f"{STATE}3".replace(f"{name}=", f"x{name}="))

    def test_row_8_the_same_field_twice_is_no_answer(self) -> None:
        for twice in ("&authsessionstate=3", "&authsessionstate=1", "&servicename=a&servicename=a"):
            with pytest.raises(IdServerNonsense):
                state(f"{STATE}3{twice}")

    def test_row_30_names_are_case_sensitive_and_never_decoded(self) -> None:
        for name in ("AuthSessionState", "%61uthsessionstate", " authsessionstate"):
            with pytest.raises(IdServerNonsense):
                state(f"authsessionid={ID}&secsignid=alice&{name}=3")

    def test_unknown_fields_are_ignored_and_order_is_free(self) -> None:
        assert state(f"authsessionstate=3&new=a=b==&secsignid=alice&authsessionid={ID}").state == 3

    @pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\r\n\r\n"])
    def test_line_ends_after_the_last_value_are_cut_off(self, end: str) -> None:
        assert state(f"{STATE}3{end}").state == 3

    @pytest.mark.parametrize(
        "body",
        [
            b"\xef\xbb\xbf" + f"{STATE}3".encode(),
            f"{STATE}3\0".encode(),
            f"{STATE}3\0&x=y".encode(),
            f"{STATE}3&x=\x1b[2J".encode(),
            f"{STATE}3&x=\x7f".encode(),
            f"{STATE}3&x=a\nb".encode(),
            f"{STATE}3&x=\x85".encode(),
            f"{STATE}3&x=".encode() + b"\xff",
            f"{STATE}3&x=".encode() + b"\xc0\x80",
            f"{STATE}3".encode("utf-16"),
        ],
    )
    def test_row_17_control_bytes_byte_order_marks_and_foreign_encodings(self, body: bytes) -> None:
        with pytest.raises(IdServerNonsense):
            state(body)

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "3",
            "&",
            f"{STATE}3&",
            f"{STATE}3&stray",
            f"{STATE}3;x=y",
            f"{STATE}3".replace("&", "%26"),
            f"{STATE}3".replace("=", "%3D"),
            "<!doctype html><p>Room number? <a href='/?authsessionstate=3&secsignid=alice'>Go on</a>",
            f'{{"authsessionstate":3,"authsessionid":{ID},"secsignid":"alice"}}',
        ],
    )
    def test_row_16_what_is_no_list_of_fields_is_no_answer(self, body: str) -> None:
        with pytest.raises(IdServerNonsense):
            state(body)


class TestRefusals:
    def test_no_such_secsign_id(self) -> None:
        with pytest.raises(IdServerRefused, match="users file") as caught:
            created("error=500&errormsg=A SecSign ID does not exist & more&errorcode=20000")
        assert (caught.value.http_status, caught.value.error, caught.value.errorcode) == (200, "500", "20000")
        assert "A SecSign ID does not exist" in str(caught.value)

    def test_frozen(self) -> None:
        with pytest.raises(IdServerRefused, match="frozen") as caught:
            created("error=500&errorcode=20006", status=409)
        assert (caught.value.http_status, caught.value.errorcode) == (409, "20006")

    @pytest.mark.parametrize("error", ["error=500", "error=", "error=0", "error=ok", "error=500;errormsg=x;"])
    def test_row_5_an_error_counts_whatever_else_is_said(self, error: str) -> None:
        for body in (f"{STATE}3&{error}", f"{error}&{STATE}3", error):
            with pytest.raises(IdServerRefused) as caught:
                state(body)
            assert caught.value.http_status == 200

    @pytest.mark.parametrize(
        "status", [100, 101, 201, 204, 206, 301, 302, 304, 307, 308, 400, 401, 403, 404, 409, 500, 503, 999]
    )
    def test_row_6_12_a_good_body_counts_with_status_200_only(self, status: int) -> None:
        with pytest.raises(IdServerRefused) as caught:
            state(f"{STATE}3", status)
        assert caught.value.http_status == status
        with pytest.raises(IdServerRefused):
            created(CREATED, status)
        with pytest.raises(IdServerRefused):
            FORM.done(answer(f"authsessionid={ID}&authsessionstate=6", status), SESSION)

    def test_row_7_an_error_may_lack_all_detail_or_have_absurd_ones(self) -> None:
        for body in (
            "error=five hundred",
            "error=" + "9" * 1000,
            "error=500&errorcode=&errormsg=",
            "error=1&errormsg=%ff%00%",
        ):
            with pytest.raises(IdServerRefused) as caught:
                state(body)
            assert caught.value.errorcode == ""

    def test_row_17_an_unreadable_body_of_another_status_is_still_a_refusal(self) -> None:
        with pytest.raises(IdServerRefused) as caught:
            state(b"\xff\xfe", 503)
        assert (caught.value.http_status, caught.value.error) == (503, "")

    def test_row_21_no_request_id_gets_into_a_sentence(self) -> None:
        for said in (REQUEST_ID, REQUEST_ID.lower(), f"no {REQUEST_ID}.", "%37B10C4E2" + REQUEST_ID[8:]):
            with pytest.raises(IdServerRefused) as caught:
                state(f"error=400&errormsg={said}")
            assert REQUEST_ID[8:].lower() not in str(caught.value).lower()
        with pytest.raises(IdServerRefused) as caught:
            created(f"error=400&errormsg=busy with {REQUEST_ID}")
        assert "7B10" not in str(caught.value)

    def test_row_21_no_secret_shows_in_a_representation(self) -> None:
        shown = repr((FORM.look(SESSION), answer(CREATED), SESSION))
        assert REQUEST_ID not in shown

    def test_row_22_server_texts_are_printable_and_bounded_in_a_sentence(self) -> None:
        with pytest.raises(IdServerRefused) as caught:
            state("error=400&errormsg=" + "%1b[2J%0afake log line %E2%80%AEtxet " * 500)
        sentence = str(caught.value)
        assert sentence.isascii()
        assert sentence.isprintable()
        assert len(sentence) < 500


class TestDone:
    def test_row_4_a_cancel_answer_has_no_secsign_id(self) -> None:
        FORM.done(answer(f"authsessionid={ID}&authsessionstate=6"), SESSION)

    def test_a_release_answer_may_lack_the_auth_session(self) -> None:
        FORM.done(answer("authsessionstate=3"), SESSION)

    @pytest.mark.parametrize(
        "body", ["", "authsessionid=7&authsessionstate=6", f"authsessionid={ID}", "authsessionstate=CANCELED"]
    )
    def test_anything_else_was_not_done(self, body: str) -> None:
        with pytest.raises(IdServerNonsense):
            FORM.done(answer(body), SESSION)
