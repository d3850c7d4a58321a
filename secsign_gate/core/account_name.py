"""What the name of an account may be in files that orders are taken from. Nothing is imported: see registry_line.py."""

_LONGEST = 256  # Linux's LOGIN_NAME_MAX


def check_account(name: str) -> str:
    r"""Return `name` if an account can have it in such a file. Raises ValueError with a sentence.

    Wider than useradd(8): directories have names like `DOMAIN\alice`, `alice@example.org` or `build$`.
    """
    if not name or len(name) > _LONGEST:
        raise ValueError(f"an account name has 1 to {_LONGEST} characters")
    if not name.isprintable() or " " in name:
        raise ValueError("an account name holds no blank and no control character")
    if name.startswith(("-", "#")) or ":" in name or "/" in name:
        raise ValueError("an account name holds no colon and no slash and begins with neither - nor #")
    return name
