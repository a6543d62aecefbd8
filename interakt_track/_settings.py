"""The settings a client works with: what each may be, and what it is by default."""

from __future__ import annotations

import os

from ._errors import InvalidMessageError, SettingsError
from ._locks import IMPORT_LOCK
from ._write_key import key_of_environment, parse_write_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, TypeAlias, TypedDict

    from ._errors import QueueMessage, TrackError

    OnError = Callable[[TrackError, QueueMessage], object]
    BeforeSend = Callable[[dict[str, Any]], dict[str, Any] | None]
    RateLimit: TypeAlias = int | Literal["growth", "advanced"] | None
    WhenFull: TypeAlias = Literal["drop", "block", "raise"]
    OnAmbiguous: TypeAlias = Literal["retry", "give_up"]
    SpoolSync: TypeAlias = Literal["normal", "full"]

    class SettingsArguments(TypedDict, total=False):
        """The keyword arguments of `Settings`, each optional."""

        write_key: str | None
        host: str | None
        sync_mode: bool
        debug: bool
        timeout: float
        max_retries: int
        max_queue_size: int
        on_error: OnError | None
        default_country_code: str
        flush_interval: float
        batch_size: int
        max_workers: int
        shutdown_timeout: float
        enabled: bool
        strict: bool
        before_send: BeforeSend | None
        rate_limit: RateLimit
        when_full: WhenFull
        block_timeout: float
        on_ambiguous: OnAmbiguous
        spool: str | os.PathLike[str] | None
        spool_sync: SpoolSync
        spool_max_age: float
        spool_max_bytes: int
        spool_retention: float


DEFAULT_HOST = "https://api.interakt.ai"
PLANS = {"growth": 300, "advanced": 600}
"""Requests a minute of the published plans."""

DAY = 86_400  # seconds
MIN_SPOOL_BYTES = 1_048_576  # a message may be as big; less could not hold one

_COROUTINE = 0x80  # the flag of code that is awaited; what `inspect`, which takes 10 ms to import, has it from


class Settings:
    """One valid set of settings; frozen: a change makes another one.

    Args:
        write_key: The API key, in any form people paste: raw, the dashboard's base64 "Secret Key", or the whole
            `Basic …` header value. None: the environment's `INTERAKT_WRITE_KEY`.
        host: Where the API is, `https://host[:port][/prefix]`. None: the environment's `INTERAKT_HOST`, else
            `https://api.interakt.ai`.
        sync_mode: Whether a call waits for the API's answer and raises what went wrong.
        debug: Whether the SDK's debug records are shown on stderr, with no further set-up.
        timeout: Seconds one attempt may take.
        max_retries: How many further attempts a failed message gets.
        max_queue_size: How many messages may wait.
        on_error: Called as `on_error(error, queue_msg)`, once for each message that was not delivered.
        default_country_code: Used where a call gives a phone number and no country code.
        flush_interval: Seconds the oldest message may wait before what waits is sent.
        batch_size: How many waiting messages are sent without waiting any longer.
        max_workers: How many requests may be under way at the same time.
        shutdown_timeout: Seconds that leaving the process may take.
        enabled: False: calls validate, and nothing is queued or sent.
        strict: Whether bad input raises at the call. False: bad traits are left out, an unusable call gives a falsy
            receipt, and both are reported through `on_error`.
        before_send: Given a copy of the outgoing body at the call; returns the body to send, or None to drop it.
        rate_limit: Requests a minute that are never exceeded, a number or the name of a published plan: `"growth"` is
            300, `"advanced"` 600. None: no limit of our own, and a pace learned from the API's 429 answers.
        when_full: What a call does that finds the queue full: `"drop"` its message, `"block"` until there is room, or
            `"raise"` a `QueueFullError`.
        block_timeout: Seconds a call may block for room; then its message is dropped.
        on_ambiguous: Whether an event is sent again that the API may have received: `"retry"` or `"give_up"`.
        spool: The file in which what waits is kept, so that it outlives the process; a path, also a relative one, of
            which the folder is made where it is missing. None keeps it in memory.
        spool_sync: What a message in the spool survives when its call has returned: `"normal"` the end of the process,
            whatever ends it, `"full"` a power cut too.
        spool_max_age: Seconds after its call for which a message in the spool is tried again.
        spool_max_bytes: How large the spool may grow, 1 MiB or more; what comes then waits in memory.
        spool_retention: Seconds for which a message that was not delivered is kept among the spool's failed ones.

    Raises:
        SettingsError: A value is not what the setting must be. The text names the setting, never the key.
    """

    __slots__ = (
        "batch_size",
        "before_send",
        "block_timeout",
        "debug",
        "default_country_code",
        "enabled",
        "flush_interval",
        "host",
        "max_queue_size",
        "max_retries",
        "max_workers",
        "on_ambiguous",
        "on_error",
        "rate_limit",
        "shutdown_timeout",
        "spool",
        "spool_max_age",
        "spool_max_bytes",
        "spool_retention",
        "spool_sync",
        "strict",
        "sync_mode",
        "timeout",
        "when_full",
        "write_key",
    )

    write_key: str | None
    host: str
    sync_mode: bool
    debug: bool
    timeout: float
    max_retries: int
    max_queue_size: int
    on_error: OnError | None
    default_country_code: str
    flush_interval: float
    batch_size: int
    max_workers: int
    shutdown_timeout: float
    enabled: bool
    strict: bool
    before_send: BeforeSend | None
    rate_limit: int | None
    when_full: WhenFull
    block_timeout: float
    on_ambiguous: OnAmbiguous
    spool: str | None
    spool_sync: SpoolSync
    spool_max_age: float
    spool_max_bytes: int
    spool_retention: float

    def __init__(
        self,
        *,
        write_key: str | None = None,
        host: str | None = None,
        sync_mode: bool = False,
        debug: bool = False,
        timeout: float = 10,
        max_retries: int = 3,
        max_queue_size: int = 10000,
        on_error: OnError | None = None,
        default_country_code: str = "+91",
        flush_interval: float = 0.5,
        batch_size: int = 100,
        max_workers: int = 8,
        shutdown_timeout: float = 10,
        enabled: bool = True,
        strict: bool = True,
        before_send: BeforeSend | None = None,
        rate_limit: RateLimit = None,
        when_full: WhenFull = "drop",
        block_timeout: float = 10,
        on_ambiguous: OnAmbiguous = "retry",
        spool: str | os.PathLike[str] | None = None,
        spool_sync: SpoolSync = "normal",
        spool_max_age: float = 7 * DAY,
        spool_max_bytes: int = 2**30,
        spool_retention: float = 30 * DAY,
    ) -> None:
        if write_key == "" and not enabled:  # as where it is read from an environment that has none
            write_key = None
        values = {
            "write_key": _key("write_key", write_key),
            "host": _host("host", host or os.environ.get("INTERAKT_HOST") or DEFAULT_HOST),
            "sync_mode": _flag("sync_mode", sync_mode),
            "debug": _flag("debug", debug),
            "timeout": _seconds("timeout", timeout, may_be_zero=False),
            "max_retries": _count("max_retries", max_retries, at_least=0),
            "max_queue_size": _count("max_queue_size", max_queue_size, at_least=1),
            "on_error": _function("on_error", on_error),
            "default_country_code": _calling_code("default_country_code", default_country_code),
            "flush_interval": _seconds("flush_interval", flush_interval, may_be_zero=True),
            "batch_size": _count("batch_size", batch_size, at_least=1),
            "max_workers": _count("max_workers", max_workers, at_least=1),
            "shutdown_timeout": _seconds("shutdown_timeout", shutdown_timeout, may_be_zero=True),
            "enabled": _flag("enabled", enabled),
            "strict": _flag("strict", strict),
            "before_send": _function("before_send", before_send),
            "rate_limit": _rate_limit("rate_limit", rate_limit),
            "when_full": _choice("when_full", when_full, ("drop", "block", "raise")),
            "block_timeout": _seconds("block_timeout", block_timeout, may_be_zero=True),
            "on_ambiguous": _choice("on_ambiguous", on_ambiguous, ("retry", "give_up")),
            "spool": _file("spool", spool),
            "spool_sync": _choice("spool_sync", spool_sync, ("normal", "full")),
            "spool_max_age": _seconds("spool_max_age", spool_max_age, may_be_zero=False),
            "spool_max_bytes": _count("spool_max_bytes", spool_max_bytes, at_least=MIN_SPOOL_BYTES),
            "spool_retention": _seconds("spool_retention", spool_retention, may_be_zero=False),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings are frozen; assign track.{name} or make another Client")

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__slots__ if name not in ("host", "write_key"))
        key = "None" if self.write_key is None else "'***'"
        return f"Settings(write_key={key}, host={self.host!r}, {', '.join(shown)})"


SETTING_NAMES = Settings.__slots__


def travels_in_clear(host: str) -> bool:
    """Tell whether a key sent to this host can be read on its way: plain http, and not to this machine."""
    scheme, _, rest = host.lower().partition("://")
    name = rest.partition("/")[0]
    name = name.partition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0]
    is_loopback = name.startswith("127.") and name.replace(".", "").isdigit()
    return scheme == "http" and not (is_loopback or name in ("localhost", "[::1]") or name.endswith(".localhost"))


def _key(name: str, value: object) -> str | None:
    if value is None:
        return key_of_environment()
    if not isinstance(value, str):
        raise _wrong(name, "the API key as text", value, is_secret=True)
    return parse_write_key(value)


def _host(name: str, value: object) -> str:
    must_be = "an address such as https://api.interakt.ai, with http:// or https://, and no user, query or fragment"
    if not isinstance(value, str):
        raise _wrong(name, must_be, value)
    host = value.strip().rstrip("/")
    scheme, separator, rest = host.partition("://")
    authority = rest.partition("/")[0]
    has_odd_characters = not host.isprintable() or any(character in host for character in " ?#\\@")
    if scheme.lower() not in ("http", "https") or not separator or not authority.strip(":") or has_odd_characters:
        raise _wrong(name, must_be, value, is_secret="@" in value)
    port = authority.rpartition("]")[2].partition(":")[2]
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise _wrong(name, "an address whose port is a number from 1 to 65535", value)
    return host


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, "True or False", value)
    return value


def _seconds(name: str, value: object, *, may_be_zero: bool) -> float:
    must_be = "a number of seconds, 0 or more" if may_be_zero else "a number of seconds above 0"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(name, must_be, value)
    # More than a year is a mistake, and threads cannot wait for infinity.
    if not 0 <= value <= 31_536_000 or (value == 0 and not may_be_zero):
        raise _wrong(name, must_be, value)
    return value


def _count(name: str, value: object, *, at_least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise _wrong(name, f"a whole number, {at_least} or more", value)
    return value


def _rate_limit(name: str, value: object) -> int | None:
    if value is None:
        return None
    limit = PLANS.get(value) if isinstance(value, str) else value
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise _wrong(name, 'requests a minute (a whole number, 1 or more), "growth", "advanced" or None', value)
    return limit


def _choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise _wrong(name, " or ".join(f'"{choice}"' for choice in choices), value)
    return value


def _file(name: str, value: object) -> str | None:
    """Return an absolute path: a program may change its folder later, and a daemon does.

    Links are followed: by two names, one file would have two leases.
    """
    if value is None:
        return None
    must_be = "the path of a file such as track.db, or None"
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str) or not path or path.endswith(("/", os.sep)) or "\0" in path or path == ":memory:":
        raise _wrong(name, must_be, value)
    try:
        return os.path.realpath(os.path.expanduser(path))  # noqa: PTH111 - pathlib takes 10 ms to import
    except OSError:  # a relative path, in a folder that somebody has removed
        raise _wrong(name, "an absolute path where this program's folder is gone", value) from None


def _function(name: str, value: Any) -> Any:
    if value is not None and not callable(value):
        raise _wrong(name, "a function, or None", value)
    code = getattr(value, "__code__", None)
    if code is not None and code.co_flags & _COROUTINE:
        raise SettingsError(f"{name} must be a plain function, or None; got a coroutine function, which nobody awaits")
    return value


def _calling_code(name: str, value: object) -> str:
    if value == "+91":
        return "+91"  # the default costs no import of phonenumbers
    with IMPORT_LOCK:
        from ._phone import parse_country_code  # noqa: PLC0415 - only where the default is changed

    try:
        return parse_country_code(value)
    except InvalidMessageError:
        raise _wrong(name, 'a known calling code such as "+91"', value) from None


def _wrong(name: str, must_be: str, value: object, *, is_secret: bool = False) -> SettingsError:
    shown = type(value).__name__ if is_secret or not isinstance(value, (str, int, float)) else repr(value)
    return SettingsError(f"{name} must be {must_be}; got {shown[:100]}")
