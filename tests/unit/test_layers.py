"""The house keeps its walls: who may import what, what the waiting door loads, and how many roads lead to a yes."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from progress_sample import progress

import secsign_gate
from secsign_gate.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secsign_gate.ask_and_answer import WireMessage

PACKAGE = Path(secsign_gate.__file__).parent
STDLIB = sys.stdlib_module_names

# For each place: which of our modules, and which of others', it may import. Lazy imports inside functions count too.
OURS = {
    "core": ("core", "errors"),
    "doors": ("doors", "ask_and_answer", "wire", "errors", "core.verdict", "terminal"),
    "terminal": ("terminal", "core.verdict", "wire"),
    "authorized_keys": ("authorized_keys", "core", "directory.registry_file", "errors"),
    "broker": ("broker", "core", "wire", "errors", "config", "trusted_file", "id_server", "directory"),
    "id_server": ("id_server", "core", "errors", "config"),
    "directory": ("directory", "core", "errors", "trusted_file"),
    "config": ("config", "core", "errors", "trusted_file"),
    "sshd": ("sshd", "core", "errors", "trusted_file"),
    "doctor": (
        "doctor",
        "authorized_keys.CommandLine",
        "sshd",
        "core",
        "errors",
        "config",
        "trusted_file",
        "directory",
        "id_server",
        "broker",
        "wire",
    ),
    "probe": ("probe", "core", "errors"),
    "activation": (
        "activation",
        "doctor",
        "probe",
        "sshd",
        "core",
        "errors",
        "config",
        "trusted_file",
        "directory",
        "broker.account_lookup",
    ),
    "admin": (
        "admin",
        "authorized_keys",
        "core",
        "errors",
        "config",
        "trusted_file",
        "directory",
        "id_server",
        "broker",
        "wire",
        "sshd",
        "doctor",
        "probe",
        "activation",
    ),
    "simulator": ("simulator",),
    "wire.py": ("ask_and_answer", "errors"),
    "ask_and_answer.py": ("errors",),
    "errors.py": (),
    "trusted_file.py": ("errors",),
    "__init__.py": (),
    "__main__.py": ("admin",),
}
OTHERS = {
    "broker/metrics.py": {"prometheus_client"},
    "id_server/network.py": {"httpcore", "httpx"},
    "id_server/transport.py": {"httpcore", "httpx"},
    "admin": {"click"},
    "probe": {"paramiko"},
    "probe/identity.py": {"cryptography"},  # paramiko's, which lets some of its exceptions through
    "simulator": {"click", "cryptography", "httpx", "starlette", "uvicorn"},
}
IMPURE = {
    "asyncio", "datetime", "io", "logging", "os", "pathlib", "posix", "pwd", "random", "secrets", "select", "shutil",
    "signal", "socket", "ssl", "subprocess", "sys", "syslog", "tempfile", "threading", "time",
}  # fmt: skip


def files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def imported(path: Path) -> Iterator[str]:
    """Yield every absolute module name that the file imports, with `from a import b` as `a.b`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it leads"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_place_has_its_row() -> None:
    assert {place(path) for path in files()} <= set(OURS)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_place_may(path: Path) -> None:
    ours = OURS[place(path)]
    others = OTHERS.get(str(path.relative_to(PACKAGE)), set()) | OTHERS.get(place(path), set())
    for name in imported(path):
        top, _, rest = name.partition(".")
        if top == "secsign_gate":
            # the simulator's commands hang on the same program, by name and loaded only when called
            may = rest == "__version__" or any(rest == one or rest.startswith(f"{one}.") for one in ours)
            assert may, f"{path.name} imports {name}"
        else:
            assert top in STDLIB or top in others, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").glob("*.py")), ids=lambda path: path.name)
def test_the_core_has_no_clock_no_environment_no_io(path: Path) -> None:
    for name in imported(path):
        assert name.partition(".")[0] not in IMPURE, f"{path.name} imports {name}"
    calls = {
        node.func.id for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "print", "input", "eval", "exec", "__import__"}


def loaded_by(code: str) -> set[str]:
    """Return which modules are loaded after `code` in an interpreter such as sshd starts for the door."""
    program = (
        f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); before = set(sys.modules)\n{code}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True, capture_output=True, text=True)
    return set(run.stdout.split())


PROGRESS = progress()
TO_KNOCK = {"secsign_gate", "secsign_gate.doors", "_socket"}
TO_ASK = {"secsign_gate.ask_and_answer", "secsign_gate.doors.claim"}
TO_OBEY = {
    "secsign_gate.doors.ask_broker", "secsign_gate.doors.hand_over", "select",
}  # fmt: skip # while the broker looks into the question
FOR_WORDS = {
    "secsign_gate.doors.wait_for_broker", "secsign_gate.doors.waiting", "secsign_gate.errors", "secsign_gate.terminal",
    "secsign_gate.terminal.words", "secsign_gate.wire",
}  # fmt: skip


def loaded_to_obey(*said: WireMessage) -> set[str]:
    """Return which modules a door has loaded when it becomes a shell, after these messages of a broker."""
    words = b"".join(message.encode() for message in said)
    return loaded_by(
        "import secsign_gate.doors\n"
        "ours, theirs = sys.modules['_socket'].socketpair()\n"
        f"theirs.sendall({words!r})\n"
        "secsign_gate.doors.knock = lambda _: ours\n"
        "sys.argv[1:] = ['--broker', '/the/socket']\n"
        "def execve(*_):\n"
        "    print(*sorted(set(sys.modules) - before), flush=True)\n"
        "    sys.modules['posix']._exit(0)\n"
        "sys.modules['posix'].execve = execve\n"
        "secsign_gate.doors.main()"
    )


def test_the_door_loads_exactly_this_before_it_knocks() -> None:
    assert loaded_by("import secsign_gate.doors") == TO_KNOCK


def test_who_has_a_grant_loads_exactly_this() -> None:
    assert loaded_to_obey(Answer(allowed=True, why="granted", login_shell=b"/bin/sh")) == TO_KNOCK | TO_ASK | TO_OBEY


def test_who_waits_without_a_terminal_loads_only_words_more() -> None:
    loaded = loaded_to_obey(PROGRESS, Answer(allowed=True, why="approved", login_shell=b"/bin/sh"))
    assert loaded == TO_KNOCK | TO_ASK | TO_OBEY | FOR_WORDS


def test_nothing_heavy_is_ever_loaded_in_the_waiting_process() -> None:
    heavy = {
        "asyncio", "click", "ctypes", "dataclasses", "email", "http", "httpx", "inspect", "json", "logging", "pathlib",
        "re", "site", "socket", "ssl", "subprocess", "tempfile", "threading", "typing", "urllib",
    }  # fmt: skip
    everything = "\n".join(
        f"import {'.'.join(path.relative_to(PACKAGE.parent).with_suffix('').parts).removesuffix('.__init__')}"
        for folder in ("doors", "terminal")
        for path in sorted((PACKAGE / folder).glob("*.py"))
    )
    assert not loaded_by(everything) & heavy


TO_ANSWER_FOR_A_KEY = {
    "_stat", "binascii", "errno", "secsign_gate", "secsign_gate.authorized_keys", "secsign_gate.core",
    "secsign_gate.core.account_name", "secsign_gate.core.offered_key", "secsign_gate.core.registry_line",
    "secsign_gate.core.scanned_line", "secsign_gate.core.secsign_id", "secsign_gate.directory",
    "secsign_gate.directory.registry_file", "secsign_gate.errors", "secsign_gate.trusted_file",
}  # fmt: skip


def test_who_answers_for_a_key_loads_exactly_this_and_cannot_reach_any_phone() -> None:
    assert loaded_by("import secsign_gate.authorized_keys") == TO_ANSWER_FOR_A_KEY


@pytest.mark.parametrize("path", sorted((PACKAGE / "authorized_keys").glob("*.py")), ids=lambda path: path.name)
def test_who_answers_for_a_key_knows_no_network(path: Path) -> None:
    reached = loaded_by(f"import secsign_gate.authorized_keys.{path.stem}") if path.stem != "__init__" else set()
    assert not reached & {"_socket", "_ssl", "asyncio", "http", "httpcore", "httpx", "select", "socket", "ssl"}


def test_an_embedded_login_that_asks_no_phone_loads_no_http_client() -> None:
    assert not loaded_by("import secsign_gate.broker.embedded") & {"anyio", "h11", "httpcore", "httpx"}


def calls_of(function: str) -> Iterator[str]:
    for path in files():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
                yield str(path.relative_to(PACKAGE))


def test_there_are_two_roads_to_a_yes_and_no_third() -> None:
    assert sorted(calls_of("allow")) == ["core/approval.py", "core/policy.py"]
    assert set(calls_of("Allow")) == {"core/verdict.py"}


def test_a_door_is_told_yes_in_one_place() -> None:
    told = []
    for path in files():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                told += [
                    str(path.relative_to(PACKAGE))
                    for keyword in node.keywords
                    if keyword.arg == "allowed"
                    and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
                ]
    assert told == ["broker/case.py"]


def test_pam_is_told_yes_in_one_place() -> None:
    told = [
        str(path.relative_to(PACKAGE))
        for path in files()
        if place(path) == "doors"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") in {"_exit", "exit"}
        and [getattr(argument, "value", None) for argument in node.args] == [0]
    ]
    assert told == ["doors/pam.py"]


EXECS = {f"exec{kind}" for kind in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")}


def test_exec_stands_in_one_place() -> None:
    execs = {
        str(path.relative_to(PACKAGE))
        for path in files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in EXECS
    }
    assert {name for name in execs if name.startswith("doors/")} == {"doors/hand_over.py"}


def test_no_exception_is_swallowed_whole() -> None:
    for path in files():
        for node in ast.walk(tree(path)):
            assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"bare except in {path}"


def test_no_file_is_two_subjects() -> None:
    for path in files():
        assert len(path.read_text().splitlines()) <= 350, f"{path} is over 350 lines"
