"""Where an account's key file is, by a pattern as in sshd_config. Nothing is imported: see scanned_line.py."""


def key_file_name(pattern: str, account: str, home: str, uid: int) -> str | None:
    """Return the file that `pattern` names for an account (sshd_config(5), AuthorizedKeysFile), None for `none`.

    `%h` is the home directory, `%u` the name, `%U` the number, `%%` a per cent sign; what does not begin with a slash
    after that is below the home directory. Raises ValueError for a token that sshd does not know here either.
    """
    if pattern.lower() == "none":
        return None
    tokens = {"%": "%", "h": home, "u": account, "U": str(uid)}
    path = ""
    rest = iter(pattern)
    for char in rest:
        token = next(rest, "") if char == "%" else ""
        if char == "%" and token not in tokens:
            raise ValueError(f"%{token} means nothing in the name of a key file; use %h, %u, %U or %%")
        path += tokens[token] if char == "%" else char
    return path if path.startswith("/") else f"{home}/{path}"
