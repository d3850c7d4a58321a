"""Become what sshd would have started, without a trace: argv, environment, signals, descriptors, greetings.

What is undone here is what a forced command, the login shell in between, CPython and our own drop-in add. Nothing of
this runs before a verdict that allows.
"""

import _signal  # type: ignore[import-not-found] # `signal` would load enum, for milliseconds; this is its C part
import posix
import sys

from secsign_gate.ask_and_answer import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from secsign_gate.errors import NothingToExec

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126  # as a shell says it (POSIX, Exit Status for Commands)

# What `SetEnv` in sshd_config.d/ puts in the way of the user's start-up files and of the loader, value by value.
# HOME gets its real value back, the others were not there; another value is an administrator's own and stays.
# A test holds the drop-in against this table.
HARDENING: dict[bytes, bytes] = {
    b"HOME": b"/nonexistent",
    b"ZDOTDIR": b"/nonexistent",
    b"XDG_CONFIG_HOME": b"/etc",
    b"XDG_DATA_HOME": b"/usr/share",
    b"XDG_DATA_DIRS": b"/usr/share",
    b"fish_function_path": b"/usr/share/fish/functions",
    b"BASH_ENV": b"",
    b"ENV": b"",
    b"BASH_FUNC_exec%%": b"",
    b"LD_PRELOAD": b"",
    b"LD_LIBRARY_PATH": b"",
    b"LD_AUDIT": b"",
    b"GCONV_PATH": b"",
    b"LOCPATH": b"",
}
# What the login shell between sshd and us adds on its own or fills; sshd sets none of them. A__z is ksh's.
_FROM_ANY_SHELL = frozenset((b"PWD", b"OLDPWD", b"SHLVL", b"SHELLOPTS", b"_", b"A__z"))
_FROM_TCSH = frozenset((b"HOSTTYPE", b"VENDOR", b"OSTYPE", b"MACHTYPE", b"GROUP", b"HOST", b"NLSPATH", b"REMOTEHOST"))
_FROM_THE_GATE = frozenset((b"SSH_ORIGINAL_COMMAND", b"SSH_USER_AUTH"))


def hand_over(answer: Answer, environ: list[bytes]) -> "NoReturn":
    """Exec what `answer` orders. `environ` is the block that this process was started with.

    Raises NothingToExec if that fails; ~/.ssh/rc has run by then, and the greeting has been shown.
    """
    if not answer.login_shell:
        raise _nothing_to_exec("the broker named no shell", _NOT_FOUND)
    variables = dict(_split(entry) for entry in environ_for(answer, environ))
    # CPython ignores two signals for itself, and what is ignored stays ignored across an exec. SIGPIPE comes last: in
    # sshd it is ignored while ~/.ssh/rc runs.
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
    if posix.isatty(1):  # sshd's order: with a terminal the greeting is out before ~/.ssh/rc runs, else after it
        _greet(answer, variables)
        _run_user_rc(answer, variables)
    else:
        _run_user_rc(answer, variables)
        _greet(answer, variables)
    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    program, arguments = _program(answer)
    try:
        posix.execve(program, arguments, variables)
    except OSError as error:
        _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)  # there are words to be said yet, and perhaps nobody to listen
        name = program.decode("ascii", "backslashreplace")
        status = _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
        raise _nothing_to_exec(f"cannot run {name} ({error.strerror})", status) from None


def _nothing_to_exec(sentence: str, exit_status: int) -> "NothingToExec":
    from secsign_gate.errors import NothingToExec  # noqa: PLC0415 - nearly always there is something

    return NothingToExec(sentence, exit_status)


def _greet(answer: Answer, environ: dict[bytes, bytes]) -> None:
    if answer.motd_files or answer.mail_notice or answer.last_login:
        from secsign_gate.doors.greeting import greet  # noqa: PLC0415 - only a login shell greets

        greet(answer, environ)


def _run_user_rc(answer: Answer, environ: dict[bytes, bytes]) -> None:
    script = answer.home + b"/.ssh/rc"
    if answer.user_rc and posix.access(script, posix.F_OK):
        from secsign_gate.doors.user_rc import run_user_rc  # noqa: PLC0415 - few have one

        run_user_rc(script, answer.login_shell, environ)


def _program(answer: Answer) -> tuple[bytes, list[bytes]]:
    """Return what to exec and its arguments, argv[0] first, as session.c of sshd chooses them."""
    if answer.program:
        return answer.program[0], list(answer.program)
    name = answer.login_shell.rpartition(b"/")[2]
    if answer.command is None:
        return answer.login_shell, [b"-" + name]
    return answer.login_shell, [name, b"-c", answer.command]


def environ_for(answer: Answer, environ: list[bytes]) -> list[bytes]:
    """Return the environment that sshd would have given, from the block `environ` that came through the shell."""
    ours = _FROM_ANY_SHELL | _FROM_THE_GATE
    if answer.keep_auth_info:
        ours -= {b"SSH_USER_AUTH"}
    if answer.login_shell.rpartition(b"/")[2] in (b"tcsh", b"csh"):
        ours |= _FROM_TCSH
    result = []
    for entry in environ:
        name, value = _split(entry)
        if name not in ours and HARDENING.get(name) != value:
            result.append(entry)
        elif name == b"HOME":
            result.append(b"HOME=" + answer.home)
    if answer.original_command is not None:
        result.append(b"SSH_ORIGINAL_COMMAND=" + answer.original_command)
    return result


def _split(entry: bytes) -> tuple[bytes, bytes]:
    name, _, value = entry.partition(b"=")
    return name, value


def in_bytes(text: str) -> bytes:
    """Return what the kernel or the C library gave as text in the bytes that it was."""
    return text.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())
