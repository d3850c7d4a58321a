"""What the sshd part of the doctor judges: one account on one connection, and what sshd would do for it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from secsign_gate.core.login import Account
from secsign_gate.core.orders import SshdSettings
from secsign_gate.core.patterns import matches_pattern
from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.force_command import GateProgram
from secsign_gate.doctor.gate_line import gate_on_line, keys_door_on_line
from secsign_gate.doctor.pam.conditions import is_let_past, lets_anybody_past
from secsign_gate.doctor.pam.lines import PamLine
from secsign_gate.sshd.config_lines import Line
from secsign_gate.sshd.effective import Effective
from secsign_gate.sshd.version import Version

ROOT = 0
NO_SHELLS = frozenset({"nologin", "false", "true", "sync", "shutdown", "halt"})
NO_PROGRAM = "none"  # how sshd prints that there is no ForceCommand, ChrootDirectory and the like
_ASK_PAM = (
    "keyboard-interactive",
    "password",
    "none",
)  # methods that are over only when PAM's auth lines have said yes
# Each method that may be enough without a key, by the setting that switches it on.
_METHODS = {
    "password": "passwordauthentication",
    "keyboard-interactive": "kbdinteractiveauthentication",
    "hostbased": "hostbasedauthentication",
    "gssapi-with-mic": "gssapiauthentication",
    "gssapi-keyex": "gssapikeyexchange",
}


class Connection(NamedTuple):
    """Where a login comes from and arrives: all that a Match can ask besides the account.

    `routing_domain` is the VRF (ip-vrf(8)) that it comes in by, empty for none.
    """

    address: str
    host: str
    local_address: str
    local_port: int
    routing_domain: str = ""


class Host(NamedTuple):
    """What sshd -T does not tell.

    `lines` are those of sshd's files. `pam` is the service that sshd asks. `foreign_shells` are the login shells that
    others than root could change. `ptrace_scope` is Yama's (kernel.yama.ptrace_scope), None without Yama. `sshrc` is
    what is wrong with /etc/ssh/sshrc: None if there is none, empty if only root may change it. `roots_alone` are the
    paths, of those in SetEnv lines, that only root may make or change. `without_key` are accounts, by name, whose shell
    runs nothing and that have no password and no key of their own: only a certificate, or a key that a command tells
    sshd of, could let them in. `settings` is the [sshd] section of our own configuration, None if that is not known.
    `reads_homes` are the interpreters of gates that take files of the user's for code unless they are told not to.
    """

    version: Version
    lines: tuple[Line, ...] = ()
    pam: tuple[PamLine, ...] = ()
    foreign_shells: frozenset[str] = frozenset()
    ptrace_scope: int | None = None
    sshrc: str | None = None
    roots_alone: frozenset[str] = frozenset()
    settings: SshdSettings | None = None
    without_key: frozenset[str] = frozenset()
    reads_homes: frozenset[str] = frozenset()


class Session(NamedTuple):
    """One account on one connection.

    `gated_elsewhere`: on some other connection the gate does stand before it. `left_out_by` is where a Match of the
    gate leaves the account out by its name or its group's, empty if none does. `gated_as` is another name of the same
    uid, before which the gate stands.
    """

    account: Account
    connection: Connection
    effective: Effective
    host: Host
    gated_elsewhere: bool = False
    left_out_by: str = ""
    gated_as: str = ""

    @property
    def gate(self) -> GateProgram | None:
        """The gate, if it is the ForceCommand."""
        return gate_on_line(self.effective.value("forcecommand"))

    @property
    def pam_gate(self) -> PamLine | None:
        """The line of the PAM door, if that stands before the connection: nothing is usable before it has asked.

        It does among the account lines, and among the auth lines if there is no way in that does not ask those.
        """
        if not self.effective.is_on("usepam"):
            return None
        asked = all(any(name in _ASK_PAM for name in names) for names in self.ways_in)
        groups = ("account", "auth") if asked else ("account",)
        return next((line for line in self.host.pam if line.group in groups and self._is_asked_at(line)), None)

    def _is_asked_at(self, line: PamLine) -> bool:
        """Tell whether the line is the gate's, and none before it lets the account, or anybody, past."""
        lines = [one for one in self.host.pam if one.group == line.group]
        at = lines.index(line)
        return line.is_gate and not is_let_past(lines, at, self.account) and lets_anybody_past(lines, at) is None

    @property
    def ways_in(self) -> tuple[tuple[str, ...], ...]:
        """The lists of methods of which each is enough to log in, by their names, as far as they are switched on."""
        on = [method for method, setting in _METHODS.items() if self.effective.is_on(setting)]
        on += ["publickey"] if self.effective.value("pubkeyauthentication") != "no" else []
        on += ["none"] if "password" in on and self.effective.is_on("permitemptypasswords") else []
        lists = self.effective.value("authenticationmethods").split()
        if not lists or lists == ["any"]:
            return tuple((method,) for method in on if method != "none")
        named = (tuple(method.partition(":")[0] for method in methods.split(",")) for methods in lists)
        return tuple(names for names in named if all(name in on for name in names))

    @property
    def takes_keys_from_gate(self) -> bool:
        """Tell whether the AuthorizedKeysCommand is the gate's."""
        return keys_door_on_line(self.effective.value("authorizedkeyscommand")) is not None

    @property
    def is_gated_by_keys(self) -> bool:
        """Tell whether no key is taken but from the AuthorizedKeysCommand door, which puts the gate before each."""
        effective = self.effective
        return (
            self.takes_keys_from_gate
            and all("publickey" in names for names in self.ways_in)
            and effective.value("authorizedkeysfile") == NO_PROGRAM
            and effective.value("trustedusercakeys") in ("", NO_PROGRAM)
        )

    @property
    def is_gated(self) -> bool:
        """Tell whether some door of the gate stands before the session."""
        return self.gate is not None or self.pam_gate is not None or self.is_gated_by_keys

    @property
    def set_env(self) -> dict[str, str]:
        """What SetEnv sets: it wins over all that the client, the user and PAM say (session.c, do_setup_env)."""
        pairs = (value.partition("=") for value in self.effective.values("setenv"))
        return {name: value for name, _, value in pairs}

    @property
    def has_key(self) -> bool:
        """Tell whether the account has something to log in with, as far as that can be seen."""
        return self.account.name not in self.host.without_key

    @property
    def takes_keys_elsewhere(self) -> bool:
        """Tell whether sshd takes keys that are in no file of the account's: a command's, or certificates."""
        values = (self.effective.value(name) for name in ("authorizedkeyscommand", "trustedusercakeys"))
        return any(value not in ("", NO_PROGRAM) for value in values)

    @property
    def shell(self) -> str:
        """The name of the login shell's program; /bin/sh where passwd names none."""
        return (self.account.shell or "/bin/sh").rpartition("/")[2]

    @property
    def has_shell(self) -> bool:
        """Tell whether the login shell runs what it is told to; forwarding works without (sshd(8))."""
        return self.shell not in NO_SHELLS

    def accepts(self, variable: str) -> str | None:
        """Return the pattern of AcceptEnv by which the client may set `variable`, None if there is none."""
        patterns = self.effective.values("acceptenv")
        return next((pattern for pattern in patterns if matches_pattern(variable, pattern)), None)

    def where(self, keyword: str) -> str:
        """Return where `keyword` got its value, for a sentence: " (PATH line 3)", or nothing for a default."""
        line = self.effective.set_at(keyword)
        return f" ({line.place})" if line else ""

    def mend(self, keyword: str) -> str:
        """Say where the line is to be written so that it counts."""
        line = self.effective.set_at(keyword)
        gate = self.effective.set_at("forcecommand") if self.gate else None
        if line is not None and line.matched:
            return f"change {line.place}, or write this into a Match block that comes before it"
        if gate is not None and gate.matched:
            return f"write it into the block of the ForceCommand, {gate.path}"
        return "write it into 00-secsign-gate.conf in sshd_config.d, below Match"


class Hole(NamedTuple):
    """What a rule found, without saying for whom. See Finding; an empty `why` is what the bypass says of itself."""

    status: Status
    what: str
    mend: str = ""
    line: str = ""
    why: str = ""


class Rule(NamedTuple):
    """How one thing is judged.

    `bypass` is the way around the gate that it is about, empty for what is none. `ungated`: it is about sessions
    without the gate; every other rule is about those with it. `after_pam`: it also matters where the PAM door has asked
    before the connection is usable. `no_shell`: it is about accounts whose login shell runs nothing.

    `judge` may look at everything of a session but at its connection, and of the account at shell, uid and what else
    judge.py tells accounts apart by.
    """

    bypass: str
    judge: Callable[[Session], Iterator[Hole]]
    ungated: bool = False
    after_pam: bool = False
    no_shell: bool = False
