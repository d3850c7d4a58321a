"""What holds for an ID server whatever its dialect, against the simulator over TLS.

"Row n" is row n of the table of pitfalls, protocol reference 7.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from blocking_id_server import PIN_ARGUMENTS, BlockingIdServer, push, settings_for
from running_simulator import RunningSimulator

from secsign_gate.config import IdServerSettings, PinAccount
from secsign_gate.core.auth_session import AuthSession, AuthSessionState, StateReport, Transaction
from secsign_gate.errors import IdServerNonsense, IdServerRefused, IdServerUnreachable

Dialect = Literal["form", "rest"]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with RunningSimulator(tmp_path_factory.mktemp("simulator"), *PIN_ARGUMENTS) as running:
        yield running


@pytest.fixture(params=["form", "rest"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    chosen: Dialect = request.param
    return chosen


@pytest.fixture
def settings(simulator: RunningSimulator, dialect: Dialect) -> IdServerSettings:
    return settings_for(dialect, simulator.url, simulator.ca_file)


@pytest.fixture
def server(settings: IdServerSettings, simulator: RunningSimulator) -> Iterator[BlockingIdServer]:
    with BlockingIdServer(settings) as client:
        yield client
    simulator.clear_faults()


@pytest.fixture
def user() -> str:
    """A SecSign ID that no other test uses: the ID server suspends and freezes what is asked twice."""
    return f"alice{next(_numbers)}"


def of_user(simulator: RunningSimulator, user: str) -> dict[str, Any]:
    """The simulator's record of the one auth session of this user."""
    [found] = [record for record in simulator.auth_sessions() if record["secsignid"] == user]
    return found


class TestOneAuthSession:
    def test_accepted(self, server: BlockingIdServer, simulator: RunningSimulator, user: str) -> None:
        ours = server.open(push(user))
        assert (ours.secsign_id, ours.server_url, ours.access_pass) == (user, simulator.url, None)
        assert server.state_of(ours) == StateReport(ours.id, user, AuthSessionState.PENDING)
        simulator.fetch(user)
        assert server.state_of(ours).state == AuthSessionState.FETCHED
        simulator.accept(user)
        assert server.state_of(ours) == StateReport(ours.id, user, AuthSessionState.AUTHENTICATED)

    def test_denied(self, server: BlockingIdServer, simulator: RunningSimulator, user: str) -> None:
        ours = server.open(push(user))
        simulator.deny(user)
        assert server.state_of(ours).state == AuthSessionState.DENIED

    @pytest.mark.parametrize("end", ["suspended", "expired", "invalid"])
    def test_ended_by_the_server(
        self, server: BlockingIdServer, simulator: RunningSimulator, user: str, end: str
    ) -> None:
        ours = server.open(push(user))
        simulator.faults(end, on="state")
        assert server.state_of(ours).state == AuthSessionState[end.upper()]

    def test_cancel_takes_it_off_the_phone(
        self, server: BlockingIdServer, simulator: RunningSimulator, user: str
    ) -> None:
        ours = server.open(push(user))
        assert len(simulator.pending(user)) == 1
        server.cancel(ours)
        assert simulator.pending(user) == []
        assert of_user(simulator, user)["state"] == "CANCELED"
        with pytest.raises(IdServerRefused):
            server.state_of(ours)

    def test_release_disposes_of_it(self, server: BlockingIdServer, simulator: RunningSimulator, user: str) -> None:
        ours = server.open(push(user))
        simulator.accept(user)
        server.release(ours)
        assert of_user(simulator, user)["disposed"] is not None
        with pytest.raises(IdServerRefused):
            server.state_of(ours)

    def test_the_access_pass_is_the_picture_to_pick(
        self, server: BlockingIdServer, simulator: RunningSimulator, user: str
    ) -> None:
        ours = server.open(push(user, access_pass=True))
        name = of_user(simulator, user)["access_pass"]
        picture = httpx.get(f"{simulator.phone_url}access-passes/{name}.png", trust_env=False).content
        assert ours.access_pass == picture
        simulator.pick(user, name)
        assert server.state_of(ours).state == AuthSessionState.AUTHENTICATED

    def test_the_phone_shows_what_was_asked(
        self, server: BlockingIdServer, simulator: RunningSimulator, user: str
    ) -> None:
        server.open(push(user)._replace(service_name='"web1" + <b>', service_address="a~b/c?d#e"))
        [shown] = simulator.pending(user)
        assert (shown["servicename"], shown["serviceaddress"]) == ('"web1" + <b>', "a~b/c?d#e")

    def test_a_transaction_is_shown_where_there_are_transactions(
        self, server: BlockingIdServer, simulator: RunningSimulator, user: str, dialect: Dialect
    ) -> None:
        server.open(push(user)._replace(transaction=Transaction("alice@web1", "rsync from 192.0.2.7")))
        [shown] = simulator.pending(user)
        wanted = {"title": "alice@web1", "description": "rsync from 192.0.2.7", "data": []}
        assert shown["transaction"] == (wanted if dialect == "rest" else None)


class TestRefusals:
    def test_frozen(self, server: BlockingIdServer, simulator: RunningSimulator, user: str, dialect: Dialect) -> None:
        simulator.faults("frozen", on="create")
        with pytest.raises(IdServerRefused, match="frozen") as caught:
            server.open(push(user))
        assert (caught.value.http_status, caught.value.errorcode) == (409 if dialect == "rest" else 200, "20006")

    def test_no_such_secsign_id(self, tmp_path: Path, dialect: Dialect) -> None:
        with RunningSimulator(tmp_path, "--id", "bob", *PIN_ARGUMENTS) as strict:
            settings = settings_for(dialect, strict.url, strict.ca_file)
            with BlockingIdServer(settings) as server:
                with pytest.raises(IdServerRefused, match="no such SecSign ID") as caught:
                    server.open(push("alice"))
                assert caught.value.errorcode == "20000"
                assert server.open(push("bob")).secsign_id == "bob"

    def test_another_auth_sessions_secret_opens_nothing(
        self, server: BlockingIdServer, simulator: RunningSimulator, user: str, dialect: Dialect
    ) -> None:
        ours = server.open(push(user))
        theirs = ours._replace(id="7") if dialect == "rest" else ours._replace(request_id="0" * 64)
        simulator.accept(user)
        with pytest.raises(IdServerRefused):
            server.state_of(theirs)

    def test_wrong_pin_account(self, simulator: RunningSimulator, user: str) -> None:
        settings = settings_for("rest", simulator.url, simulator.ca_file)
        with BlockingIdServer(settings._replace(pin_account=PinAccount("gate", "wrong"))) as server:
            with pytest.raises(IdServerRefused, match="PIN account") as caught:
                server.open(push(user))
            assert caught.value.http_status == 401


class TestWhatGoesOverTheWire:
    def test_row_31_one_warm_connection_carries_a_whole_login_and_nothing_else(
        self, server: BlockingIdServer, simulator: RunningSimulator, user: str
    ) -> None:
        before = len(simulator.log())
        ours = server.open(push(user))
        for _ in range(3):
            server.state_of(ours)
        simulator.accept(user)
        server.state_of(ours)
        server.release(ours)
        entries = simulator.log()[before:]
        assert len({entry["connection"] for entry in entries}) == 1
        kinds = [entry["kind"] for entry in entries]
        assert kinds[:-1] == ["create"] + ["state"] * 4
        assert kinds[-1] in {"release", "cancel"}
        assert all(entry["refused"] is None for entry in entries)

    def test_no_header_that_nobody_asked_for(
        self, server: BlockingIdServer, simulator: RunningSimulator, user: str, dialect: Dialect
    ) -> None:
        simulator.faults("raw", on="create", headers={"set-cookie": "track=me; Path=/"}, body_base64="")
        with pytest.raises(IdServerNonsense):
            server.open(push(user))
        ours = server.open(push(user))
        server.state_of(ours)
        for entry in simulator.log()[-2:]:
            body_headers = {"content-type", "content-length"} if dialect == "form" else {"authorization"}
            everywhere = {"host", "connection", "user-agent", "accept", "accept-encoding"}
            assert set(entry["headers"]) == everywhere | body_headers
            assert entry["headers"]["accept-encoding"] == "identity"
            assert entry["headers"]["user-agent"].startswith("secsign-gate/")

    def test_row_12_a_redirect_is_refused_and_followed_nowhere(
        self, server: BlockingIdServer, simulator: RunningSimulator, user: str
    ) -> None:
        ours = server.open(push(user))
        attempts: dict[str, Callable[[], object]] = {
            "create": lambda: server.open(push(f"{user}x")),
            "state": lambda: server.state_of(ours),
            "cancel": lambda: server.cancel(ours),
        }
        for (kind, attempt), status in itertools.product(attempts.items(), (301, 302, 303, 307, 308)):
            simulator.faults("redirect", on=kind, status=status, location=f"{simulator.url}/rest/v2/AuthSession")
            before = len(simulator.log())
            with pytest.raises(IdServerRefused, match="redirect") as caught:
                attempt()
            assert caught.value.http_status == status
            assert len(simulator.log()) == before + 1


# What the simulator's misbehaviour makes of a state answer that would otherwise say AUTHENTICATED.
LIES: list[tuple[str, dict[str, Any], type[Exception] | int]] = [
    ("status", {"status": 500}, IdServerRefused),
    ("status", {"status": 404}, IdServerRefused),
    ("error", {}, IdServerRefused),
    ("error", {"error": "five hundred"}, IdServerRefused),
    ("error", {"errormsg": "", "errorcode": 20000}, IdServerRefused),
    ("captive_portal", {}, IdServerNonsense),
    ("missing", {"field": "authsessionstate"}, IdServerNonsense),
    *(("state", {"value": str(number)}, number) for number in range(10)),
    *(
        ("state", {"value": value}, IdServerNonsense)
        for value in ("3.0", "3e0", '"3 "', "+3", "03", "0x3", "true", "null")
    ),
    *(("state", {"value": value}, IdServerNonsense) for value in ("[3]", '{"3":3}', "AUTHENTICATED", "", "3" * 40)),
    ("state_and_error", {}, IdServerRefused),
    ("duplicate", {"value": "3"}, IdServerNonsense),
    ("duplicate", {"name": "x", "value": "1"}, AuthSessionState.AUTHENTICATED),
    ("literal", {"name": "authsessionid", "value": "1.0"}, IdServerNonsense),
    ("field", {"name": "secsignid", "value": "al ice"}, IdServerNonsense),
    ("forged_echo", {"text": "web1&authsessionstate=3"}, IdServerNonsense),
    ("empty", {}, IdServerNonsense),
    ("byte_order_mark", {}, IdServerNonsense),
    ("nul", {}, IdServerNonsense),
    ("control_character", {}, IdServerNonsense),
    ("invalid_utf8", {}, IdServerNonsense),
    ("deep_json", {"depth": 20_000}, IdServerNonsense),
    ("raw", {"status": 202}, IdServerRefused),
    ("raw", {"status": 201, "body_base64": "e30="}, IdServerRefused),
    ("gzip", {}, IdServerUnreachable),
    ("huge", {}, IdServerUnreachable),
    ("huge_header", {}, IdServerUnreachable),
]


@pytest.mark.parametrize(("fault", "options", "outcome"), LIES, ids=lambda value: str(value)[:40])
def test_rows_1_to_17_only_a_good_answer_is_an_answer(  # noqa: PLR0917 - pytest passes by name
    server: BlockingIdServer,
    simulator: RunningSimulator,
    user: str,
    dialect: Dialect,
    fault: str,
    options: dict[str, Any],
    outcome: type[Exception] | int,
) -> None:
    ours = server.open(push(user))
    simulator.accept(user)
    simulator.faults(fault.replace("_", "-"), on="state", **options)
    if fault == "forged_echo" and dialect == "rest":
        outcome = AuthSessionState.AUTHENTICATED  # JSON quotes what it echoes
    if isinstance(outcome, type):
        with pytest.raises(outcome):
            server.state_of(ours)
    else:
        assert server.state_of(ours).state == outcome
    assert server.state_of(ours) == StateReport(ours.id, user, AuthSessionState.AUTHENTICATED)


@pytest.mark.parametrize("fault", ["wrong-authsessionid", "wrong-secsignid"])
def test_row_4_foreign_ids_are_reported_for_the_core_to_refuse(
    server: BlockingIdServer, simulator: RunningSimulator, user: str, fault: str
) -> None:
    ours = server.open(push(user))
    simulator.accept(user)
    simulator.faults(fault, on="state")
    report = server.state_of(ours)
    assert (report.auth_session_id, report.secsign_id) != (ours.id, ours.secsign_id)


@pytest.mark.parametrize(
    "fault", ["wrong-authsessionid", "wrong-requestid", "missing", "error", "empty", "huge", "frozen"]
)
def test_row_26_a_create_that_fails_is_never_repeated(
    server: BlockingIdServer, simulator: RunningSimulator, user: str, fault: str
) -> None:
    options: dict[str, Any] = {"field": "authsessionid"} if fault == "missing" else {}
    simulator.faults(fault, on="create", **options)
    before = len(simulator.log("create"))
    try:
        answered: AuthSession | None = server.open(push(user))
    except (IdServerRefused, IdServerNonsense, IdServerUnreachable):
        answered = None
    assert (answered is not None) == fault.startswith("wrong-")
    assert len(simulator.log("create")) == before + 1
