"""What is put on record of a login: one line of ASCII, whatever the client sent."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from audit_sample import KEY, LOGIN, RECORD
from hypothesis import given, settings
from hypothesis import strategies as st

from secsign_gate.broker.audit_record import MAX_LINE, Certificate, Event, Record, escaped, line_of
from secsign_gate.core.login import Command, LoginShell, PamService, PublicKey, SshConnection
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Ground, Reason, Verdict, allow, refuse


def fields(record: Record) -> dict[str, Any]:
    found = json.loads(line_of(record))
    assert isinstance(found, dict)
    return found


class TestFields:
    def test_an_approved_command(self) -> None:
        assert list(fields(RECORD).items()) == [
            ("time", "2024-05-17T09:30:12.345Z"),
            ("event", "verdict"),
            ("reference", "7F3KQ2"),
            ("verdict", "allow"),
            ("ground", "approved"),
            ("door", "force_command"),
            ("account", "alice"),
            ("uid", 1000),
            ("client_address", "192.0.2.7"),
            ("client_port", 50022),
            ("server_address", "2001:db8::1"),
            ("server_port", 22),
            ("methods", ["publickey ssh-ed25519", "keyboard-interactive/pam"]),
            ("fingerprints", [KEY]),
            ("terminal", True),
            ("wanted", "command"),
            ("command", "uptime"),
            ("command_bytes", 6),
            ("secsign_id", "alice"),
            ("auth_session_id", "-5208431176540921877"),
            ("waited_seconds", 4.207),
        ]

    def test_an_exemption_names_its_rule(self) -> None:
        found = fields(RECORD._replace(verdict=allow(Ground.EXEMPT_NETWORK, "192.0.2.0/24"), secsign_id=None))
        assert (found["verdict"], found["ground"], found["rule"]) == ("allow", "exempt_network", "192.0.2.0/24")
        assert "secsign_id" not in found

    def test_a_refusal_has_a_reason_and_no_ground(self) -> None:
        found = fields(RECORD._replace(verdict=refuse(Reason.ID_SERVER_UNREACHABLE, "no route")))
        assert (found["verdict"], found["reason"], found["detail"]) == ("refuse", "id_server_unreachable", "no route")
        assert "ground" not in found

    def test_a_shell_is_not_a_command_called_shell(self) -> None:
        shell = fields(RECORD._replace(login=LOGIN._replace(wanted=LoginShell())))
        assert shell["wanted"] == "shell"
        assert "command" not in shell
        command = fields(RECORD._replace(login=LOGIN._replace(wanted=Command(b"shell"))))
        assert (command["wanted"], command["command"]) == ("command", "shell")

    def test_an_empty_command_is_there_and_empty(self) -> None:
        found = fields(RECORD._replace(login=LOGIN._replace(wanted=Command(b""))))
        assert (found["wanted"], found["command"], found["command_bytes"]) == ("command", "", 0)

    def test_a_restricted_key_and_a_certificate(self) -> None:
        found = fields(
            RECORD._replace(
                login=LOGIN._replace(restriction=b"rrsync /srv"), certificate=Certificate(b"alice\n@ca", 2**64 - 1)
            )
        )
        assert (found["restriction"], found["restriction_bytes"]) == ("rrsync /srv", 11)
        assert (found["certificate_key_id"], found["certificate_serial"]) == ("alice\\x0a@ca", "18446744073709551615")

    def test_a_claim_that_could_not_be_used(self) -> None:
        found = fields(RECORD._replace(verdict=refuse(Reason.CLAIM_UNUSABLE), login=None, account="", secsign_id=None))
        assert (found["reason"], found["uid"], found["door"]) == ("claim_unusable", 1000, "force_command")
        assert not found.keys() & {"account", "client_address", "methods", "command", "secsign_id"}

    def test_a_connection_without_a_peer(self) -> None:
        found = fields(RECORD._replace(login=LOGIN._replace(connection=SshConnection(None, 65535, None, 65535))))
        assert "client_address" not in found

    def test_a_client_that_left_after_all(self) -> None:
        found = fields(RECORD._replace(event=Event.CLIENT_LEFT_BEFORE_HAND_OVER, verdict=refuse(Reason.CLIENT_LEFT)))
        assert (found["event"], found["reason"]) == ("client_left_before_hand_over", "client_left")


class TestForeignBytes:
    @pytest.mark.parametrize(
        ("raw", "limit", "shown"),
        [
            (b"printf '\xff\n\x1b[31m'", 100, "printf '\\xff\\x0a\\x1b[31m'"),
            (b"a\\x0ab", 100, "a\\x5cx0ab"),  # a backslash that was sent is told from one that we wrote
            ("Grüße".encode(), 100, "Gr\\xc3\\xbc\\xc3\\x9fe"),
            (b'"{}', 100, '"{}'),
            (b"", 3, ""),
            (b"a" * 16, 16, "a" * 16),
            (b"a" * 17, 16, "a" * 13 + "..."),
            (b"a" * 10 + b"\n" * 9, 16, "a" * 10 + "..."),
            (b"a" * 12 + b"\n", 16, "a" * 12 + "\\x0a"),
            (b"\n" * 5, 16, "\\x0a" * 3 + "..."),
        ],
    )
    def test_text_is_escaped_so_that_it_can_be_read_back_and_cut_between_escapes(
        self, raw: bytes, limit: int, shown: str
    ) -> None:
        assert escaped(raw, limit) == shown

    @settings(deadline=None)
    @given(st.binary(max_size=60), st.integers(3, 80))
    def test_any_text_is_bounded_printable_and_what_is_whole_can_be_read_back(self, raw: bytes, limit: int) -> None:
        shown = escaped(raw, limit)
        assert len(shown) <= limit
        assert shown.isascii()
        assert shown.isprintable()
        back = re.sub(r"\\x(..)", lambda found: chr(int(found[1], 16)), shown).encode("latin-1")
        assert back == raw or (back.endswith(b"...") and raw.startswith(back[:-3]))

    def test_the_full_length_of_a_long_command_is_told(self) -> None:
        found = fields(RECORD._replace(login=LOGIN._replace(wanted=Command(b"x" * 131050))))
        assert (len(found["command"]), found["command_bytes"]) == (1024, 131050)
        assert found["command"].endswith("x...")

    foreign = st.binary(max_size=2000) | st.sampled_from([b'"' * 2000, b"\\" * 2000, b"\xff" * 2000])
    names = st.text(max_size=300) | st.sampled_from(['"' * 300, "\udcff" * 300, "\ud800", "\u2028" * 300])

    @settings(deadline=None)
    @given(st.data())
    def test_no_login_makes_a_line_that_is_too_long_or_not_one_line_of_ascii(self, data: st.DataObject) -> None:
        def name() -> str:
            return data.draw(self.names)

        def foreign() -> bytes:
            return data.draw(self.foreign)

        many = data.draw(st.integers(0, 20))
        login = LOGIN._replace(
            methods=tuple(PublicKey(name(), b"") for _ in range(many)),
            fingerprints=tuple(name() for _ in range(many)),
            wanted=Command(foreign()),
            restriction=foreign(),
        )
        verdict: Verdict = (
            allow(Ground.EXEMPT_COMMAND, name()) if many % 2 else refuse(Reason.ID_SERVER_REFUSED, name())
        )
        certificate = Certificate(foreign(), 2**64 - 1)
        record = RECORD._replace(
            login=login,
            verdict=verdict,
            certificate=certificate,
            reference=name(),
            account=name(),
            door=name(),
            secsign_id=SecSignId(name()),
            auth_session_id=name(),
        )
        line = line_of(record)
        assert len(line) <= MAX_LINE
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line)["command_bytes"] == len(login.wanted.line if isinstance(login.wanted, Command) else b"")

    def test_the_longest_line_of_all_fits(self) -> None:
        worst = '"' * 3000
        login = LOGIN._replace(
            methods=tuple(PublicKey(worst, b"") for _ in range(20)),
            fingerprints=tuple(worst for _ in range(20)),
            wanted=Command(worst.encode()),
            restriction=worst.encode(),
        )
        record = RECORD._replace(
            login=login,
            verdict=refuse(Reason.CANCELED_AT_ID_SERVER, worst),
            certificate=Certificate(worst.encode(), 2**64 - 1),
            reference=worst,
            account=worst,
            door=worst,
            secsign_id=SecSignId(worst),
            auth_session_id=worst,
        )
        assert 5000 < len(line_of(record)) <= MAX_LINE

    def test_the_request_id_has_no_way_in(self) -> None:
        assert not {field for field in Record._fields if "request" in field}


class TestDocumentation:
    TEXT = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()

    def documented(self, section: str) -> set[str]:
        rows = self.TEXT.partition(f"## {section}")[2].partition("\n## ")[0]
        return {
            name for row in re.findall(r"^\|([^|]*)\|", rows, re.MULTILINE) for name in re.findall(r"`([a-z_]+)`", row)
        }

    def test_every_field_is_documented_and_no_other(self) -> None:
        full = RECORD._replace(
            login=LOGIN._replace(restriction=b"x"),
            certificate=Certificate(b"x", 1),
            verdict=allow(Ground.EXEMPT_GROUP, "x"),
            unproven="x",
            service=PamService("sudo", "auth", "/dev/pts/3", "x", whole_connection=False),
        )
        refused = full._replace(verdict=refuse(Reason.NO_ANSWER, "x"))
        assert self.documented("Fields") == fields(full).keys() | fields(refused).keys()

    def test_every_reason_ground_and_event_is_documented(self) -> None:
        assert self.documented("Reasons") == {reason.value for reason in Reason}
        assert all(f"`{word.value}`" in self.TEXT for word in [*Ground, *Event])

    def test_the_example_is_a_record(self) -> None:
        found = re.search(r"^secsign-gate\[4711\]: (\{.*\})$", self.TEXT, re.MULTILINE)
        assert found is not None
        assert json.loads(found[1]).keys() == fields(RECORD).keys()
