"""What the program for offered keys meets: words that sshd would not say, damaged files, an answer that nobody takes.

Whatever it is: nothing on standard output, one sentence on standard error, and an exit status that sshd takes for a no.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from ssh_samples import ED25519, OTHER_ED25519, RSA, certificate, words

import secsign_gate
from secsign_gate.core.authorized_keys import parse_key_line

PACKAGE = Path(secsign_gate.__file__).parent
PROGRAM = PACKAGE / "doors/bin/secsign-gate-authorized-keys"  # the gate's program is beside it
TYPE, TEXT = (word.decode() for word in words(ED25519).split())
START = (
    "import sys\n"
    f"sys.path.insert(0, {str(PACKAGE.parent)!r})\n"
    f"sys.argv[0] = {str(PROGRAM)!r}\n"
    "from secsign_gate.authorized_keys import main\n"
    "main()"
)
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="a registry is root's")
pytestmark = as_root


def asked(
    *arguments: str | bytes,
    flags: str = "-IS",
    env: dict[str, str] = ENVIRONMENT,
    stdout: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, flags, "-c", START, *arguments]
    return subprocess.run(command, check=False, stdout=stdout, stderr=subprocess.PIPE, env=env, timeout=60)


def refused(run: subprocess.CompletedProcess[bytes], *says: str) -> None:
    """Insist on nothing but one sentence that can be shown."""
    assert run.returncode == 78
    assert run.stdout == b""
    sentence = run.stderr.decode("ascii")
    assert sentence.startswith("secsign-gate authorized-keys: ")
    assert sentence.count("\n") == 1
    assert sentence.strip().isprintable()
    assert len(sentence) < 400
    for words_of_it in says:
        assert words_of_it in sentence


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    path = tmp_path / "registry"
    path.write_text(f"deploy alice {TYPE} {TEXT}\n")
    path.chmod(0o644)
    return path


def ask(
    registry: Path,
    flags: str = "-IS",
    env: dict[str, str] = ENVIRONMENT,
    stdout: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.CompletedProcess[bytes]:
    words_of_sshd = ["--registry", str(registry), "deploy", TYPE, TEXT, "SHA256:x"]
    return asked(*words_of_sshd, flags=flags, env=env, stdout=stdout)


def test_one_line_that_ends(registry: Path) -> None:
    run = ask(registry)
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout.startswith(b'restrict,pty,command="exec ')
    assert run.stdout.endswith(f" {TYPE} {TEXT}\n".encode())
    assert run.stdout.count(b"\n") == 1
    printed = parse_key_line(run.stdout)
    assert printed is not None
    assert str(PROGRAM.parent).encode() in (printed.options.force_command or b"")


@pytest.mark.parametrize(
    "content",
    [
        "# nothing\n",
        f"root alice {TYPE} {TEXT}\n",
        f"deploy2,xdeploy alice {TYPE} {TEXT}\n",
        f"# deploy alice {TYPE} {TEXT}\n",
        f"deploy alice {words(RSA).decode()} {TEXT}\n",
        f"deploy alice cert-authority {TYPE} {TEXT}\n",
        f'deploy alice principals="deploy" {TYPE} {TEXT}\n',
    ],
)
def test_nothing_for_a_key_that_is_not_there(registry: Path, content: str) -> None:
    registry.write_text(content)
    run = ask(registry)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "0 words stand behind the options"),
        (["deploy"], "1 words"),
        (["deploy", TYPE, TEXT], "3 words"),
        (["deploy", TYPE, TEXT, "f", "more"], "5 words"),
        (["--colour", "deploy"], "'--colour' is unknown"),
        (["--registry"], "--registry needs a value"),
        (["--registry", "/a", "--registry", "/b", "deploy", TYPE, TEXT, "f"], "given twice"),
        (["--registry", "relative", "deploy", TYPE, TEXT, "f"], "no absolute path"),
        (["--registry", "", "deploy", TYPE, TEXT, "f"], "no absolute path"),
        (["--broker", "/a", "--config", "/b", "deploy", TYPE, TEXT, "f"], "exclude each other"),
        (["--broker", "run/b", "deploy", TYPE, TEXT, "f"], "no absolute path that every shell reads alike"),
        (["--broker", "/run/$(id)", "deploy", TYPE, TEXT, "f"], "no absolute path that every shell reads alike"),
        (["--config", "/run/a b", "deploy", TYPE, TEXT, "f"], "no absolute path that every shell reads alike"),
        (["", TYPE, TEXT, "f"], "1 to 256 characters"),
        (["-deploy", TYPE, TEXT, "f"], "begins with neither"),
        (["../deploy", TYPE, TEXT, "f"], "no slash"),
        (["dep loy", TYPE, TEXT, "f"], "no blank"),
        (["dep\nloy", TYPE, TEXT, "f"], "no control character"),
        (["dep\\0loy\x01", TYPE, TEXT, "f"], "no control character"),
        ([b"dep\xffloy", TYPE, TEXT, "f"], "no control character"),
        (["d" * 100_000, TYPE, TEXT, "f"], "1 to 256 characters"),
        (["deploy", "", TEXT, "f"], "not of the type"),
        (["deploy", "ssh-rsa", TEXT, "f"], "not of the type"),
        (["deploy", "s" * 100_000, TEXT, "f"], "not of the type"),
        (["deploy", TYPE, "", "f"], "1 to 65536 letters"),
        (["deploy", TYPE, "A" * 100_000, "f"], "1 to 65536 letters"),
        (["deploy", TYPE, TEXT + "\n", "f"], "no base64"),
        (["deploy", TYPE, "../../etc/passwd", "f"], "no base64"),
        (["deploy", TYPE, b"\xff\xfe", "f"], "no base64"),
        (["deploy", TYPE, TEXT, ""], "fingerprint (%f) is none"),
        (["deploy", TYPE, TEXT, "SHA256:a\nb"], "fingerprint (%f) is none"),
        (["deploy", TYPE, TEXT, "f" * 100_000], "fingerprint (%f) is none"),
    ],
)
def test_words_that_sshd_would_not_say(arguments: list[str | bytes], says: str) -> None:
    refused(asked(*arguments), says)


def test_a_careless_start_is_none(registry: Path) -> None:
    refused(ask(registry, flags="-I"), "without -I -S")
    refused(ask(registry, flags="-S"), "without -I -S")


@pytest.mark.parametrize(
    "damage", ["fifo", "folder", "missing", "empty", "cut off", "zeros", "group", "others", "owner"]
)
def test_a_registry_that_is_none(registry: Path, damage: str) -> None:
    whole = registry.read_bytes()
    if damage in ("fifo", "folder", "missing"):
        registry.unlink()
    match damage:
        case "fifo":
            os.mkfifo(registry)
        case "folder":
            registry.mkdir()
        case "empty":
            registry.write_bytes(b"")
        case "cut off":
            registry.write_bytes(whole + whole[:-1])
        case "zeros":
            registry.write_bytes(whole + b"\0" * 4096 + b"\n")
        case "group":
            registry.chmod(0o664)
        case "others":
            registry.chmod(0o646)
        case "owner":
            os.chown(registry, 12345, 12345)
    refused(ask(registry), str(registry))


def test_a_link_of_roots_is_followed_and_one_of_somebody_elses_is_not(registry: Path) -> None:
    link = registry.with_name("link")
    link.symlink_to(registry)
    assert ask(link).stdout
    os.lchown(link, 12345, 12345)
    refused(ask(link), "symbolic link", "not to root")


def test_a_folder_on_the_way_that_others_may_change(registry: Path) -> None:
    registry.parent.chmod(0o777)
    refused(ask(registry), "can be written by everybody")


def test_a_registry_that_is_too_large(registry: Path) -> None:
    with registry.open("ab") as file:
        file.truncate(20 * 1024 * 1024)
    refused(ask(registry), "is larger than")


def test_a_disk_that_fails() -> None:
    """The first page of this regular file of root's cannot be read."""
    refused(asked("--registry", "/proc/self/mem", "deploy", TYPE, TEXT, "f"), "cannot be read (Input/output error)")


def test_lines_that_are_huge_or_no_text_spoil_nothing_else(registry: Path) -> None:
    good = registry.read_text()
    huge = f'deploy alice command="{"x" * 1_000_000}" {TYPE} {TEXT}\n'
    registry.write_bytes(
        huge.encode() + bytes(range(1, 256)) * 40 + b"\n" + b"\xff" * 1_000_000 + b"\n" + good.encode()
    )
    run = ask(registry)
    assert run.returncode == 0
    assert b"--restricted-to" not in run.stdout
    assert run.stdout.count(b"\n") == 1


def test_an_answer_that_nobody_takes(registry: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        run = ask(registry, stdout=full)
    assert run.returncode == 78
    assert b"No space left on device" in run.stderr
    reading, writing = os.pipe()
    os.close(reading)
    run = ask(registry, stdout=writing)
    os.close(writing)
    assert run.returncode == 78
    assert b"Broken pipe" in run.stderr


def test_the_gate_must_be_there(registry: Path, tmp_path: Path) -> None:
    moved = START.replace(str(PROGRAM), str(tmp_path / "secsign-gate-authorized-keys"))
    run = subprocess.run(
        [sys.executable, "-IS", "-c", moved, "--registry", str(registry), "deploy", TYPE, TEXT, "f"],
        capture_output=True,
        check=False,
    )
    refused(run, "the gate is not at", "No such file")


def test_a_certificate_is_answered_with_its_authority(registry: Path) -> None:
    key_type, text = words(certificate(principals=(b"deploy",))).decode().split()
    authority = words(OTHER_ED25519).decode()
    registry.write_text(f"deploy alice no-pty,cert-authority {authority}\n")
    run = asked("--registry", str(registry), "deploy", key_type, text, "f")
    assert run.returncode == 0
    assert run.stdout.startswith(b'restrict,cert-authority,command="exec ')
    assert run.stdout.endswith(f" {authority}\n".encode())
    broken = base64.b64encode(base64.b64decode(text)[:-9]).decode()
    refused(asked("--registry", str(registry), "deploy", key_type, broken, "f"), "certificate is malformed")


def test_it_takes_nothing_from_its_environment(registry: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('in')")
    careless = {name: str(tmp_path) for name in ("PYTHONPATH", "PYTHONHOME", "HOME", "XDG_CONFIG_HOME", "LANG")}
    assert ask(registry, env=careless | {"PYTHONSTARTUP": "x", "TZ": ":/etc/nowhere"}).stdout == ask(registry).stdout


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX", ""])
def test_names_are_compared_whatever_the_locale(registry: Path, locale: str) -> None:
    name = "j\u00fcrgen"
    registry.write_text(f"{name} alice {TYPE} {TEXT}\n")
    run = asked("--registry", str(registry), name.encode(), TYPE, TEXT, "f", env={"LC_ALL": locale, "LANG": locale})
    assert run.stdout
