"""The client behind the module's functions; it follows the module's settings."""

from __future__ import annotations

import threading

from ._client import Client
from ._settings import SETTING_NAMES, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class DefaultClient:
    """Makes one client at the first call, and keeps it: a changed setting changes the client's settings.

    Args:
        read: Returns the module's values of `SETTING_NAMES`, in that order.
    """

    def __init__(self, read: Callable[[], tuple[object, ...]]) -> None:
        self._read = read
        self._lock = threading.RLock()  # guards both below
        self._values: tuple[object, ...] = ()
        self._client: Client | None = None

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
            arguments = dict(zip(SETTING_NAMES, values, strict=True))
            if self._client is None:
                self._client = Client(**arguments)  # type: ignore[arg-type]  # Settings checks each value
            else:
                self._client.configure(Settings(**arguments))  # type: ignore[arg-type]  # as above
            self._values = values
            return self._client
