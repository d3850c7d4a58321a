"""The gate's own code, as sshd would start it: whether it is there, everybody may run it, and only root change it."""

import os
import re
import stat
import subprocess
from pathlib import Path

from secsign_gate import __version__
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.force_command import GateProgram
from secsign_gate.doctor.ownership import Fault, faults_below, way_to

_WHY = "whoever can change the gate's code decides who is let in, and runs as whoever logs in"
_ASK = "import sys; print(*sys.path, sep='\\n')"  # where an isolated interpreter takes its modules from
_SECONDS = 20
_DOORS = "doors/bin"  # in the package
_LARGEST = 1 << 16  # bytes of a script of ours
_MOST = 5  # faults told one by one; more are of one kind
_VERSION = re.compile(r'^__version__ = "([0-9A-Za-z.+-]{1,40})"$', re.MULTILINE)


def examine_program(program: GateProgram) -> tuple[Finding, ...]:
    """Look at interpreter, script and every module that they can load. The interpreter is run only if it is root's."""
    findings = [*_options(program), *_other_script(program)]
    faults: list[Fault] = []
    missing = []
    for path in (program.interpreter, program.script):
        try:
            way = way_to(path)
        except OSError as error:
            missing.append(_missing(path, error))
            continue
        faults += way.faults
        findings += _runnable(path, way.end, "run" if path == program.interpreter else "read")
    if missing:
        return (*findings, *missing)
    try:
        faults += _environment_faults(program)
        if not faults:
            for place in _module_places(program.interpreter):
                faults += [*way_to(place).faults, *(faults_below(place) if Path(place).is_dir() else ())]
    except OSError as error:
        what = f"{error.filename or program.interpreter} cannot be looked at ({error.strerror or error})"
        findings.append(Finding(Status.UNKNOWN, "", "", what, _WHY, "run this as root"))
    findings += told(faults, Status.OPEN, _WHY)
    if not faults:
        findings.append(Finding(Status.CLOSED, "", "", f"{program.script} and all that it loads is root's alone"))
    return (*findings, *_version(program))


def told(faults: list[Fault], status: Status, why: str, account: str = "", bypass: str = "") -> list[Finding]:
    """Return a finding for each of the first faults, and one for all the others."""
    faults = list({fault.path: fault for fault in faults}.values())
    findings = [
        Finding(status, bypass, account, fault.what, why, "let it be its owner's alone", fault.command)
        for fault in faults[:_MOST]
    ]
    if len(faults) > _MOST:
        what = f"{len(faults) - _MOST} more files or folders can be changed by others, {faults[-1].path} among them"
        common = os.path.commonpath([fault.path for fault in faults])
        mend = f"let all of {common} be its owner's alone"
        findings.append(Finding(status, bypass, account, what, why, mend, f"chmod -R go-w {common}"))
    return findings


def _options(program: GateProgram) -> list[Finding]:
    if {"-I", "-S"} <= set(program.options):
        return []
    what = f"{program.script} is started without -I -S, so it refuses every login"
    why = "without them, files and variables of the user's could run as code of the gate"
    line = f"{program.interpreter} -I -S {program.script}"
    return [Finding(Status.BROKEN, "client-environment", "", what, why, "write -I -S before the script", line)]


def _other_script(program: GateProgram) -> list[Finding]:
    """Compare the script with the one in its package: a program may have the door's name and be none."""
    name = Path(program.script).name
    own = Path(__file__).parents[1] / _DOORS / name
    beside = (packages / "secsign_gate" / _DOORS / name for packages in _packages(Path(program.script).parent.parent))
    wanted = next((path for path in beside if path.is_file()), own)
    try:
        if _body(Path(program.script)) == _body(wanted):
            return []
    except OSError:  # told by whoever looks at the way there
        return []
    what = f"{program.script} has the name of the gate's door, and is not what {wanted} is"
    why = "what it does instead is not known; it may ask nobody"
    mend = "look at it, then put the door there again"
    return [Finding(Status.OPEN, "", "", what, why, mend, f"install -m 755 {wanted} {program.script}")]


def _body(script: Path) -> bytes:
    """Return a script without its first line, in which an installer names the interpreter."""
    with script.open("rb") as file:
        return file.read(_LARGEST + 1).partition(b"\n")[2]


def _missing(path: str, error: OSError) -> Finding:
    what = f"{path or 'the interpreter'}, which sshd or PAM is to start, cannot be used ({error.strerror or error})"
    why = "nobody is let in who comes by it"
    return Finding(Status.BROKEN, "", "", what, why, "install the gate there, or correct the line")


def _runnable(path: str, end: str, verb: str) -> list[Finding]:
    """Whoever logs in runs it, so everybody must be able to."""
    wanted, letter = (stat.S_IXOTH, "x") if verb == "run" else (stat.S_IROTH, "r")
    folders = sorted({str(folder) for name in (path, end) for folder in Path(name).parents})
    closed = [folder for folder in folders if not Path(folder).stat().st_mode & stat.S_IXOTH]
    if not closed and Path(end).stat().st_mode & wanted:
        return []
    where, letter = (closed[0], "x") if closed else (end, letter)
    what = f"{path} cannot be {verb} by everybody, for {where} is closed to others"
    why = "the gate runs as whoever logs in, so it ends before it can ask"
    return [Finding(Status.BROKEN, "", "", what, why, "open it to everybody", f"chmod o+{letter} {where}")]


def _environment_faults(program: GateProgram) -> list[Fault]:
    """Judge the virtual environment: the file that says where its Python is, and every package in it."""
    root = Path(program.script).parent.parent
    faults: list[Fault] = []
    if (root / "pyvenv.cfg").exists():
        faults += way_to(str(root / "pyvenv.cfg")).faults
    for packages in _packages(root):
        faults += [*way_to(str(packages)).faults, *faults_below(str(packages))]
    return faults


def _packages(root: Path) -> list[Path]:
    return sorted((root / "lib").glob("python3.*/site-packages"))


def _module_places(interpreter: str) -> list[str]:
    """Ask an interpreter that nobody but root could have changed where its modules are."""
    command = [interpreter, "-I", "-S", "-B", "-c", _ASK]
    try:
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=True, env={}
        )
    except subprocess.SubprocessError as error:
        raise OSError(f"{interpreter} did not say where its modules are: {error}") from None
    return [place for place in ran.stdout.split("\n") if place.startswith("/") and Path(place).exists()]


def _version(program: GateProgram) -> list[Finding]:
    for packages in _packages(Path(program.script).parent.parent):
        try:
            found = _VERSION.search((packages / "secsign_gate" / "__init__.py").read_text("utf-8", "replace"))
        except OSError:
            continue
        if found is not None and found[1] == __version__:
            return []
        other = found[1] if found is not None else "unknown"
        what = f"the gate that sshd starts is of version {other}, this program of {__version__}"
        return [Finding(Status.NOTE, "", "", what, "", "run the doctor of that installation, or update it")]
    what = f"there is no package secsign_gate beside {program.script}"
    why = "the gate ends with status 78, and nobody is let in"
    return [Finding(Status.BROKEN, "", "", what, why, "install it again", "pip install .")]
