"""Make the project's .venv with Debian's Python and install the project into it, not editable.

    virtual_environment.py [EXTRA…]       extras of pyproject.toml: simulator, test, check

It works where Debian's python3-venv and python3-pip are not installed: pip then comes out of a downloaded package, as
ensurepip would take it. The interpreter is /usr/bin/python3, for every account must be able to run what sshd starts.
Done again only when pyproject.toml or the interpreter changes; pip's settings are the machine's.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from fetch_packages import CACHE, FetchError, fetch
from packages import GROUPS

CHECKOUT = Path(__file__).resolve().parents[2]
VIRTUAL_ENVIRONMENT = CHECKOUT / ".venv"
PYTHON = Path("/usr/bin/python3")
OLDEST_PYTHON = (3, 11)
WHEELS = "usr/share/python-wheels"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def install(extras: list[str]) -> None:
    """Bring .venv up to date with pyproject.toml, with `extras`. Raises FetchError and CalledProcessError."""
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=True
    ).stdout
    pyproject = (CHECKOUT / "pyproject.toml").read_text()
    note = VIRTUAL_ENVIRONMENT / "installed"  # the state that was installed, and its extras
    state = hashlib.sha256(f"{version}{pyproject}".encode()).hexdigest()
    noted, *had = note.read_text().split() if note.exists() else [""]
    if noted == state and set(extras) <= set(had):
        return
    wanted = sorted({*extras, *had})
    print(f"installing the project with what it needs into {VIRTUAL_ENVIRONMENT} …", file=sys.stderr, flush=True)
    os.umask(0o022)
    interpreter = VIRTUAL_ENVIRONMENT / "bin/python3"
    made_by = VIRTUAL_ENVIRONMENT / "python-version"
    if not made_by.exists() or made_by.read_text() != version:
        subprocess.run([PYTHON, "-m", "venv", "--without-pip", "--clear", VIRTUAL_ENVIRONMENT], check=True)
        made_by.write_text(version)
    pip, environment = pip_from_somewhere()
    project = f"{CHECKOUT}[{','.join(wanted)}]"
    subprocess.run([interpreter, pip, "install", "-qq", project], check=True, env=environment)
    note.write_text(" ".join([state, *wanted]))


def pip_from_somewhere() -> tuple[Path, dict[str, str]]:
    """Return pip as one file that Python can run, and the environment for it; nothing is cached outside the project."""
    environment = os.environ | {"PIP_CACHE_DIR": str(CACHE / "pip"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    wheels = sorted(Path("/", WHEELS).glob("pip-*.whl"))
    if not wheels or not CERTIFICATES.exists():
        tree = fetch(GROUPS["pip"])
        wheels = sorted(tree.joinpath(WHEELS).glob("pip-*.whl")) or wheels
        if not CERTIFICATES.exists() and "PIP_CERT" not in environment:  # Debian's pip trusts this file and no other
            bundle = CACHE / "ca-certificates.crt"
            mozilla = sorted(tree.glob("usr/share/ca-certificates/mozilla/*.crt"))
            bundle.write_text("".join(certificate.read_text() for certificate in mozilla))
            environment["PIP_CERT"] = str(bundle)
    if not wheels:
        raise FetchError(
            f"there is no pip in /{WHEELS}, although python3-pip-whl is installed; reinstall that package."
        )
    return wheels[-1] / "pip", environment


def main() -> int:
    if sys.version_info < OLDEST_PYTHON:
        print("virtual_environment: this project needs Python 3.11 or newer, as in Debian 12.", file=sys.stderr)
        return 69
    try:
        install(sys.argv[1:])
    except FetchError as failure:
        print(f"virtual_environment: {failure}", file=sys.stderr)
        return 69
    except OSError as failure:
        print(f"virtual_environment: {failure.filename}: {failure.strerror}; does it belong to you?", file=sys.stderr)
        return 69
    except subprocess.CalledProcessError as failure:
        print(f"virtual_environment: that failed with status {failure.returncode}; see above.", file=sys.stderr)
        return 69
    return 0


if __name__ == "__main__":
    sys.exit(main())
