"""git over ssh."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from both_ways import BothWays, Outcome, Side

WHEN = "2016-11-22T12:00:00Z"
IDENTITY = {
    "GIT_AUTHOR_NAME": "Alice", "GIT_AUTHOR_EMAIL": "alice@example.org", "GIT_AUTHOR_DATE": WHEN,
    "GIT_COMMITTER_NAME": "Alice", "GIT_COMMITTER_EMAIL": "alice@example.org", "GIT_COMMITTER_DATE": WHEN,
}  # fmt: skip


def git(side: Side) -> list[Outcome]:
    def git(*words: str) -> Outcome:
        return side.run("git", "-c", "init.defaultBranch=main", *words, GIT_SSH_COMMAND=side.ssh, **IDENTITY)

    bare = ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(side.home / "project.git")]
    subprocess.run(["runuser", "-u", side.account, "--", *bare], check=True)
    git("init", "--quiet", "ours")
    shutil.copy(side.folder / "data.bin", side.folder / "ours")
    git("-C", "ours", "add", "data.bin")
    git("-C", "ours", "commit", "--quiet", "--message=one")
    return [
        git("-C", "ours", "push", "--porcelain", "server:project.git", "main", "main:other"),
        git("clone", "server:project.git", "theirs"),
        git("-C", "theirs", "commit", "--quiet", "--allow-empty", "--message=two"),
        git("-C", "theirs", "push", "--porcelain", "origin", "main", ":other"),
        git("-C", "ours", "fetch", "--quiet", "server:project.git", "main"),
        git("-C", "ours", "log", "--format=%H %s", "FETCH_HEAD"),
        git("-C", "theirs", "fsck", "--full"),
    ]



def test_git(both: BothWays) -> None:
    both.same(git, pushes=4)
