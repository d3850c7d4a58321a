"""The AuthorizedKeysCommand door: sshd asks, for each key that is offered, how it may log in.

    AuthorizedKeysCommand /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-authorized-keys [OPTIONS] %u %t %k %f

    --registry FILE             the registry (/etc/secsign-gate/registry), `none` for none
    --authorized-keys PATTERN   besides, the files that this names, with %h %u %U; may be given several times
    --broker SOCKET             have the gate ask the daemon behind this socket
    --config FILE               have the gate start a broker of its own with this configuration

Prints one line for the offered key, which lets it as far as the gate, or nothing. Exit status: 0, or 78 and a sentence
if it cannot vouch for what it would print. sshd asks this for anybody who merely knows a public key, so nobody's phone
is asked here. It asks before the login is decided and somebody waits: built-in modules only.
"""  # noqa: E501 - a line of sshd_config cannot be continued

import posix
import sys
import time

from secsign_gate.core.account_name import check_account
from secsign_gate.core.offered_key import OfferedKey, answer_line
from secsign_gate.core.registry_line import lines_that_hold, parse_registry_line
from secsign_gate.core.scanned_line import ScannedLine, UnusableLineError, scan_line
from secsign_gate.directory.registry_file import read_registry
from secsign_gate.errors import ConfigError, GateError, Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from secsign_gate.authorized_keys.certificates import OfferedCertificate

DEFAULT_REGISTRY = "/etc/secsign-gate/registry"
GATE = "secsign-gate-force-command"
CANNOT_VOUCH = 78
_OPTIONS = ("--registry", "--authorized-keys", "--broker", "--config")
_TOKENS = ("account (%u)", "key type (%t)", "key (%k)", "fingerprint (%f)")
_LONGEST_FINGERPRINT = 128  # SHA256:… has 50, MD5:… 51
_SAFE_IN_SHELLS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-")


def main() -> "NoReturn":
    """Answer sshd. `sys.argv` is the program and what sshd_config says behind it."""
    status = CANNOT_VOUCH
    if sys.flags.isolated and sys.flags.no_site:
        status = run(sys.argv[1:], sys.argv[0].rpartition("/")[0])
    else:
        tell("python3 was started without -I -S; write python3 -I -S before the program")
    posix._exit(status)  # noqa: SLF001 - the documented name; nothing to flush


def run(arguments: list[str], folder: str) -> int:
    """Write the answer to standard output and return the exit status. `folder` is where the gate's program is."""
    try:
        line = answer(CommandLine([_in_utf8(word) for word in arguments]), folder)
        while line:
            line = line[posix.write(1, line) :]
    except GateError as error:
        tell(str(error))
    except OSError as error:
        tell(f"the answer cannot be given ({error.strerror}); see what reads it")
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing is printed that would let somebody in
        tell(f"{type(error).__name__}: {error}; tell the authors of secsign-gate".encode("ascii", "replace").decode())
    else:
        return 0
    return CANNOT_VOUCH


class CommandLine:
    """What sshd_config and sshd say. Raises ConfigError for anything that they cannot say."""

    __slots__ = ("account", "gate_options", "key", "key_files", "registry")

    def __init__(self, arguments: list[str]) -> None:
        self.key_files: list[str] = []
        given: dict[str, str] = {}
        rest = list(arguments)
        while rest and rest[0].startswith("--"):
            option = rest.pop(0)
            if option not in _OPTIONS:
                raise _wrong_line(f"{_shown(option)} is unknown", f"there are {' '.join(_OPTIONS)}")
            if not rest:
                raise _wrong_line(f"{option} needs a value", "write one behind it")
            if option == "--authorized-keys":
                self.key_files.append(rest.pop(0))
            elif option in given:
                raise _wrong_line(f"{option} is given twice", "keep one of the two")
            else:
                given[option] = rest.pop(0)
        if len(rest) != len(_TOKENS):
            what = f"{len(rest)} words stand behind the options, and not four"
            raise _wrong_line(what, "end the line with %u %t %k %f")
        self.registry = given.pop("--registry", DEFAULT_REGISTRY)
        if self.registry != "none" and not self.registry.startswith("/"):
            raise _wrong_line("--registry names no absolute path", "begin it with /, or write none")
        self.gate_options = _gate_options(given)
        self.account = _account(rest[0])
        self.key = OfferedKey(_bytes(rest[1]), _bytes(rest[2]))
        if not 0 < len(rest[3]) <= _LONGEST_FINGERPRINT or not rest[3].isprintable() or " " in rest[3]:
            raise _wrong_line(f"the {_TOKENS[3]} is none", "end the line with %u %t %k %f")


def answer(line: CommandLine, folder: str) -> bytes:
    """Return the line for the offered key, empty if there is none. Raises GateError."""
    gate = _gate(folder, line.gate_options)
    certificate = _certificate(line.key)
    sought = line.key if certificate is None else certificate.authority
    now = time.time()
    times = [time.strftime("%Y%m%d%H%M%S", parts).encode() for parts in (time.gmtime(now), time.localtime(now))]
    for place, key_line, by_root in _lines(line, sought.key_text):
        try:
            scanned = scan_line(key_line, sought.key_type, sought.key_text)
            applies = scanned is not None and _applies(scanned, certificate, line.account)
        except UnusableLineError as error:
            _log(f"{place}: {error}; it does not let {line.account} in")
            continue
        if scanned is None and not key_line.lstrip(b" \t").startswith(b"#"):
            _log(f"{place}: the key stands in it, and not behind its type; it does not let {line.account} in")
        if scanned is None or not applies:
            continue
        if scanned.has_expired(*times):
            _log(f"{place}: its expiry-time has passed; it does not let {line.account} in any more")
            continue
        allows_rc = certificate is None or certificate.allows_rc
        return answer_line(sought, scanned, gate, by_root=by_root, certificate_allows_rc=allows_rc)
    return b""


def tell(sentence: str) -> None:
    """Say on standard error and in the system's log why there is no answer: sshd may have thrown the former away."""
    _log(sentence)
    try:
        posix.write(2, f"secsign-gate authorized-keys: {sentence}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # nobody listens


def _applies(scanned: ScannedLine, certificate: "OfferedCertificate | None", account: str) -> bool:
    """Tell whether sshd could go by the line. A key with principals and no cert-authority is none (sshd(8))."""
    if certificate is not None:
        return scanned.cert_authority and certificate.may_use(scanned, account)
    return not scanned.cert_authority and b"principals" not in dict(scanned.options)


def _lines(line: CommandLine, key_text: bytes) -> "Iterator[tuple[str, bytes, bool]]":
    """Yield each line that may be about the key: where it is, the line, and whether root wrote it."""
    if line.registry != "none":
        for number, content in lines_that_hold(key_text, read_registry(line.registry)):
            place = f"{line.registry} line {number}"
            try:
                found = parse_registry_line(content)
            except UnusableLineError as error:
                _log(f"{place}: {error}; it lets nobody in")
                continue
            if found is not None and line.account in found.accounts:
                yield place, found.key_line, True
    if line.key_files:
        from secsign_gate.authorized_keys.account_files import lines_of_account  # noqa: PLC0415 - few hosts do that

        for found_line in lines_of_account(line.account, line.key_files, key_text):
            yield found_line.place, found_line.line, found_line.by_root


def _certificate(key: OfferedKey) -> "OfferedCertificate | None":
    if not key.is_certificate:
        return None
    from secsign_gate.authorized_keys.certificates import OfferedCertificate  # noqa: PLC0415 - most keys are plain

    return OfferedCertificate(key)


def _gate(folder: str, options: str) -> bytes:
    """Return the command that starts the gate, as a login shell of any kind reads it. Raises ConfigError."""
    program = f"{folder}/{GATE}"
    for path in (program, sys.executable):
        if not path.startswith("/") or not _SAFE_IN_SHELLS.issuperset(path):
            raise _wrong_line(f"{_shown(path)} is no path that every shell reads alike", "install it at a plain one")
    try:
        posix.stat(program)
    except OSError as error:
        raise _wrong_line(f"the gate is not at {program} ({error.strerror})", "install it there") from None
    return f"exec {sys.executable} -I -S {program}{options}".encode()


def _gate_options(given: dict[str, str]) -> str:
    """Return what the gate is told of where to ask."""
    if len(given) > 1:
        raise _wrong_line("--broker and --config exclude each other", "keep one of the two")
    for option, path in given.items():
        if not path.startswith("/") or not _SAFE_IN_SHELLS.issuperset(path):
            raise _wrong_line(f"{option} is no absolute path that every shell reads alike", "name a plain one")
        return f" {option} {path}"
    return ""


def _account(name: str) -> str:
    try:
        return check_account(name)
    except ValueError as error:
        raise _wrong_line(f"the {_TOKENS[0]} is none: {error}", "end the line with %u %t %k %f") from None


def _in_utf8(word: str) -> str:
    """Return an argument as files are read, whatever the locale."""
    return word.encode(sys.getfilesystemencoding(), "surrogateescape").decode("utf-8", "surrogateescape")


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogateescape")


def _shown(word: str) -> str:
    return ascii(word[:40])


def _wrong_line(what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem("AuthorizedKeysCommand", 0, "", what, f"{remedy}; see docs/authorized-keys.md")])


def _log(sentence: str) -> None:
    """Tell whoever reads the log of logins; one line."""
    import syslog  # noqa: PLC0415 - most lines are in order

    syslog.openlog("secsign-gate-authorized-keys", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_WARNING, sentence.encode("ascii", "backslashreplace").decode())
