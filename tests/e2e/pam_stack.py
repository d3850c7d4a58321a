"""The files of /etc/pam.d on the private host, with lines of the examples in the place that these name."""

from __future__ import annotations

import re
from pathlib import Path

PAM = Path("/etc/pam.d")
PROGRAM = b"/opt/secsign-gate/bin/secsign-gate-pam"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples/pam.d"
TAKES_THE_PLACE_OF = re.compile(r"take the place of the line `(.+?)`")
OUR_LINE = re.compile(r"^(?!#)(.*secsign-gate-pam\b.*)$", re.MULTILINE)


class PamStack:
    """Changes files of /etc/pam.d, and puts back what was there."""

    def __init__(self) -> None:
        self._before: dict[Path, bytes | None] = {}

    def write(self, service: str, text: str) -> None:
        path = PAM / service
        self._before.setdefault(path, path.read_bytes() if path.exists() else None)
        path.write_text(text)

    def use(self, example: str, *options: str, service: str = "sshd") -> None:
        """Do what an example says, with further options on our line."""
        lines = OUR_LINE.sub(lambda line: " ".join([line[0], *options]), (EXAMPLES / example).read_text())
        place = TAKES_THE_PLACE_OF.search(lines)
        assert place is not None
        before = (PAM / service).read_text()
        assert before.count(f"\n{place[1]}\n") == 1
        self.write(service, before.replace(f"\n{place[1]}\n", f"\n{lines}\n"))

    def restore(self) -> None:
        for path, content in self._before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)


def pam_doors() -> list[int]:
    """Return the process ids of the PAM doors that are running."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if PROGRAM in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue  # it ended while we looked
    return found
