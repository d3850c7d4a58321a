"""Where a text stops being TOML, and on which line of it each setting stands."""

import pytest

from secsign_gate.config import Settings
from secsign_gate.config.reader import parse_settings
from secsign_gate.errors import ConfigError, Problem

MINIMAL = '[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n'


def load(text: str) -> Settings:
    return parse_settings("/etc/secsign-gate/secsign-gate.toml", text)


def problems(text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return caught.value.problems


class TestNotToml:
    @pytest.mark.parametrize(
        ("text", "line", "says"),
        [
            (MINIMAL + "[push\n", 4, "expected ']' at the end of a table declaration"),
            (MINIMAL + 'x = "unfinished\n', 4, "illegal character"),
            (MINIMAL + "x = [1,\n2,\n", 5, "this is not TOML"),
            (MINIMAL + "x\n", 4, "expected '=' after a key"),
            (MINIMAL + 'url = "again"\n', 4, "cannot overwrite a value"),
            (MINIMAL + "a" + ".a" * 40 + " = 1\n", 4, "a key of too many parts"),
            ("x = " + "[" * 5000 + "\n", 0, "brackets nested too deep"),
            ("x = " + "9" * 5000 + "\n", 0, "a number too long to be one"),
        ],
    )
    def test_the_line_where_it_stops_being_toml(self, text: str, line: int, says: str) -> None:
        [found] = problems(text)
        assert found.line == line
        assert f"this is not TOML: {says}" in found.what or says in found.what

    def test_a_hundred_thousand_parts_take_no_time(self) -> None:
        # tomllib alone would be at it for hours
        assert "too many parts" in problems("a" + ".a" * 100_000 + " = 1\n")[0].what
        assert "too many parts" in problems('x = """"\n"""\n' + '"a".' * 100_000 + "a = 1\n")[0].what

    def test_dots_in_texts_and_comments_are_just_dots(self) -> None:
        dots = "." * 200
        settings = load(MINIMAL + f"[push] # {dots}\nservice_name = '{dots}' # {dots}\n")
        assert settings.push.service_name == dots


@pytest.mark.parametrize(
    "text",
    [
        'policy.exempt_commands = [\n  {accounts = "a",\n  command = 1}]\n',
        'x = """\n[push]\nwait_seconds = 1\n"""\n[push]\nwait_seconds = 1\n',
        "x = '''\n[push]\n'''\n[push]\n'wait_seconds' = 1\n",
        'x = "\\"#[" # "\n[push]\n"wait_seconds" = 1\n',
        "[ push ]\n\nwait_seconds  = 1 # = 2\n",
        "[push]\r\n\r\n'wait_seconds'= 1\r\nservice_name = \"{x}\"\r\n",
        "push.wait_seconds = 1\n",
        'push = { service_name = "ok", wait_seconds = 1 }\n',
        '[[policy.exempt_commands]]\naccounts = "a"\ncommand = """b"""""\n[[policy.exempt_commands]]\naccounts = 1\n',
    ],
)
def test_lines_are_right_however_the_toml_is_written(text: str) -> None:
    """Every problem's line holds the last part of its key, or opens the table or value that the key is in."""
    for found in problems(text):
        if found.key.startswith("id_server"):
            continue  # missing as a whole
        line = text.split("\n")[found.line - 1]
        parts = [part.partition("[")[0] for part in found.key.split(".")]
        assert parts[-1] in line or parts[-2] in line, (found.key, line)
