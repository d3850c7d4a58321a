"""What another account could do, tried as that account."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def acting_as(name: str, uid: int, gid: int) -> Iterator[None]:
    """Do what comes with the effective uid, gid and groups of an account; root again afterwards. Raises OSError."""
    groups = os.getgroups()
    try:
        os.initgroups(name, gid)
        os.setegid(gid)
        os.seteuid(uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
