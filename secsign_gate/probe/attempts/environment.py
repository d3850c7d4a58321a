"""Variables that the client sets: each is asked for, and sshd's reply says whether AcceptEnv lets it in."""

import secrets

from secsign_gate.core.ssh_encoding import ssh_string
from secsign_gate.probe.channel import Channel
from secsign_gate.probe.marker import Marker, new_marker
from secsign_gate.probe.outcome import Outcome, agreed, held, through
from secsign_gate.probe.session import Seen, listen
from secsign_gate.probe.situation import Situation

# What runs code, or decides which code runs, in a shell, a loader, or an interpreter.
DANGEROUS = (
    "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "LD_DEBUG", "GCONV_PATH", "LOCPATH", "BASH_ENV", "ENV", "SHELLOPTS",
    "BASHOPTS", "PS4", "SHLVL", "BASH_FUNC_exec%%", "BASH_FUNC_exec()", "PROMPT_COMMAND", "IFS", "PATH", "HOME",
    "ZDOTDIR", "XDG_CONFIG_HOME", "XDG_DATA_DIRS", "fish_function_path", "TERMINFO", "TMPDIR", "PYTHONPATH",
    "PYTHONHOME", "PYTHONINSPECT", "PYTHONSTARTUP", "PERL5LIB", "PERL5OPT", "RUBYOPT", "NODE_OPTIONS",
    "GIT_SSH_COMMAND",
)  # fmt: skip
# What sshd sets itself, at times: where it does not, the client's value stands (session.c, do_setup_env).
FORGED = (
    "SSH_ORIGINAL_COMMAND", "SSH_USER_AUTH", "SSH_TTY", "SSH_TUNNEL", "SSH_AUTH_SOCK", "SSH_CONNECTION", "SSH_CLIENT",
)  # fmt: skip
MISSING_LIBRARY = "/nonexistent/secsign-gate-probe.so"
LOADER_OBEYS = b"from LD_PRELOAD cannot be preloaded"  # ld.so(8) says so of a library that is not there
_SHOWN = 6


def client_environment(situation: Situation) -> Outcome:
    """Set what runs code; if sshd lets some of it in, see whether it does run, before the gate."""
    anything = f"SECSIGN_GATE_PROBE_{secrets.token_hex(4)}"
    taken = _taken(situation, (*DANGEROUS, anything))
    if not taken:
        return held(f"sshd refused all of {len(DANGEROUS)} variables, and one of an invented name")
    what = f"sshd takes {_listed(taken)}" + (", and whatever a client invents" if anything in taken else "")
    if not situation.wishes.sessions:
        return agreed(what)
    marker = new_marker()
    channel = situation.session()
    _set(channel, "SHELLOPTS", b"xtrace")
    _set(channel, "PS4", f": {marker.arithmetic} ".encode())
    _set(channel, "LD_PRELOAD", MISSING_LIBRARY.encode())
    channel.request("exec", ssh_string(b"true"))
    heard = listen(channel, marker, situation.wishes.session_seconds)
    situation.over(channel, heard)
    if heard.seen is Seen.RAN:
        return through(f"{what}; code in PS4 ran in the shell before the gate")
    if LOADER_OBEYS in heard.raw:
        return through(f"{what}; LD_PRELOAD reached the loader before the gate")
    return agreed(what)


def forged_variables(situation: Situation) -> Outcome:
    """Set what a gate may believe to come from sshd; if it is let in, see whether a command gets it."""
    taken = _taken(situation, FORGED)
    if not taken:
        return held("sshd refused each")
    what = f"sshd takes {_listed(taken)}"
    if "SSH_TTY" not in taken or not situation.wishes.sessions:
        return agreed(what)

    def begin(channel: Channel, marker: Marker) -> None:
        _set(channel, "SSH_TTY", str(marker.first).encode())
        channel.request("exec", ssh_string(f"sh -c 'echo $((SSH_TTY*{marker.second}))'".encode()))

    heard = situation.ask_for(begin)
    return through(f"{what}; a command found the forged SSH_TTY") if heard.seen is Seen.RAN else agreed(what)


def _taken(situation: Situation, names: tuple[str, ...]) -> list[str]:
    """Return which names sshd lets in: it says so of each, and nothing is run for it."""
    channel = situation.session()
    numbers = [(name, _set(channel, name, b"", reply=True)) for name in names]
    taken = [name for name, number in numbers if channel.answered(number, situation.wishes.seconds)]
    channel.close()
    return taken


def _set(channel: Channel, name: str, value: bytes, *, reply: bool = False) -> int:
    return channel.request("env", ssh_string(name.encode()) + ssh_string(value), reply=reply)


def _listed(names: list[str]) -> str:
    known = [name for name in names if name in DANGEROUS or name in FORGED]
    more = len(known) - _SHOWN
    return ", ".join(known[:_SHOWN] or ["none that is known"]) + (f" and {more} more" if more > 0 else "")
