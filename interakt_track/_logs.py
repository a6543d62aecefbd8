"""The SDK's log records: one line a minute for each kind of trouble, and debug records when they are asked for."""

from __future__ import annotations

import threading
from _weakrefset import WeakSet  # what `weakref` has it from, and `threading`; `weakref` is a millisecond
from functools import cache
from time import monotonic

from ._locks import IMPORT_LOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging

LOGGER_NAME = "interakt_track"
QUIET_PERIOD = 60.0  # seconds between two lines about the same kind of trouble


@cache  # asked at each attempt, and `getLogger` takes a lock that all of the application's loggers share
def logger() -> logging.Logger:
    """Return the SDK's logger; `logging` is imported when something is first told, it is a third of the import."""
    with IMPORT_LOCK:
        import logging  # noqa: PLC0415 - see above

    return logging.getLogger(LOGGER_NAME)


def log_debug(text: str, *values: object) -> None:
    """Log a debug record."""
    _log(10, text, *values)


def is_debugging() -> bool:
    """Tell whether debug records are wanted."""
    return logger().isEnabledFor(10)


def _log(level: int, text: str, *values: object, exc_info: bool = False) -> None:
    """Log a record; a handler of the application that raises must not cost a message, nor reach the caller."""
    try:  # `suppress` would bring contextlib, a twentieth of the import
        logger().log(level, text, *values, exc_info=exc_info)
    except Exception:  # noqa: BLE001 - a handler may raise anything
        return


class Quiet:
    """Logs a kind of trouble at most once a minute, with the number of times it happened since."""

    def __init__(self) -> None:
        self.start_anew()
        self._seen: dict[str, tuple[float, int, str]] = {}

    def start_anew(self) -> None:
        """Take a new lock, in a forked child too."""
        self._lock = threading.RLock()  # guards _seen

    def warn(self, kind: str, text: str, *, is_error: bool = False, exc_info: bool = False) -> None:
        """Log `text` unless this kind was logged in the last minute; then it is counted.

        Args:
            kind: What is counted together.
            text: The line, without personal data; the count is added to it.
            is_error: Whether it is an ERROR, not a WARNING.
            exc_info: Whether the exception being handled is logged with its traceback.
        """
        now = monotonic()
        with self._lock:
            last, count, _ = self._seen.get(kind, (float("-inf"), 0, ""))
            if now - last < QUIET_PERIOD:
                self._seen[kind] = (last, count + 1, text)
                return
            self._seen[kind] = (now, 0, text)
        more = f" ({count} more since the last such line)" if count else ""
        _log(40 if is_error else 30, "%s%s", text, more, exc_info=exc_info)

    def tell_rest(self, *, is_last: bool) -> None:
        """Log what was counted and not told yet.

        Args:
            is_last: Whether the process ends, and no next line can tell it; else a line's minute has to be over.
        """
        now = monotonic()
        rest = []
        with self._lock:
            for kind, (last, count, text) in self._seen.items():
                if count and (is_last or now - last >= QUIET_PERIOD):
                    rest.append((count, text))
                    self._seen[kind] = (now, 0, text)
        for count, text in rest:
            lines = "line was" if count == 1 else "lines were"
            _log(30, "%d more such %s not shown; the last: %s", count, lines, text)


class DebugOutput:
    """Shows the SDK's debug records on stderr while a client with `debug=True` wants them."""

    def __init__(self) -> None:
        self._handler: logging.Handler | None = None
        self._owners: WeakSet[object] = WeakSet()
        self._level = 0

    def show(self, owner: object, *, is_wanted: bool) -> None:
        """Show them while at least one owner wants them; handlers the application configured get every record."""
        if is_wanted:
            self._owners.add(owner)
        else:
            self._owners.discard(owner)
        if bool(self._owners) == (self._handler is not None):
            return
        with IMPORT_LOCK:
            import logging  # noqa: PLC0415 - only where debug is set

        log = logger()
        if self._handler is not None:
            log.removeHandler(self._handler)
            log.setLevel(self._level)
            self._handler = None
            return
        self._level = log.level
        log.setLevel(logging.DEBUG)
        self._handler = _fallback_handler()
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        log.addHandler(self._handler)


def _fallback_handler() -> logging.Handler:
    """Return a handler that writes to stderr what no handler of the application would show."""
    with IMPORT_LOCK:
        import logging  # noqa: PLC0415 - only where debug is set

    class Fallback(logging.StreamHandler):  # type: ignore[type-arg]  # generic only in the stubs
        def emit(self, record: logging.LogRecord) -> None:
            if not any(h.level <= record.levelno for h in logging.getLogger().handlers):
                super().emit(record)

    return Fallback()


DEBUG_OUTPUT = DebugOutput()
