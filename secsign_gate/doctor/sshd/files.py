"""What is said of sshd as a whole: its files, and the servers that run. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.gate_line import gate_on_line
from secsign_gate.doctor.sshd.points import ASKED_OF_SSHD
from secsign_gate.sshd.config_files import Configuration
from secsign_gate.sshd.config_lines import Criterion, Line
from secsign_gate.sshd.program import Sshd
from secsign_gate.sshd.running import Listener

_OLDEST = (9, 2)  # README, Install on a host
_RELOAD = "systemctl reload ssh"


class Files(NamedTuple):
    """What sshd reads and what runs.

    `drop_ins` are the *.conf files of the usual folder beside the configuration. `changed` is when the last of the
    files or folders changed, `loaded` when the running sshd last read them (None if none runs), in seconds since 1970.
    `others` are the listeners besides the examined one, each with what stands open there, empty if nothing
    does.
    """

    sshd: Sshd
    configuration: Configuration
    drop_ins: tuple[str, ...]
    changed: float
    loaded: float | None
    running: Listener | None
    others: tuple[tuple[Listener, str], ...] = ()


def examine_files(files: Files) -> list[Finding]:
    """Return what is to be said of them; nothing if all is well."""
    return [*_version(files), *_unread(files), *_include(files), *_unasked(files), *_running(files), *_others(files)]


def _version(files: Files) -> Iterator[Finding]:
    version = files.sshd.version
    if version.before(*_OLDEST):
        what = f"{files.sshd.executable} is OpenSSH {version.major}.{version.minor}"
        why = "settings that the gate relies on are missing before 9.2"
        yield Finding(Status.BROKEN, "", "", what, why, "install OpenSSH 9.2 or newer")


def _unread(files: Files) -> Iterator[Finding]:
    unread = [path for path in files.drop_ins if path not in files.configuration.files]
    if unread:
        folder = unread[0].rpartition("/")[0]
        what = f"sshd does not read {', '.join(unread[:3])}, for no Include in {files.sshd.configuration} leads there"
        mend = f"write it at the top of {files.sshd.configuration}"
        why = "what stands in them looks as if it were in force, and is not"
        yield Finding(Status.BROKEN, "", "", what, why, mend, f"Include {folder}/*.conf")


def _include(files: Files) -> Iterator[Finding]:
    lines = files.configuration.lines
    for line in lines:
        if line.keyword == "include" and line.match:
            what = f"the Include of {line.place} stands below a Match line"
            why = "what it includes holds only for those whom that Match is for"
            mend = f"move it to the top of {line.path}"
            yield Finding(Status.WEAK, "shadowed-match", "", what, why, mend, f"Include {line.text}")
    gate = next((at for at, line in enumerate(lines) if _is_gate(line.keyword, line.text) and line.match), None)
    if gate is None:
        return
    before = [line for line in lines[:gate] if line.keyword == "match" and line.match != lines[gate].match]
    own = lines[gate].path
    foreign = [line for line in before if line.path != own]
    if foreign:
        what = f"the Match block of {foreign[0].place} is read before the gate's"
        why = "among Match blocks the first that sets a keyword wins, so what is written there counts before the gate"
        mend = "let the gate's file be the first: 00-secsign-gate.conf, and Include at the top of sshd_config"
        yield Finding(Status.NOTE, "shadowed-match", "", what, why, mend)


def _is_gate(keyword: str, text: str) -> bool:
    return keyword == "forcecommand" and gate_on_line(text) is not None


def _unasked(files: Files) -> Iterator[Finding]:
    blocks: dict[tuple[Criterion, ...], list[Line]] = {}
    for line in files.configuration.lines:
        blocks.setdefault(line.match, []).append(line)
    for match, lines in blocks.items():
        names = {criterion.name for criterion in match} - ASKED_OF_SSHD
        if names and not all(line.keyword == "match" or _is_gate(line.keyword, line.text) for line in lines):
            what = f"{lines[0].place} is about logins that were not tried: Match {' and '.join(sorted(names))}"
            why = "sshd was asked about accounts, addresses, hosts and ports, and this may open what is closed to those"
            yield Finding(Status.UNKNOWN, "match-exemption", "", what, why, "look at the block by eye")


def _running(files: Files) -> Iterator[Finding]:
    if files.running is None:
        what = "no sshd is listening now; this is what it will do when it starts"
        yield Finding(Status.NOTE, "", "", what)
        return
    if files.running.replaced:
        what = f"sshd (pid {files.running.pid}) runs from a program that has been replaced since"
        why = "what it does may not be what the new one says"
        yield Finding(Status.WEAK, "", "", what, why, "start it anew; open sessions are kept", "systemctl restart ssh")
    if files.loaded is not None and files.changed > files.loaded:
        what = f"sshd's files were changed after the running sshd (pid {files.running.pid}) had read them"
        why = "what is said here is what it will do once it has read them again"
        yield Finding(Status.WEAK, "", "", what, why, "have it read them", f"sshd -t && {_RELOAD}")


def _others(files: Files) -> Iterator[Finding]:
    for listener, fault in files.others:
        address, port = listener.listens_on[0]
        where = f"{listener.executable} (pid {listener.pid}) listens at {address} port {port}"
        if not listener.is_openssh:
            what = f"{where}, and knows no ForceCommand of sshd's"
            why = "whoever comes in there never meets the gate"
            yield Finding(Status.OPEN, "", "", what, why, "stop it, and see that nothing starts it again")
        elif fault:
            what = f"another sshd, {where}: {fault}"
            why = "whoever comes in there may go around the gate"
            mend = (
                "stop it, or give it the drop-in as well; `secsign-gate doctor --sshd-config` with its file tells all"
            )
            yield Finding(Status.OPEN, "", "", what, why, mend)
        else:
            what = f"another sshd, {where}, and nothing stands open there"
            mend = "examine it too, by its own configuration"
            yield Finding(Status.NOTE, "", "", what, "", mend)
