"""What sqlite3's errors mean for a spool's file, and how long another process's write is waited for."""

from __future__ import annotations

import sqlite3
import time

from ._errors import SpoolError
from ._values import random

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ._errors import SpoolReason

    Result = TypeVar("Result")

BUSY_TIMEOUT = 0.5  # seconds to wait for another process's write, which takes a ten-thousandth of that
FIRST_SLEEP, MAX_SLEEP = 0.0001, 0.005  # SQLite's own sleeps grow to 0.1 s, and starve one of many writers

_REASONS: dict[int, tuple[SpoolReason, str]] = {
    sqlite3.SQLITE_FULL: ("full", "has no room left, on its disk or up to spool_max_bytes"),
    **dict.fromkeys((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED), ("locked", "is locked by another program")),
    sqlite3.SQLITE_CORRUPT: ("corrupt", "is damaged"),
    sqlite3.SQLITE_NOTADB: ("corrupt", "is no database"),
    sqlite3.SQLITE_CONSTRAINT: ("corrupt", "is damaged"),  # its own rows break the rules that they were written under
    sqlite3.SQLITE_MISMATCH: ("corrupt", "is damaged"),
    sqlite3.SQLITE_READONLY: ("unusable", "cannot be written"),
    sqlite3.SQLITE_CANTOPEN: ("unusable", "cannot be opened"),
    sqlite3.SQLITE_PERM: ("unusable", "may not be used by this user"),
    sqlite3.SQLITE_IOERR: ("unusable", "cannot be read or written"),
}


def spool_error(path: str, error: sqlite3.Error | UnicodeDecodeError) -> SpoolError:
    """Return an error of sqlite3 as ours."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        reason, words = _REASONS.get(code & 0xFF, ("unusable", "cannot be used"))
        said = f": {error}"
        if said.startswith(": no such "):  # a table or a column of ours, of which the file told when it was opened
            reason, words = "corrupt", "is damaged"
    elif isinstance(error, sqlite3.ProgrammingError):
        reason, words, said = "closed", "was closed", ""
    else:  # text that is no UTF-8, which the error would show: somebody's data
        reason, words, said = "corrupt", "is damaged: it holds text that cannot be read", ""
    return SpoolError(f"the spool {path} {words}{said}", reason=reason)


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether another process's write stands in the way."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def patiently(run: Callable[[], Result]) -> Result:
    """Run again what another process's write stands in the way of, for `BUSY_TIMEOUT`."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    sleep = FIRST_SLEEP
    while True:
        try:
            return run()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        time.sleep(sleep * (1 + random()))
        sleep = min(2 * sleep, MAX_SLEEP)
