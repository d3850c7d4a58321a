"""Variables that take over the gate's start: by which shell or loader, and how the shipped drop-in's SetEnv stops them.

sshd starts the gate as `$SHELL -c "exec …"`, so what counts is read by the loader, the C library and that shell.
"""

from typing import NamedTuple

from secsign_gate.doctor.sshd.session import Session


class Variable(NamedTuple):
    """A variable, what it does to a process that starts, and what SetEnv gives it in the shipped drop-in.

    `shells` are the login shells that heed it, none for every program. `from_client`: sshd takes it from AcceptEnv,
    which it does not for HOME, PATH and the like (session.c, do_setup_env).
    """

    name: str
    value: str
    does: str
    shells: frozenset[str] = frozenset()
    from_client: bool = True


BASH = frozenset({"bash", "rbash", "sh"})
ZSH = frozenset({"zsh", "rzsh", "zsh5"})
FISH = frozenset({"fish"})
CSH = frozenset({"csh", "tcsh", "bsd-csh"})
KSH = frozenset({"ksh", "ksh93", "rksh93", "mksh", "lksh", "pdksh", "oksh", "loksh"})
ASH = frozenset({"sh", "dash", "ash", "busybox", "posh", "yash"})
KNOWN_SHELLS = BASH | ZSH | FISH | CSH | KSH | ASH
READ_FILES_AT_HOME = frozenset({"bash", "rbash"}) | ZSH | FISH | CSH  # by `$SHELL -c` under sshd

VARIABLES = (
    Variable("HOME", "/nonexistent", "says where start-up files are", READ_FILES_AT_HOME | KSH, from_client=False),
    Variable("ZDOTDIR", "/nonexistent", "says where zsh finds .zshenv", ZSH),
    Variable("XDG_CONFIG_HOME", "/etc", "says where fish finds config.fish", FISH),
    Variable("XDG_DATA_HOME", "/usr/share", "says where fish finds vendor_conf.d", FISH),
    Variable("XDG_DATA_DIRS", "/usr/share", "says where fish finds vendor_conf.d", FISH),
    Variable("fish_function_path", "/usr/share/fish/functions", "says where fish finds functions", FISH),
    Variable("SHLVL", "1", "makes bash take sshd for a shell, and read ~/.bashrc or not", BASH),
    Variable("BASH_ENV", "", "is run by bash when it starts", BASH),
    Variable("ENV", "", "is run by other shells when they start", BASH | ASH | KSH),
    Variable("SHELLOPTS", "", "runs what stands in PS4, by xtrace", BASH),
    Variable("BASH_FUNC_exec%%", "", "is a function in place of exec", BASH),
    Variable("LD_PRELOAD", "", "loads code into every program"),
    Variable("LD_LIBRARY_PATH", "", "loads code into every program"),
    Variable("LD_AUDIT", "", "loads code into every program"),
    Variable("GCONV_PATH", "", "loads code by way of a character set"),
    Variable("LOCPATH", "", "loads code by way of a character set"),
)
# What the gate's interpreter would heed if it were started without -I; nothing in SetEnv is against these.
PYTHON = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONUSERBASE")
# With one of these alone nobody takes anything over.
_HARMLESS_ALONE = frozenset({"SHLVL"})
_UNSAFE_ANYWHERE = frozenset({"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GCONV_PATH", "LOCPATH"})


def heeded(session: Session) -> tuple[Variable, ...]:
    """Return the variables that matter for the session's login shell; for an unknown one, all of them."""
    return tuple(
        variable
        for variable in VARIABLES
        if variable.name not in _HARMLESS_ALONE
        and (not variable.shells or session.shell in variable.shells or session.shell not in KNOWN_SHELLS)
    )


def is_overruled(session: Session, name: str) -> bool:
    """Tell whether SetEnv gives `name` a value that leads nowhere, or to what only root may make or change."""
    value = session.set_env.get(name)
    if value is None:
        return False
    wanted = next((variable for variable in VARIABLES if variable.name == name), None)
    if not value:  # an empty HOME would mean the current folder to some shells
        return wanted is None or not wanted.value
    if wanted is not None and not wanted.value and name not in _UNSAFE_ANYWHERE:
        return False  # what is to be empty and is not, somebody runs
    parts = value.split(":")
    return all(part in session.host.roots_alone for part in parts)


def set_env_line(session: Session) -> str:
    """Return the SetEnv line to write: the shipped one, and behind it what the administrator's own sets besides."""
    ours = {variable.name: variable.value for variable in VARIABLES}
    pairs = ours | {name: value for name, value in session.set_env.items() if name not in ours}
    return f"SetEnv {' '.join(_quoted(f'{name}={value}') for name, value in pairs.items())}"


def isolated_line(session: Session) -> str:
    """Return the line of the session's ForceCommand, which is the gate, with Python told to take no other code."""
    command, gate = session.effective.value("forcecommand"), session.gate
    if gate is None:
        return ""
    started = " ".join((*([gate.interpreter] if gate.interpreter else []), *gate.options, gate.script))
    return f"ForceCommand {command.replace(started, f'{gate.own_interpreter} -I -S {gate.script}', 1)}"


def _quoted(word: str) -> str:
    if word.isprintable() and not set(word) & set(" \t#'\"\\"):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
