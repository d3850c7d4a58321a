"""Text that the phone shows."""

_FORBIDDEN = frozenset(
    "&=;%"
)  # an answer that echoes them raw could be split into forged fields (protocol reference 2.2)


def display_text(text: str, limit: int = 255) -> str:
    """Return `text` as printable ASCII of at most `limit` characters, fit for a display field of either dialect.

    Anything that is not printable ASCII, and each of `& = ; %`, becomes one blank; runs of blanks become one.
    A text that is cut ends in "...". The vendor's own clients cut at 255 characters (protocol reference 2.1).
    """
    clean = "".join(char if " " < char <= "~" and char not in _FORBIDDEN else " " for char in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."
