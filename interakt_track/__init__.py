"""Tell Interakt who your customers are and what they do; calls cost microseconds and keep their order.

Example:
    >>> import track
    >>> track.write_key = "YOUR_WRITE_KEY"
    >>> receipt = track.identify(user_id="u1", phone_number="9876543210", traits={"name": "Asha"})
    >>> receipt = track.event(user_id="u1", event="Product Added", traits={"price": 1499})
"""

from __future__ import annotations

import sys
from operator import itemgetter
from types import ModuleType

from ._client import Client
from ._default import MODULE_SETTINGS, DefaultClient, warn_of_no_setting
from ._errors import (
    APIError,
    AuthenticationError,
    CallCancelledError,
    DeliveryError,
    ExpiredError,
    InvalidMessageError,
    QueueFullError,
    RateLimitError,
    RejectedError,
    ServerError,
    SettingsError,
    ShutdownError,
    SpoolError,
    TrackError,
    UnreachableError,
    UnusableClientError,
)
from ._published import warn_of_old_name
from ._receipt import Receipt, Response
from ._stats import Stats
from ._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from interakt_track_client import AuthenticatedClient

    from ._arguments import Priority
    from ._async_client import AsyncClient
    from ._settings import BeforeSend, OnAmbiguous, OnError, RateLimit, SpoolSync, WhenFull
    from ._spool_file import FailedMessage, SpooledMessage, SpoolFile, SpoolStatus
else:  # a type checker would then take any misspelt setting for one of its names
    from ._late import load as __getattr__  # noqa: F401 - Python looks for it here

__all__ = [
    "APIError",
    "AsyncClient",
    "AuthenticationError",
    "CallCancelledError",
    "Client",
    "DeliveryError",
    "ExpiredError",
    "FailedMessage",
    "InvalidMessageError",
    "QueueFullError",
    "RateLimitError",
    "Receipt",
    "RejectedError",
    "Response",
    "ServerError",
    "SettingsError",
    "ShutdownError",
    "SpoolError",
    "SpoolFile",
    "SpoolStatus",
    "SpooledMessage",
    "Stats",
    "TrackError",
    "UnreachableError",
    "UnusableClientError",
    "__version__",
    "api_client",
    "api_key",
    "batch_size",
    "before_send",
    "block_timeout",
    "debug",
    "default_country_code",
    "enabled",
    "event",
    "flush",
    "flush_interval",
    "host",
    "identify",
    "join",
    "max_queue_size",
    "max_retries",
    "max_workers",
    "on_ambiguous",
    "on_error",
    "rate_limit",
    "shutdown",
    "shutdown_timeout",
    "spool",
    "spool_max_age",
    "spool_max_bytes",
    "spool_retention",
    "spool_sync",
    "stats",
    "strict",
    "sync_mode",
    "timeout",
    "user",
    "when_full",
    "write_key",
]

write_key: str | None = None
"""The API key: raw, the dashboard's base64 "Secret Key", or the whole `Basic …` value. None: `INTERAKT_WRITE_KEY`."""

api_key: str | None = None
"""The name of `write_key` in 1.0.x; it works, and warns once."""

host: str | None = None
"""Where the API is. None: `INTERAKT_HOST`, else `https://api.interakt.ai`."""

sync_mode: bool = False
"""Whether a call waits for the API's answer and raises what went wrong."""

debug: bool = False
"""Whether the SDK's debug records are shown on stderr: no key, no payload, identities masked."""

timeout: float = 10
"""Seconds one attempt may take."""

max_retries: int = 3
"""How many further attempts a failed message gets; a 429 costs none."""

max_queue_size: int = 10000
"""How many messages may wait; what comes then is dropped, and its receipt says so."""

on_error: OnError | None = None
"""Called as `on_error(error, queue_msg)`, once for each message that was not delivered, in a thread of its own."""

default_country_code: str = "+91"
"""Used where a call gives a phone number without a country code."""

flush_interval: float = 0.5
"""Seconds the oldest waiting message waits before what waits is sent."""

batch_size: int = 100
"""How many waiting messages are sent without waiting any longer."""

max_workers: int = 8
"""How many requests may be under way at the same time."""

shutdown_timeout: float = 10
"""Seconds that leaving the process may take to send what waits."""

enabled: bool = True
"""False: calls validate, and nothing is queued or sent."""

strict: bool = True
"""Whether bad input raises at the call. False: it is reported through `on_error` instead, and never raises."""

before_send: BeforeSend | None = None
"""Given a copy of the outgoing body at the call; returns the body to send, or None to drop it."""

rate_limit: RateLimit = None
"""Requests a minute that are never exceeded: a number, `"growth"` (300) or `"advanced"` (600). None: learned."""

when_full: WhenFull = "drop"
"""What a call does that finds the queue full: `"drop"`, `"block"` or `"raise"`."""

block_timeout: float = 10
"""Seconds a call may block for room with `when_full="block"`; then its message is dropped."""

on_ambiguous: OnAmbiguous = "retry"
"""Whether an event is sent again that the API may have received: `"retry"` or `"give_up"`."""

spool: str | os.PathLike[str] | None = None
"""The file in which what waits is kept, so that it outlives the process. None: in memory."""

spool_sync: SpoolSync = "normal"
"""What a message in the spool survives once its call has returned: `"normal"` the process, `"full"` a power cut too."""

spool_max_age: float = 604_800
"""Seconds after its call for which a message in the spool is tried again; a week."""

spool_max_bytes: int = 1_073_741_824
"""How large the spool may grow, 1 GiB; what comes then waits in memory."""

spool_retention: float = 2_592_000
"""Seconds for which a message that was not delivered is kept among the spool's failed ones; 30 days."""

_read_settings = itemgetter(*MODULE_SETTINGS)
_module_client = DefaultClient(lambda: _read_settings(globals()), lambda: globals().get("strict") is not False)


class _Settings(ModuleType):
    """This module, which tells of assignments to it; reading is any module's, so `mock.patch` sees nothing new."""

    def __setattr__(self, name: str, value: object) -> None:
        is_known = name in vars(self) or name in MODULE_SETTINGS or name in __all__ or name[:1] == "_"
        if not is_known and not isinstance(value, ModuleType):  # such as one of ours that has been imported
            warn_of_no_setting(name)
        super().__setattr__(name, value)
        _module_client.note_change()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        _module_client.note_change()

    def __reduce__(self) -> tuple[object, ...]:  # what pickles functions with their modules knows exact modules only
        return __import__, (self.__name__,)


sys.modules[__name__].__class__ = _Settings


def identify(
    user_id: object = None,
    country_code: object = None,
    phone_number: object = None,
    traits: Mapping[str, Any] | None = None,
    *,
    tags: object = None,
    created_at: datetime | str | None = None,
    add_to_sales_cycle: bool | None = None,
    priority: Priority = "normal",
) -> Receipt:
    """Say who a customer is; see `Client.identify`."""
    try:
        client = _module_client.get()
    except SettingsError as error:
        return _module_client.refuse(error)
    return client.identify(
        user_id,
        country_code,
        phone_number,
        traits,
        tags=tags,
        created_at=created_at,
        add_to_sales_cycle=add_to_sales_cycle,
        priority=priority,
    )


def user(
    user_id: object = None,
    country_code: object = None,
    phone_number: object = None,
    traits: Mapping[str, Any] | None = None,
) -> Receipt:
    """Say who a customer is: `identify`, under its name in 1.0.x."""
    warn_of_old_name("track.user", "track.identify")
    return identify(user_id, country_code, phone_number, traits)


def event(
    user_id: object = None,
    event: str | None = None,
    traits: Mapping[str, Any] | None = None,
    country_code: object = None,
    phone_number: object = None,
    *,
    created_at: datetime | str | None = None,
    priority: Priority = "normal",
) -> Receipt:
    """Say what a customer did; see `Client.event`."""
    try:
        client = _module_client.get()
    except SettingsError as error:
        return _module_client.refuse(error)
    return client.event(user_id, event, traits, country_code, phone_number, created_at=created_at, priority=priority)


def flush(timeout: float | None = None) -> bool:
    """Send what waits now, and wait until everything queued before is settled; see `Client.flush`."""
    return _module_client.get_as_it_was().flush(timeout)


def join(timeout: float | None = None) -> None:
    """Wait as `flush` does, and let the threads end; see `Client.join`."""
    _module_client.get_as_it_was().join(timeout)


def shutdown(timeout: float | None = None) -> None:
    """Send what can be sent in time, and report the rest; see `Client.shutdown`."""
    _module_client.get_as_it_was().shutdown(timeout)


def stats() -> Stats:
    """Return what became of every message so far."""
    return _module_client.get_as_it_was().stats()


def api_client() -> AuthenticatedClient:
    """Return the generated, typed low-level client, ready to use; see `Client.api_client`."""
    return _module_client.get().api_client()
