"""The client behind the module's functions; it follows the module's settings."""

from __future__ import annotations

import threading

from . import _lifecycle
from ._client import Client
from ._errors import SettingsError
from ._locks import IMPORT_LOCK
from ._logs import Quiet
from ._published import choose_key, warn_of_old_name
from ._receipt import Outcome, Receipt
from ._settings import DEFAULT_HOST, SETTING_NAMES, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MODULE_SETTINGS = (*SETTING_NAMES, "api_key")
"""What the module's settings are called: as a client's, and the write key's name in 1.0.x."""


def warn_of_no_setting(name: str) -> None:
    """Issue a `UserWarning` for the application's line that assigns to the module what changes nothing."""
    with IMPORT_LOCK:
        from difflib import get_close_matches  # noqa: PLC0415 - only where a name is misspelt

        from ._warnings import warn  # noqa: PLC0415 - as above

    near = get_close_matches(name.lower(), SETTING_NAMES, n=1)
    hint = f"; did you mean track.{near[0]}?" if near else ""
    warn(f"track.{name} is no setting, and assigning it changes nothing{hint}", UserWarning)


class DefaultClient:
    """Makes one client at the first call, and keeps it: a changed setting changes the client's settings.

    A call only looks whether something has changed since the settings were last followed. That needs no lock: each
    change has a mark of its own, set after the value, and taken before the values are read.

    Args:
        read: Returns the module's values of `MODULE_SETTINGS`, in that order.
        is_strict: Whether a wrong setting is raised; it has to be known when another setting is wrong.
    """

    def __init__(self, read: Callable[[], tuple[object, ...]], is_strict: Callable[[], bool]) -> None:
        self._read = read
        self._is_strict = is_strict
        self.start_anew()
        _lifecycle.register_fork(self)
        self._last_change = object()
        self._followed_change: object = None
        self._client: Client | None = None
        self._made: dict[str, Client] = {}
        self._has_warned = False
        self._spool: tuple[object, str | None] | None = None  # as it was assigned, and where that is

    def start_anew(self) -> None:
        """Take a new lock, in a forked child too."""
        self._lock = threading.RLock()  # guards all the rest
        self._quiet = Quiet()

    def get(self) -> Client:
        """Return the client, with the settings of this moment.

        Raises:
            SettingsError: A setting has a wrong value.
        """
        if self._followed_change is self._last_change and self._client is not None:
            return self._client
        try:
            return self._follow()
        except SettingsError as error:
            # Error pages and trackers show what the variables of each frame hold; in those below that is the key.
            raise error.with_traceback(None) from None

    def note_change(self) -> None:
        """Have the next call look at the settings; called when one of them has its new value."""
        self._last_change = object()

    def get_as_it_was(self) -> Client:
        """Return the client for a call that queues nothing: where `strict` is False, a wrong setting changes nothing.

        Raises:
            SettingsError: A setting has a wrong value, and `strict` is not False.
        """
        try:
            return self.get()
        except SettingsError as error:
            self.refuse(error)
            with self._lock:
                # What the environment says may be what is wrong, and nothing is queued under these.
                self._client = self._client or self._keep(Client(host=DEFAULT_HOST, write_key="none"))
                return self._client

    def refuse(self, error: SettingsError) -> Receipt:
        """Return the falsy receipt of a call that meets a wrong setting, told once a minute; raise unless lenient."""
        if self._is_strict():
            raise error
        self._quiet.warn("settings", str(error), is_error=True)
        return Receipt(None, None, Outcome("invalid", error))

    def _follow(self) -> Client:
        with self._lock:
            change = self._last_change
            try:
                values = self._read()
            except KeyError as error:
                raise SettingsError(f"{error.args[0]} was deleted; assign it a value") from None
            self._client = self._configured(values)
            self._followed_change = change
            return self._client

    def _configured(self, values: tuple[object, ...]) -> Client:
        """Return the client, with these values of `MODULE_SETTINGS`."""
        arguments: dict[str, Any] = dict(zip(MODULE_SETTINGS, values, strict=True))  # Settings checks each value
        api_key = arguments.pop("api_key")
        if api_key is not None and not self._has_warned:
            self._has_warned = True
            warn_of_old_name("track.api_key", "track.write_key")
        arguments["write_key"] = choose_key(arguments["write_key"], api_key)
        # A path that is relative leads where it led when it was assigned, whatever the working directory is by now.
        given, at_first = arguments["spool"], self._spool
        if given is not None and at_first is not None and given == at_first[0]:
            arguments["spool"] = at_first[1]
        settings = Settings(**arguments)
        self._spool = given, settings.spool
        if self._client is None:
            made = Client(**arguments)
            if self._keep(made) is made:
                return made
        client = self._client or self._made["client"]
        client.configure(settings)
        return client

    def _keep(self, made: Client) -> Client:
        """Return the client to keep: while this one was made, a signal handler's call may have made and used one.

        That is one step of the interpreter's, and no lock helps: the handler runs in the thread that has it.
        """
        return self._made.setdefault("client", made)
