"""Get Debian packages into the project's own .cache folder and unpack them there; nothing is installed.

    fetch_packages.py GROUP [GROUP…]      groups are listed in packages.py; prints one folder for each

apt works as usual (the host's sources, keys and proxies) but keeps its lists and archives in .cache, takes no lock and
runs no hook, so that the host stays as it was. It downloads what the host lacks for these packages, no more.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from packages import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CACHE = Path(__file__).resolve().parents[2] / ".cache"
DPKG_STATUS = Path("/var/lib/dpkg/status")
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MERGED_INTO_USR = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

APT_CONFIGURATION = """\
Dir::State "{apt}/state";
Dir::State::status "{status}";
Dir::State::lists "{apt}/lists";
Dir::Cache "{apt}";
Dir::Cache::archives "{apt}/archives";
Dir::Log "{apt}/log";
Debug::NoLocking "true";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
APT::Get::List-Cleanup "false";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
"""


class FetchError(Exception):
    """Packages could not be had; str() is one sentence for the person at the keyboard."""


def fetch(packages: Sequence[str], cache: Path = CACHE) -> Path:
    """Return the folder below `cache` in which `packages` and what they need beyond the host are unpacked.

    The answer is remembered as a link named after the question: the packages, who asks (files belong to him), and what
    the host has installed. Raises FetchError.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None or not DPKG_STATUS.exists():
        raise FetchError(
            "this needs a Debian or Ubuntu system with apt-get and dpkg; run it on one, or in a container."
        )
    trees = cache / "trees"
    trees.mkdir(parents=True, exist_ok=True)
    asked = trees / _digest([*sorted(packages), str(os.geteuid()), DPKG_STATUS.read_text(errors="surrogateescape")])
    with _only_one_at_a_time(cache):
        if not asked.exists():
            archives = _download(packages, cache / "apt")
            tree = trees / _digest([str(os.geteuid()), *(archive.name for archive in archives)])
            if not tree.exists():
                _unpack(archives, tree)
            asked.unlink(missing_ok=True)
            asked.symlink_to(tree.name)
    return asked.resolve()


def _download(packages: Sequence[str], apt: Path) -> list[Path]:
    """Return the archives, all of them downloaded; the package lists are refreshed only if that fails without."""
    for folder in ("state", "lists/partial", "archives/partial", "log", "nothing/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    configuration = apt / "apt.conf"
    configuration.write_text(APT_CONFIGURATION.format(apt=apt, status=DPKG_STATUS))
    names, releases = _from_where(packages)
    wanted = ["install", "--yes", "--no-remove", *names]
    try:
        return _download_with_these_lists(configuration, wanted)
    except FetchError:
        _say(f"asking apt for its package lists (kept in {apt}) …")
        _apt(configuration, ["update"])
        if releases:
            _add_releases(configuration, releases)
            _apt(configuration, ["update"])
        return _download_with_these_lists(configuration, wanted)


def _from_where(packages: Sequence[str]) -> tuple[list[str], set[str]]:
    """Return the packages as this system's apt knows them, and the releases that it may not know yet."""
    system = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    names, releases = [], set()
    for package in packages:
        name, _, release = package.partition("/")
        ours = release.split("-")[0] == system
        names.append(package if ours else name)
        if ours:
            releases.add(release)
    return names, releases


def _add_releases(configuration: Path, releases: set[str]) -> None:
    """Have apt look for these releases where the system has its own one from, beside all that it knows."""
    shown = ["indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages", "Component: main"]
    places = {codename: address for address, codename in map(str.split, _apt(configuration, shown).splitlines())}
    signed_by = f"[signed-by={KEYS}] " if KEYS.exists() else ""
    known = Path("/etc/apt/sources.list")
    lines = [known.read_text() if known.exists() else ""]
    for release in sorted(releases):
        if release.split("-")[0] not in places:
            raise FetchError(f"apt does not know where {release} could be; add it to the sources of this machine.")
        lines.append(f"deb {signed_by}{places[release.split('-')[0]]} {release} main\n")
    sources = configuration.with_name("sources.list")
    sources.write_text("\n".join(lines))
    with configuration.open("a") as more:
        more.write(f'Dir::Etc::sourcelist "{sources}";\n')


def _download_with_these_lists(configuration: Path, wanted: list[str]) -> list[Path]:
    apt = configuration.parent
    # With an empty archive folder apt names everything that it would download, also what is here already.
    listing = _apt(configuration, ["-o", f"Dir::Cache::archives={apt}/nothing", "--print-uris", *wanted])
    # 'ADDRESS' FILE SIZE HASH
    lines = [line.split() for line in listing.splitlines() if line.startswith("'")]
    archives = [apt / "archives" / line[1] for line in lines]
    bytes_missing = sum(int(line[2]) for line, archive in zip(lines, archives, strict=True) if not archive.exists())
    if bytes_missing:
        _say(f"downloading {bytes_missing / 1e6:.0f} MB of Debian packages into {apt} (nothing is installed) …")
        _apt(configuration, ["--download-only", *wanted])
    for archive in archives:
        if not archive.exists():
            raise FetchError(f"apt-get did not download {urllib.parse.unquote(archive.name)}; try again.")
    return archives


def _unpack(archives: Sequence[Path], tree: Path) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=tree.parent))
    unfinished.chmod(0o755)
    (unfinished / "etc").mkdir()
    for name in MERGED_INTO_USR:  # what a package puts into /lib belongs into /usr/lib, as on every merged system
        (unfinished / "usr" / name).mkdir(parents=True)
        (unfinished / name).symlink_to(f"usr/{name}")
    for archive in archives:
        contents = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], capture_output=True, check=False)
        tar = ["tar", "--extract", "--preserve-permissions", "--keep-directory-symlink", f"--directory={unfinished}"]
        written = subprocess.run(tar, input=contents.stdout, capture_output=True, check=False)
        if contents.returncode or written.returncode:
            archive.unlink()  # a damaged download would stay damaged
            shutil.rmtree(unfinished)
            reason = _last_line((contents.stderr or written.stderr).decode(errors="replace"))
            raise FetchError(f"{archive.name} could not be unpacked ({reason}); try again.")
    for name in MERGED_INTO_USR:
        if not any((unfinished / "usr" / name).iterdir()):
            (unfinished / "usr" / name).rmdir()
    unfinished.rename(tree)


def _apt(configuration: Path, arguments: list[str]) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    command = ["apt-get", "--config-file", str(configuration), "-qq", *arguments]
    run = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False, umask=0o022
    )
    if run.returncode:
        raise FetchError(f"apt-get {arguments[0]} failed ({_last_line(run.stderr)}); is a package mirror reachable?")
    return run.stdout


@contextmanager
def _only_one_at_a_time(cache: Path) -> Iterator[None]:
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:16]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def main() -> int:
    for group in sys.argv[1:]:
        if group not in GROUPS:
            _say(f"fetch_packages: there is no group {group!r}; choose from {', '.join(GROUPS)}.")
            return 64
        try:
            print(fetch(GROUPS[group]))
        except FetchError as failure:
            _say(f"fetch_packages: {failure}")
            return 69
    return 0


if __name__ == "__main__":
    sys.exit(main())
