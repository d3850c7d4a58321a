"""What a terminal can show, from the environment that the client sent.

The environment belongs to an untrusted user: here it only chooses between ways of drawing, of which none can harm
anybody but that user's own terminal. Nothing asks the terminal itself, since the answer would arrive as input, and the
input belongs to the program that runs later.
"""

KITTY, ITERM2, SIXEL = "kitty", "iterm2", "sixel"
NO_COLOURS, COLOURS_8, COLOURS_256, TRUE_COLOUR = 0, 8, 256, 1 << 24

# Terminals (TERM by its beginning) that have the picture protocol; all of them have 24-bit colours as well.
_GRAPHICS = (
    ("xterm-kitty", KITTY),
    ("xterm-ghostty", KITTY),
    ("ghostty", KITTY),
    ("wezterm", ITERM2),
    ("foot", SIXEL),
    ("contour", SIXEL),
    ("mlterm", SIXEL),
    ("yaft", SIXEL),
)
# LC_TERMINAL passes sshd on Debian (AcceptEnv LANG LC_*), TERM_PROGRAM only where the administrator lets it.
_ITERM2_PROGRAMS = frozenset({b"iTerm2", b"iTerm.app", b"WezTerm", b"mintty"})
_TRUE_COLOUR = ("alacritty", "konsole-direct", "rio", "iterm2-direct", "st-direct")
# A multiplexer draws on its own: it would swallow a picture protocol, or leave the picture behind on another window.
_MULTIPLEXERS = ("screen", "tmux", "dvtm")
# Whatever calls itself plain xterm or putty has known the 256 colours for two decades: PuTTY, xterm, VTE, mintty.
_COLOURS_256 = ("xterm", "putty", "mintty", "konsole", "vte", "gnome", "st", "eterm", "rxvt-unicode")
_COLOURS_8 = (
    "xterm-color",
    "linux",
    "screen",
    "tmux",
    "rxvt",
    "ansi",
    "cygwin",
    "cons25",
    "dvtm",
    "teraterm",
    "kterm",
    "nsterm",
)
_MONOCHROME = ("vt100", "vt102", "vt220", "vt320", "vt420", "vt520", "xterm-mono")


class Capabilities:
    """What may be sent to a terminal.

    `draws`: it understands the cursor movements of ECMA-48; if not, plain lines only. `utf8`: characters beyond ASCII.
    `colours`: NO_COLOURS, COLOURS_8, COLOURS_256 or TRUE_COLOUR. `graphics`: KITTY, ITERM2, SIXEL or empty.
    """

    __slots__ = ("colours", "draws", "graphics", "utf8")

    def __init__(self, *, draws: bool, utf8: bool, colours: int, graphics: str) -> None:
        self.draws = draws
        self.utf8 = utf8
        self.colours = colours
        self.graphics = graphics


def capabilities(environ: dict[bytes, bytes]) -> Capabilities:
    """Return what the terminal of this environment is known to have. What is not known, it does not have."""
    term = environ.get(b"TERM", b"").decode("ascii", "replace").lower()
    draws = _draws(term)
    # https://no-color.org: present and not empty, whatever the value.
    colours = NO_COLOURS if environ.get(b"NO_COLOR") or not draws else _colours(term, environ)
    return Capabilities(
        draws=draws,
        utf8=_is_utf8(environ),
        colours=colours,
        graphics=_graphics(term, environ) if colours else "",
    )


def _draws(term: str) -> bool:
    if term in ("", "dumb", "unknown", "emacs"):
        return False
    known = [name for name, _ in _GRAPHICS]
    return (
        "color" in term
        or "direct" in term
        or term.startswith((*known, *_TRUE_COLOUR, *_COLOURS_256, *_COLOURS_8, *_MONOCHROME))
    )


def _is_utf8(environ: dict[bytes, bytes]) -> bool:
    """Follow locale(7): the first of LC_ALL, LC_CTYPE and LANG that is set and not empty decides."""
    for name in (b"LC_ALL", b"LC_CTYPE", b"LANG"):
        value = environ.get(name)
        if value:
            return b"UTF-8" in value.upper() or b"UTF8" in value.upper()
    return False


def _graphics(term: str, environ: dict[bytes, bytes]) -> str:
    if term.startswith(_MULTIPLEXERS):
        return ""
    for name, protocol in _GRAPHICS:
        if term.startswith(name):
            return protocol
    programs = (environ.get(b"LC_TERMINAL"), environ.get(b"TERM_PROGRAM"))
    return ITERM2 if _ITERM2_PROGRAMS.intersection(program for program in programs if program) else ""


def _colours(term: str, environ: dict[bytes, bytes]) -> int:
    if term.startswith(_MONOCHROME):
        return NO_COLOURS
    if _graphics(term, environ) or term.startswith(_TRUE_COLOUR) or "direct" in term:
        return TRUE_COLOUR
    if environ.get(b"COLORTERM") in (b"truecolor", b"24bit"):
        return TRUE_COLOUR
    if "256color" in term:
        return COLOURS_256
    if "16color" in term or "88color" in term or term.startswith(_COLOURS_8):
        return COLOURS_8
    return COLOURS_256 if term.startswith(_COLOURS_256) else COLOURS_8
