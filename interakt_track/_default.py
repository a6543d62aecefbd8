"""The client behind the module's functions; it follows the module's settings."""

from __future__ import annotations

import threading

from ._client import Client
from ._published import choose_key, warn_of_old_name
from ._settings import SETTING_NAMES, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MODULE_SETTINGS = (*SETTING_NAMES, "api_key")
"""What the module's settings are called: as a client's, and the write key's name in 1.0.x."""


class DefaultClient:
    """Makes one client at the first call, and keeps it: a changed setting changes the client's settings.

    Args:
        read: Returns the module's values of `MODULE_SETTINGS`, in that order.
    """

    def __init__(self, read: Callable[[], tuple[object, ...]]) -> None:
        self._read = read
        self._lock = threading.RLock()  # guards all below
        self._values: tuple[object, ...] = ()
        self._client: Client | None = None
        self._has_warned = False

    def get(self) -> Client:
        """Return the client, with the settings of this moment.

        Raises:
            SettingsError: A setting has a wrong value.
        """
        values = self._read()
        client = self._client
        if client is not None and values == self._values:
            return client
        return self._follow(values)

    def _follow(self, values: tuple[object, ...]) -> Client:
        with self._lock:
            arguments: dict[str, Any] = dict(zip(MODULE_SETTINGS, values, strict=True))  # Settings checks each value
            api_key = arguments.pop("api_key")
            if api_key is not None and not self._has_warned:
                self._has_warned = True
                warn_of_old_name("track.api_key", "track.write_key")
            arguments["write_key"] = choose_key(arguments["write_key"], api_key)
            if self._client is None:
                self._client = Client(**arguments)
            else:
                self._client.configure(Settings(**arguments))
            self._values = values
            return self._client
