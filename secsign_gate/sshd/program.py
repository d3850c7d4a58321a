"""The sshd of this host, and what it says of its own configuration: `sshd -t`, `sshd -T -C …` (sshd(8)).

It is asked and never changed. As a rule that takes root, since sshd reads its host keys first.
"""

import getopt
import os
import re
import subprocess
from itertools import pairwise
from typing import NamedTuple

from secsign_gate.errors import GateError
from secsign_gate.sshd.effective import Effective, parse_effective
from secsign_gate.sshd.running import Listener, listeners
from secsign_gate.sshd.version import Version, parse_version

DEFAULT_CONFIGURATION = "/etc/ssh/sshd_config"
_USUAL_PLACES = ("/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd", "/sbin/sshd")
_OPTIONS = "C:E:b:c:f:g:h:k:o:p:u:46DGQRTVdeiqrt"  # of every release from 9.2 on (sshd.c, getopt)
_KEPT = frozenset({"-4", "-6", "-c", "-g", "-h", "-o", "-p"})  # those that change what the configuration means
_SECONDS = 20  # sshd takes milliseconds; longer, and it waits for something that will not come
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_NOBODY, _NOWHERE = "secsign-gate-asks-for-nobody", "192.0.2.7"  # RFC 5737
_DEBUG = re.compile(r"debug[123]: ")


class SshdError(GateError):
    """sshd is not there, does not answer, or refuses its configuration."""


class Sshd(NamedTuple):
    """An sshd and how it is, or would be, started.

    `executable` and `configuration` are absolute paths. `options` are those of the running one's command line that
    change what its configuration means (`-o`, `-p` …), ready to be given to another run; empty if none runs.
    """

    executable: str
    version: Version
    configuration: str
    options: tuple[str, ...] = ()

    def validate(self) -> None:
        """Return if sshd would start with this configuration. Raises SshdError with sshd's own sentence if not."""
        self._run("-t")

    def effective(  # noqa: PLR0913, PLR0917 - one parameter for each criterion of Match
        self,
        user: str,
        address: str,
        host: str,
        local_address: str = "127.0.0.1",
        local_port: int = 22,
        routing_domain: str = "",
    ) -> Effective:
        """Return what sshd would do for a connection of account `user` from `address`, whose name is `host`.

        The account need not exist. `host` is the address again unless sshd looks names up (UseDNS). `routing_domain` is
        the VRF that the connection comes in by, empty for none. All criteria are given, also that one, for in 9.2 one
        that is left out makes its Match silently not match. Raises SshdError.
        """
        asked = {"user": user, "host": host, "addr": address, "laddr": local_address, "lport": str(local_port)}
        for name, value in asked.items():
            if not value or not value.isprintable() or "," in value:
                raise SshdError(
                    f"sshd cannot be asked about {name} {value!a}; it takes no commas and nothing unprintable"
                )
        if not routing_domain.isprintable() or "," in routing_domain:
            raise SshdError(f"sshd cannot be asked about rdomain {routing_domain!a}; it takes no commas")
        criteria = ",".join(f"{name}={value}" for name, value in (asked | {"rdomain": routing_domain}).items())
        shown = self._run("-T", "-ddd", "-C", criteria)
        if not shown.stdout:
            raise SshdError(f"{self.executable} -T said nothing; run it by hand")
        values = (value for option, value in pairwise(self.options) if option == "-o")
        return parse_effective(shown.stdout, shown.stderr, tuple(values))

    def settings(self) -> Effective:
        """Return what may not stand in Match blocks: ports, host keys and the like. Raises SshdError.

        Of the rest it has what holds for nobody in particular: without -C, 9.2 refuses files with a Match LocalPort.
        """
        return self.effective(_NOBODY, _NOWHERE, _NOWHERE, _NOWHERE)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [self.executable, *words, "-f", self.configuration, *self.options]
        ran = _ran(command)
        if ran.returncode:
            raise SshdError(f"sshd does not take {self.configuration}: {_own_sentence(ran.stderr)}")
        return ran


def find_sshd(executable: str | None = None, configuration: str | None = None) -> Sshd:
    """Return the sshd of this host: the running one, else the one at a usual place.

    `executable` and `configuration` are absolute paths that count instead of what was found. With several listeners of
    OpenSSH's it is the one on port 22, else the one that started first. Raises SshdError if there is none.
    """
    for path in (executable, configuration):
        if path is not None and not path.startswith("/"):
            raise SshdError(f"{path!a} is no absolute path; write it from / on, for sshd wants it so")
    # Only root's: to ask an sshd is to run it, and anybody may let a program of his own listen that is called `sshd`.
    running = [one for one in listeners() if one.is_openssh and one.is_roots and executable in (None, one.executable)]
    running.sort(key=lambda one: all(port != 22 for _, port in one.listens_on))  # noqa: PLR2004 - ssh's port
    if running:
        return sshd_of(running[0], configuration)
    program = executable or next((path for path in _USUAL_PLACES if os.access(path, os.X_OK)), None)
    if program is None:
        raise SshdError("sshd is not found on this host; install openssh-server, or say where sshd is")
    version = _version(program)
    return Sshd(program, version, configuration or _default_configuration(program))


def sshd_of(listener: Listener, configuration: str | None = None) -> Sshd:
    """Return the sshd that `listener` is, with the configuration and the options that it was started with.

    Raises SshdError if it is not root's, for it must not be run then, and if its command line makes no sense.
    """
    if not listener.is_roots:
        raise SshdError(f"{listener.executable} was not started by root, so it is not asked; find out who runs it")
    named, options = started_with(listener.arguments)
    program = listener.executable
    return Sshd(program, _version(program), configuration or named or _default_configuration(program), options)


def started_with(arguments: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Return the configuration that a command line of sshd's names, if any, and the options that change what it means.

    A word that belongs to none is the rest of an option whose value had blanks (running.py). Raises SshdError.
    """
    words: list[str] = []
    for word in arguments:
        in_o = words[-2:-1] == ["-o"] or (words and len(words[-1]) > len("-o") and words[-1].startswith("-o"))
        if in_o and not word.startswith("-"):
            words[-1] += f" {word}"
        else:
            words.append(word)
    try:
        given, rest = getopt.getopt(words, _OPTIONS)
    except getopt.GetoptError as error:
        raise SshdError(f"the command line of sshd is not understood ({error}); name the configuration") from None
    if rest:
        raise SshdError(f"{rest[0]!a} on the command line of sshd is not understood; name the configuration")
    configuration = None
    kept: list[str] = []
    for option, value in given:
        if option == "-f":
            configuration = value
        elif option in _KEPT:
            kept += [option, value] if value else [option]
    if configuration is not None and not configuration.startswith("/"):
        raise SshdError(
            f"sshd was started with -f {configuration!a}, which is no absolute path; name the configuration"
        )
    return configuration, tuple(kept)


def _version(program: str) -> Version:
    """Return the version of the sshd at `program`. Before 9.3 it knows no -V, and says its version with its usage."""
    ran = _ran([program, "-V"])
    try:
        return parse_version(f"{ran.stdout}\n{ran.stderr}")
    except ValueError as error:
        raise SshdError(f"{program}: {error}; name another sshd") from None


def _default_configuration(program: str) -> str:
    """Return the file that the sshd at `program` reads if nobody names one, as it tells itself."""
    found = re.search(
        r"^debug2: load_server_config: filename (/.+)$", _ran([program, "-t", "-ddd"]).stderr, re.MULTILINE
    )
    return found[1].rstrip("\r") if found else DEFAULT_CONFIGURATION


def _ran(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of sshd's that ends by itself. Raises SshdError if it cannot be run or does not end."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=_ENVIRONMENT,
            timeout=_SECONDS,
            check=False,
        )
    except OSError as error:
        raise SshdError(f"{command[0]} cannot be run ({error.strerror}); install openssh-server, or name it") from None
    except subprocess.TimeoutExpired:
        raise SshdError(f"{command[0]} {command[1]} did not end within {_SECONDS} s; run it by hand") from None


def _own_sentence(told: str) -> str:
    """Return what sshd said on standard error, as one printable line, and what to do."""
    lines = [line.strip() for line in told.replace("\r", "").split("\n")]
    said = ", ".join(line for line in lines if line and not _DEBUG.match(line))
    clean = "".join(letter if letter.isprintable() else "?" for letter in said)
    mend = "correct it, until `sshd -t` says nothing"
    if "Missing privilege separation directory" in clean:
        mend = "start sshd once, which makes it"
    elif "no hostkeys available" in clean and os.geteuid():
        mend = "run this as root"
    return f"{clean or 'it gave no reason'}; {mend}"


__all__ = [
    "DEFAULT_CONFIGURATION",
    "Listener",
    "Sshd",
    "SshdError",
    "find_sshd",
    "listeners",
    "sshd_of",
    "started_with",
]
