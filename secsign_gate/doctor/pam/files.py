"""PAM's service files as they are on this host, with what they include. Reads, and decides nothing."""

from pathlib import Path

from secsign_gate.doctor.pam.lines import PamLine, bounded, parse_pam

PAM_FOLDERS = ("/etc/pam.d", "/usr/lib/pam.d")  # the first that has the service counts
_INCLUDES = ("include", "substack")
_DEEPEST = 16


def pam_services() -> list[str]:
    """Return the names of all services, sorted."""
    return sorted({path.name for folder in PAM_FOLDERS for path in Path(folder).glob("*") if path.is_file()})


def pam_service(name: str, depth: int = 0) -> list[PamLine]:
    """Return the lines of a PAM service, those of included files where they are included; none if there is no file."""
    path = next((path for path in (f"{folder}/{name}" for folder in PAM_FOLDERS) if Path(path).is_file()), None)
    if path is None or depth > _DEEPEST:
        return []
    try:
        text = Path(path).read_text("utf-8", "surrogateescape")
    except OSError:  # said by whoever judges who may read and write PAM's files
        return []
    lines = []
    for line in parse_pam(path, text):
        if line.control not in _INCLUDES:
            lines.append(line)
            continue
        included = pam_service(line.module.removeprefix("/etc/pam.d/"), depth + 1)
        of_its_group = [one for one in included if line.group in ("", one.group)]
        lines += bounded(of_its_group) if line.control == "substack" else of_its_group
    return lines
