"""How a door starts: from its place, by what its sources say, and with a sentence if something is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_layers import TO_ASK, TO_KNOCK, TO_OBEY

import secsign_gate

PACKAGE = Path(secsign_gate.__file__).parent
SITE_PACKAGES = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An installation of the door and what it may import, not compiled yet."""
    installed = tmp_path / SITE_PACKAGES / "secsign_gate"
    for part in ("doors", "terminal", "core"):
        shutil.copytree(PACKAGE / part, installed / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in PACKAGE.glob("*.py"):
        shutil.copy(file, installed)
    (tmp_path / "bin").mkdir()
    shutil.copy(PACKAGE / "doors/bin/secsign-gate-force-command", tmp_path / "bin")
    return tmp_path


def door(prefix: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Start it as sshd does."""
    command = [sys.executable, "-I", "-S", f"{prefix}/bin/secsign-gate-force-command", *options]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_it_starts_from_where_it_lies(prefix: Path) -> None:
    said = door(prefix, "--broker", "/nowhere/broker.sock")
    assert (said.returncode, said.stdout) == (75, "")
    assert said.stderr.startswith("secsign-gate: ")
    assert "no broker at /nowhere/broker.sock" in said.stderr


def test_what_it_runs_is_what_the_source_says_now(prefix: Path) -> None:
    door(prefix)  # compiled from now on
    source = prefix / SITE_PACKAGES / "secsign_gate/doors/__init__.py"
    compiled = list(source.parent.glob("__pycache__/__init__.*.pyc"))
    source.write_text(source.read_text().replace("no broker at", "nobody is at"))
    assert compiled
    assert "nobody is at /nowhere" in door(prefix, "--broker", "/nowhere").stderr


def test_a_compiled_file_that_is_damaged_lets_nobody_in(prefix: Path) -> None:
    door(prefix)
    (compiled,) = (prefix / SITE_PACKAGES / "secsign_gate/doors").glob("__pycache__/__init__.*.pyc")
    compiled.write_bytes(compiled.read_bytes()[:200])
    said = door(prefix, "--broker", "/nowhere")
    assert said.returncode != 0
    assert said.stdout == ""


@pytest.mark.parametrize("seconds", [-1, 0, 2**32 + 5])
def test_a_source_may_be_of_any_date(prefix: Path, seconds: int) -> None:
    for source in (prefix / SITE_PACKAGES / "secsign_gate").rglob("*.py"):
        os.utime(source, (seconds, seconds))
    for _ in ("compiled", "found compiled"):
        said = door(prefix, "--broker", "/nowhere/broker.sock")
        assert (said.returncode, said.stdout) == (75, ""), said.stderr
        assert "no broker at /nowhere/broker.sock" in said.stderr


def damage(compiled: Path, how: str) -> None:
    content = compiled.read_bytes()
    match how:
        case "empty":
            compiled.write_bytes(b"")
        case "header cut":
            compiled.write_bytes(content[:10])
        case "of another Python":
            compiled.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        case "huge":
            compiled.write_bytes(content + bytes(1 << 20))
        case "a folder":
            compiled.unlink()
            compiled.mkdir()


@pytest.mark.parametrize("how", ["empty", "header cut", "of another Python", "huge", "a folder"])
def test_a_compiled_file_that_cannot_be_of_the_source_is_passed_over(prefix: Path, how: str) -> None:
    door(prefix)
    (compiled,) = (prefix / SITE_PACKAGES / "secsign_gate/doors").glob("__pycache__/__init__.*.pyc")
    damage(compiled, how)
    said = door(prefix, "--broker", "/nowhere/broker.sock")
    assert (said.returncode, said.stdout) == (75, ""), said.stderr


@pytest.mark.parametrize(
    "missing", ["", "doors", "doors/start.py", "doors/__init__.py"], ids=lambda part: part or "all"
)
def test_an_installation_that_is_incomplete_says_so(prefix: Path, missing: str) -> None:
    part = prefix / SITE_PACKAGES / "secsign_gate" / missing
    shutil.rmtree(part) if part.is_dir() else part.unlink()
    said = door(prefix, "--broker", "/nowhere")
    assert (said.returncode, said.stdout) == (78, "")
    assert said.stderr.startswith("secsign-gate: the installation is incomplete (")
    assert said.stderr.endswith("); tell your administrator\n")


@pytest.mark.parametrize("missing", ["ask_and_answer.py", "doors/claim.py", "doors/hand_over.py"])
def test_a_part_that_is_missing_later_is_a_refusal(prefix: Path, missing: str) -> None:
    (prefix / SITE_PACKAGES / "secsign_gate" / missing).unlink()
    said = door(prefix, "--config", "/nowhere")
    assert said.returncode != 0
    assert said.stdout == ""
    assert said.stderr


def test_nothing_of_the_users_is_read_on_the_way(prefix: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    (planted / "secsign_gate").mkdir(parents=True)
    (planted / "secsign_gate/__init__.py").write_text("print('planted')")
    for name in ("select", "posix", "marshal"):
        (planted / f"{name}.py").write_text("print('planted')")
    command = [sys.executable, "-I", "-S", f"{prefix}/bin/secsign-gate-force-command", "--broker", "/nowhere"]
    environment = os.environ | {"PYTHONPATH": str(planted), "PYTHONHOME": str(planted), "PYTHONSTARTUP": "x"}
    said = subprocess.run(command, cwd=planted, env=environment, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (75, "")


def test_what_every_login_needs_is_read_where_a_search_would_find_it(prefix: Path) -> None:
    site_packages = prefix / SITE_PACKAGES
    program = (
        f"import sys; sys.path.insert(0, {str(site_packages)!r})\n"
        f"exec(open({str(site_packages / 'secsign_gate/doors/start.py')!r}).read())\n"
        "from importlib.machinery import PathFinder\n"
        "for name in PLACES:\n"
        "    path = sys.modules[name.rpartition('.')[0]].__path__ if '.' in name else None\n"
        "    searched = PathFinder.find_spec(name, path)\n"
        "    assert '{}/{}.py'.format(*PLACES[name]) == searched.origin, name\n"
        "    module = sys.modules[name]\n"
        "    assert getattr(module, '__path__', None) == searched.submodule_search_locations, name\n"
        "print(*PLACES)"
    )
    said = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    needed = {name for name in TO_KNOCK | TO_ASK | TO_OBEY if name.startswith("secsign_gate.")}
    assert set(said.stdout.split()) == needed
