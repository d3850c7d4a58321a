"""git over ssh."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from both_ways import BothWays, Side
    from ssh_client import Outcome

WHEN = "2016-11-22T12:00:00Z"


def git(side: Side, *words: str) -> Outcome:
    return side.run(
        "git", "-c", "init.defaultBranch=main", *words, GIT_SSH_COMMAND=side.ssh,
        GIT_AUTHOR_NAME="Alice", GIT_AUTHOR_EMAIL="alice@example.org", GIT_AUTHOR_DATE=WHEN,
        GIT_COMMITTER_NAME="Alice", GIT_COMMITTER_EMAIL="alice@example.org", GIT_COMMITTER_DATE=WHEN,
    )  # fmt: skip


def make_repositories(side: Side) -> None:
    """An empty one on the server, and `ours` with a commit."""
    bare = ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(side.home / "project.git")]
    subprocess.run(["runuser", "-u", side.account, "--", *bare], check=True)
    git(side, "init", "--quiet", "ours")
    shutil.copy(side.folder / "data.bin", side.folder / "ours")
    git(side, "-C", "ours", "add", "data.bin")
    git(side, "-C", "ours", "commit", "--quiet", "--message=one")


def exchange(side: Side) -> list[Outcome]:
    make_repositories(side)
    return [
        git(side, "-C", "ours", "push", "--porcelain", "server:project.git", "main", "main:other"),
        git(side, "clone", "server:project.git", "theirs"),
        git(side, "-C", "theirs", "commit", "--quiet", "--allow-empty", "--message=two"),
        git(side, "-C", "theirs", "push", "--porcelain", "origin", "main", ":other"),
        git(side, "-C", "ours", "fetch", "--quiet", "server:project.git", "main"),
        git(side, "-C", "ours", "log", "--format=%H %s", "FETCH_HEAD"),
        git(side, "-C", "theirs", "fsck", "--full"),
    ]


def refused(side: Side) -> None:
    git(side, "-C", "ours", "push", "server:project.git", "main")
    git(side, "clone", "server:project.git", "theirs")
    assert not list((side.home / "project.git").glob("objects/*/*"))


def test_git(both: BothWays) -> None:
    both.same(exchange, pushes=4)
    both.denied(refused, make_repositories)
