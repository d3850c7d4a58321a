"""The clock of this host: against the ID server's, and whether anything keeps it right."""

import ctypes
from email.utils import parsedate_to_datetime

from secsign_gate.doctor.finding import Finding, Status

_MUCH = 30.0  # seconds; the Date header counts whole ones
_STA_UNSYNC = 0x0040  # linux/timex.h
_TIMEX_BYTES = 512  # more than struct timex has
_STATUS_AT = 40  # of its member `status`, after unsigned modes and four longs, on 64 bits
_WHY = "records say a wrong time, and certificates and keys end too early or too late"


def skew(date: str, now: float, server: str) -> Finding:
    """Compare `now`, this host's clock in seconds since 1970, with the Date header `date` that was sent then."""
    try:
        there = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return Finding(
            Status.NOTE, "", "", f"the ID server {server} does not tell its time, so clocks are not compared"
        )
    off = now - there - 0.5  # on average half a second is cut off
    if abs(off) <= _MUCH:
        return Finding(Status.CLOSED, "", "", "the clocks of this host and of the ID server agree")
    way = "ahead of" if off > 0 else "behind"
    what = f"this host's clock is {_span(abs(off))} {way} the ID server's"
    return Finding(Status.WEAK, "", "", what, _WHY, "see which of the two is wrong, and have it kept right by NTP")


def examine_clock() -> Finding:
    """Ask the kernel whether something keeps its clock right (adjtimex(2)). Nothing is adjusted."""
    libc = ctypes.CDLL(None, use_errno=True)
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes 0: to read only
    if libc.adjtimex(timex) < 0 or ctypes.sizeof(ctypes.c_long) != 8:  # noqa: PLR2004 - bytes, as _STATUS_AT says
        return Finding(Status.NOTE, "", "", "whether this host's clock is synchronised cannot be told here")
    status = ctypes.c_int.from_buffer(timex, _STATUS_AT).value
    if status & _STA_UNSYNC:
        what = "nothing keeps this host's clock right: the kernel calls it unsynchronised"
        return Finding(
            Status.WEAK, "", "", what, _WHY, "run systemd-timesyncd, chrony or ntpd", "timedatectl set-ntp true"
        )
    return Finding(Status.CLOSED, "", "", "this host's clock is synchronised")


def _span(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
