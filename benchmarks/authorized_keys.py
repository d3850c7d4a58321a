"""What sshd waits for when a key is offered: its AuthorizedKeysCommand, beside a Python that does nothing."""

import base64
import hashlib
import random
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from gated_host import PREFIX, PYTHON
from report import Aim, Section, Table, median
from stand import fresh_folder

ROUNDS = 200
BARE = (PYTHON, "-I", "-S", "-c", "pass")
PROGRAM = (
    PYTHON,
    "-I",
    "-S",
    f"{PREFIX}/bin/secsign-gate-authorized-keys",
    "--broker",
    "/run/secsign-gate/broker.sock",
)
KINDS = (100, 10_000, 100_000)
HOW = """Time from the start of the process to its end, of `python3 -I -S -c pass` (`bare`) and of the program that sshd
asks about an offered key, with registries of so many keys, the line in question anywhere in them; `not there` is a key
that none of the 10000 lines holds, `certificate` one whose authority a line names. One of each in turn, round after
round; the factor is the median of those within a round."""


def measure(rounds: int) -> Section:
    """Return what an answer costs, beside a bare interpreter."""
    with fresh_folder() as folder:
        chance = random.Random(1)  # noqa: S311 - which key is offered, the same ones each time
        for keys in KINDS:
            write_registry(folder / str(keys), keys)
        certified = certificate(folder)
        taken: dict[str, list[float]] = {}
        for _ in range(rounds):
            asked = {f"{keys} keys": (folder / str(keys), plain(chance.randrange(keys))) for keys in KINDS}
            asked["not there"] = folder / "10000", plain(-1)
            asked["certificate"] = folder / "10000", certified
            taken.setdefault("bare", []).append(seconds(BARE, answered=False))
            for name, (registry, words) in asked.items():
                command = (*PROGRAM, "--registry", str(registry), "deploy", *words, "SHA256:x")
                taken.setdefault(name, []).append(seconds(command, answered=name != "not there"))
    bare = taken["bare"]
    factors = {
        name: median([one / base for one, base in zip(times, bare, strict=True)]) for name, times in taken.items()
    }
    rows = [(name, f"{1000 * median(times):.2f}", f"{factors[name]:.2f}") for name, times in taken.items()]
    table = Table(("asked about", "ms", "/ bare"), rows)
    aims = (Aim("one of 10000 keys / bare", factors["10000 keys"], 2.5),)
    return Section("A key is offered", HOW, (table,), aims, f"{rounds} rounds, medians")


def seconds(command: Sequence[str], *, answered: bool) -> float:
    """Return how long the command takes. It must print a line exactly if it is `answered`."""
    before = time.perf_counter()
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    taken = time.perf_counter() - before
    if bool(run.stdout) is not answered:
        raise RuntimeError(f"{command} printed {run.stdout!r}")
    return taken


def plain(number: int) -> tuple[str, str]:
    """Return type and text of the key of this number."""
    key = hashlib.sha256(f"key {number}".encode()).digest()
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0 " + key
    return "ssh-ed25519", base64.b64encode(blob).decode()


def write_registry(path: Path, keys: int) -> None:
    """Make a registry of so many keys."""
    lines = [f"deploy,root person{number} {' '.join(plain(number))} person{number}'s laptop" for number in range(keys)]
    path.write_text("".join(f"{line}\n" for line in lines))


def certificate(folder: Path) -> tuple[str, str]:
    """Return type and text of a certificate, and put its authority into the registry of 10000 keys."""
    for name in ("authority", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/{name}"], check=True)
    sign = ["ssh-keygen", "-q", "-s", f"{folder}/authority", "-I", "x", "-n", "deploy", f"{folder}/key.pub"]
    subprocess.run(sign, check=True)
    authority = (folder / "authority.pub").read_text().strip()
    with (folder / "10000").open("a") as registry:
        registry.write(f"deploy person0 cert-authority {authority}\n")
    key_type, text = (folder / "key-cert.pub").read_text().split()[:2]
    return key_type, text
