"""What an SELinux policy would allow, without a kernel that knows SELinux: checkpolicy's own engine is asked."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT = Path(__file__).parents[1]
SOURCE, CONTEXTS = CHECKOUT / "selinux/secsign_gate.te", CHECKOUT / "selinux/secsign_gate.fc"
DEBIANS = Path("/usr/share/selinux/default")
# Modules of Debian's whose domains the rules name; base.pp has the others.
WITH = ("ssh", "unconfined", "staff", "unprivuser", "su", "sudo", "logrotate")
_SID = re.compile(r"^sid (\d+)$|return code 0x", re.MULTILINE)
_ALLOWED = re.compile(r"allowed {([^}]*)}")


class Access(NamedTuple):
    """A question: what may who (a context) do with what (a context), as which class of object?"""

    who: str
    what: str
    kind: str


class PolicyError(Exception):
    """A tool of SELinux complained; str() is what it said."""


def run(*command: str | Path, given: str = "") -> str:
    """Run a tool of SELinux; return what it printed. Raises PolicyError."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise PolicyError(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def built(source: Path, contexts: Path, folder: Path) -> Path:
    """Compile the module in `source` and package it with `contexts`; return the package, in `folder`."""
    module = folder / f"{source.stem}.mod"
    package = folder / f"{source.stem}.pp"
    run("checkmodule", "-M", "-m", "-o", module, source)
    run("semodule_package", "-o", package, "-m", module, "-f", contexts)
    return package


def linked(packages: Sequence[Path], policy: Path) -> Path:
    """Write to `policy` what the kernel would be given if these packages were installed; neverallow rules are kept."""
    together = policy.with_suffix(".linked")
    run("semodule_link", "-o", together, *packages)
    run("semodule_expand", together, policy)
    return policy


def debians_with_ours(folder: Path, *others: Path) -> tuple[Path, Path]:
    """Return Debian's policy with our module, and what has which label then, both in `folder`. Raises PolicyError.

    `others` are further packages to be in it.

    Linking says so if something is not there that the module requires, expanding if it breaks a neverallow rule.
    """
    packages = []
    for name in ("base", *WITH):
        packages.append(folder / f"{name}.pp")
        with packages[-1].open("wb") as file:
            subprocess.run(["bzcat", DEBIANS / f"{name}.pp.bz2"], stdout=file, check=True)
    policy = linked([*packages, built(SOURCE, CONTEXTS, folder), *others], folder / "policy")
    contexts = folder / "base.fc"
    run("semodule_unpackage", folder / "base.pp", folder / "base.mod", contexts)
    contexts.write_text(f"{contexts.read_text()}\n{CONTEXTS.read_text()}")
    return policy, contexts


def labels(contexts: Path, paths: Sequence[str], kind: str) -> dict[str, str]:
    """Return the contexts that files at these paths have; `kind` is their class, as `file`."""
    mode = {"sock_file": "sock", "chr_file": "char"}.get(kind, kind)
    found = run("matchpathcon", "-n", "-m", mode, "-f", contexts, *(path.rstrip("/") or "/" for path in paths))
    return dict(zip(paths, found.split(), strict=True))


def allowed(policy: Path, questions: Sequence[Access]) -> list[set[str]]:
    """Return what `policy` allows, an answer for each question: the permissions. Raises PolicyError."""
    contexts = sorted({context for one in questions for context in (one.who, one.what)})
    by_number = "".join(f"2\n{context}\n" for context in contexts)
    numbers = _SID.findall(_asked(policy, by_number))
    unknown = [context for context, number in zip(contexts, numbers, strict=True) if not number]
    if unknown:
        raise PolicyError(f"the policy does not know {', '.join(unknown)}")
    sid = dict(zip(contexts, numbers, strict=True))
    asking = "".join(f"0\n{sid[one.who]}\n{sid[one.what]}\n{one.kind}\n" for one in questions)
    answers = _ALLOWED.findall(_asked(policy, by_number + asking))
    if len(answers) != len(questions):
        raise PolicyError("checkpolicy did not answer every question; does the policy know the classes?")
    return [set(answer.split()) for answer in answers]


def _asked(policy: Path, commands: str) -> str:
    return run("checkpolicy", "-M", "-b", "-d", policy, given=f"{commands}q\n")
