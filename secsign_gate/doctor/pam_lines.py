"""The lines of a PAM service file (pam.conf(5)), read and not obeyed."""

import re

from secsign_gate.doctor.sshd_session import PamLine

_LINE = re.compile(r"-?(\S+)\s+(\[[^\]]*\]|\S+)\s+(\S+)\s*(.*)", re.DOTALL)
_ARGUMENT = re.compile(r"\[((?:[^\]\\]|\\.)*)\]|(\S+)")
INCLUDES = ("include", "substack")


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
