"""The lines of a PAM service file (pam.conf(5)), read and not obeyed; and which of them PAM would come to."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

PAM_DOOR = "secsign-gate-pam"
_OF_PEOPLE = "secsign-gate"
_LINE = re.compile(r"-?(\S+)\s+(\[[^\]]*\]|\S+)\s+(\S+)\s*(.*)", re.DOTALL)
_ARGUMENT = re.compile(r"\[((?:[^\]\\]|\\.)*)\]|(\S+)")
_ACTION = re.compile(r"(\w+)=(\w+)")
_WORDS = {  # pam.conf(5)
    "required": {"success": "ok", "new_authtok_reqd": "ok", "ignore": "ignore", "default": "bad"},
    "requisite": {"success": "ok", "new_authtok_reqd": "ok", "ignore": "ignore", "default": "die"},
    "sufficient": {"success": "done", "new_authtok_reqd": "done", "default": "ignore"},
    "optional": {"success": "ok", "new_authtok_reqd": "ok", "default": "ignore"},
}
_OPTIONS = frozenset({"debug", "expose_authtok", "use_first_pass", "seteuid", "quiet", "quiet_log", "stdout"})
_OPTIONS_WITH_VALUE = ("log=", "type=")  # pam_exec(8); the first other word is the program
YES, NO, EXPIRED = "success", "auth_err", "new_authtok_reqd"
_FAILED = "system_err"  # what pam_exec(8) says of every exit status but 0


class PamLine(NamedTuple):
    """A line of a PAM service. `group` is account, auth, password or session, empty for `@include`.

    `behind` says how many lines of its substack come behind it, for `done` and `die` end no more than that; None where
    they end everything.
    """

    path: str
    number: int
    group: str
    control: str
    module: str
    arguments: tuple[str, ...]
    behind: int | None = None

    @property
    def place(self) -> str:
        """Where it stands, for a sentence."""
        return f"{self.path} line {self.number}"

    @property
    def module_name(self) -> str:
        """The name of its module's file."""
        return self.module.rpartition("/")[2]

    @property
    def options(self) -> tuple[str, ...]:
        """What pam_exec(8) takes for its own options."""
        words = self.arguments
        end = next((at for at, word in enumerate(words) if not _is_option(word)), len(words))
        return words[:end]

    @property
    def command(self) -> tuple[str, ...]:
        """The program that pam_exec(8) starts, with its arguments; empty on a line of another module."""
        return self.arguments[len(self.options) :] if self.module_name == "pam_exec.so" else ()

    @property
    def starts_gate(self) -> bool:
        """Tell whether it starts the gate's PAM door, whatever comes of its answer."""
        other_group = any(word.startswith("type=") and word != f"type={self.group}" for word in self.options)
        return not other_group and (self._program[:1] == (PAM_DOOR,) or self.is_for_people)

    @property
    def is_for_people(self) -> bool:
        """Tell whether it starts the door by the administrator's program, whose command `pam` becomes the door."""
        return self._program[:2] == (_OF_PEOPLE, "pam")

    @property
    def _program(self) -> tuple[str, ...]:
        """The command without the interpreter, its words without folders."""
        words = [word.rpartition("/")[2] for word in self.command]
        if words and words[0].startswith("python"):
            words = words[1:]
            while words and words[0].startswith("-"):
                words = words[1:]
        return tuple(words)

    @property
    def is_gate(self) -> bool:
        """Tell whether it is the gate's PAM door, and a no of it is one."""
        return self.starts_gate and self.action(_FAILED) in ("bad", "die")

    def action(self, says: str) -> str:
        """Return what PAM does when the module says YES, NO or EXPIRED: ok, done, bad, die, ignore, or a number."""
        actions: dict[str, str] = _WORDS.get(self.control) or dict(_ACTION.findall(self.control))
        return actions.get(says, actions.get("default", "bad"))

    def skips(self, says: str) -> int | None:
        """Return how many of the following lines PAM leaves out when the module says so, None for all of them."""
        action = self.action(says)
        if action in ("done", "die"):
            return self.behind
        return int(action) if action.isdecimal() else 0

    def may_skip(self, following: int) -> bool:
        """Tell whether a yes of this line keeps the one that stands `following` lines below it from being asked.

        It is a yes as well that the password has expired.
        """
        skipped = [self.skips(says) for says in (YES, EXPIRED)]
        return any(number is None or number >= following for number in skipped)


def parse_pam(path: str, text: str) -> list[PamLine]:
    """Return the lines in `text`, the content of the file at `path`.

    `@include NAME`, which Debian has, is a line whose group is empty, whose control is `include` and whose module is
    NAME. What is no line of PAM's is left out, as PAM itself logs it and goes on.
    """
    lines = []
    number = 0
    for joined in re.split(r"(?<!\\)\n", text):
        first = number + 1
        number += joined.count("\n") + 1
        content = joined.replace("\\\n", " ").partition("#")[0].strip()
        if content.startswith("@include"):
            words = content.split()
            lines += [PamLine(path, first, "", "include", words[1], ())] if len(words) > 1 else []
        elif found := _LINE.fullmatch(content):
            arguments = tuple(one[1] or one[2] for one in _ARGUMENT.finditer(found[4]))
            lines.append(PamLine(path, first, found[1].lower(), found[2].lower(), found[3], arguments))
    return lines


def bounded(substack: Sequence[PamLine]) -> list[PamLine]:
    """Return the lines of a substack, of one group, as such: what ends it ends nothing else (pam.conf(5))."""
    last = len(substack) - 1
    return [one if one.behind is not None else one._replace(behind=last - at) for at, one in enumerate(substack)]


def is_asked(lines: Sequence[PamLine], at: int, says: Callable[[PamLine], str]) -> bool:
    """Tell whether PAM comes to `lines[at]`, all of one group, if each line before it says what `says` returns."""
    here, refused = 0, False
    while here < at:
        line = lines[here]
        said = says(line)
        refused |= line.action(said) in ("bad", "die")
        # Once something has refused, `done` ends nothing any more.
        skipped = 0 if refused and line.action(said) == "done" else line.skips(said)
        if skipped is None:
            return False
        here += 1 + skipped
    return here == at


def _is_option(word: str) -> bool:
    return word in _OPTIONS or word.startswith(_OPTIONS_WITH_VALUE)
