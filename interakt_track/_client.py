"""A client: the calls, what may be called, and the settings; what sends is its engine."""

from __future__ import annotations

import threading
from _weakref import ref  # what `weakref` has it from; `weakref` is a millisecond
from time import monotonic

from . import _lifecycle
from ._door import Door, account_of, missing_key
from ._engine import Engine
from ._lifecycle import needs_care
from ._locks import IMPORT_LOCK
from ._logs import DEBUG_OUTPUT
from ._messages import LOG, event_message, user_message
from ._receipt import Receipt
from ._recording import RECORDING
from ._settings import Settings, travels_in_clear
from ._threads import is_own_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from types import TracebackType
    from typing import Any, Self, Unpack

    from interakt_track_client import AuthenticatedClient  # noqa: TID251 - named as what `api_client` returns

    from ._account import Account
    from ._arguments import Priority
    from ._errors import InvalidMessageError
    from ._messages import Message
    from ._settings import SettingsArguments
    from ._stats import Stats


class Client:
    """Sends customers and their events to Interakt, in the background and in order.

    A context manager: leaving the block is `shutdown()`.

    Args:
        settings: As keyword arguments, each with the name, meaning and default of the module's setting.

    Raises:
        SettingsError: A setting has a wrong value.

    Example:
        >>> with track.Client(write_key="YOUR_WRITE_KEY") as client:
        ...     client.event(user_id="u1", event="Order Placed", traits={"total": 1499})
    """

    def __init__(self, **settings: Unpack[SettingsArguments]) -> None:
        self._settings = Settings(**settings)
        self._check_process()  # a child that was forked in C takes leave of its parent before it opens anything
        seen = RECORDING.changes
        self._start()
        self._engine.begin()
        _lifecycle.register_fork(self)
        RECORDING.register(self, seen=seen)

    def __repr__(self) -> str:
        return f"<Client of {self._settings.host}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    def configure(self, settings: Settings) -> None:
        """Work with other settings from the next call on; what is queued keeps the key and host of its call."""
        with self._lock:
            self._settings = settings
            self._apply()

    def identify(
        self,
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
        """Say who a customer is.

        Args:
            user_id: The customer's permanent id, text or a whole number. It, or `phone_number`, is needed.
            country_code: Calling code of the phone number, `"+91"`, `"91"` or 91; None: `default_country_code`.
            phone_number: Digits, or a person's way of writing a number; with a leading `+` it brings its own code.
            traits: What is known of the customer; a new value replaces the old one. Keys are text; values are text,
                numbers, booleans, None, dates and times, `Decimal`, `UUID`, `Enum`, and lists and mappings of these.
            tags: A list of texts; tags are added, the API cannot remove them.
            created_at: When the customer came to be; a naive `datetime` is local time, text is ISO 8601.
            add_to_sales_cycle: Whether the customer enters the sales cycle.
            priority: `"high"`, `"normal"` or `"low"`: who goes first among the people whose turn it is. What a
                person's high message has to wait for goes first with it; a lower one gets a turn after 20 s.

        Returns:
            A receipt, true when the message was accepted.

        Raises:
            InvalidMessageError: With `strict`, the arguments cannot be sent.
            QueueFullError: With `when_full="raise"`, there is no room for the message.
            SettingsError: The write key is missing.
            DeliveryError: With `sync_mode`, the message was not delivered.
        """
        problems: list[InvalidMessageError] | None = None if self._is_strict else []
        try:
            message = user_message(
                user_id,
                country_code,
                phone_number,
                traits,
                tags,
                created_at,
                add_to_sales_cycle,
                priority,
                self._default_country_code,
                self._account,
                problems,
            )
        except Exception as error:  # noqa: BLE001 - an argument of the caller's own class may raise anything when read
            return self._door.refuse_invalid(error)
        return self._accept(message, problems)

    def event(
        self,
        user_id: object = None,
        event: str | None = None,
        traits: Mapping[str, Any] | None = None,
        country_code: object = None,
        phone_number: object = None,
        *,
        created_at: datetime | str | None = None,
        priority: Priority = "normal",
    ) -> Receipt:
        """Say what a customer did.

        Args:
            user_id: As in `identify`.
            event: The event's name, as campaigns will know it.
            traits: What is known of the event; values as in `identify`.
            country_code: As in `identify`.
            phone_number: As in `identify`.
            created_at: When it happened; None: the time of this call.
            priority: As in `identify`.

        Returns:
            A receipt, true when the message was accepted.

        Raises:
            InvalidMessageError: With `strict`, the arguments cannot be sent.
            QueueFullError: With `when_full="raise"`, there is no room for the message.
            SettingsError: The write key is missing.
            DeliveryError: With `sync_mode`, the message was not delivered.
        """
        problems: list[InvalidMessageError] | None = None if self._is_strict else []
        try:
            message = event_message(
                user_id,
                event,
                traits,
                country_code,
                phone_number,
                created_at,
                priority,
                self._default_country_code,
                self._account,
                problems,
            )
        except Exception as error:  # noqa: BLE001 - an argument of the caller's own class may raise anything when read
            return self._door.refuse_invalid(error)
        return self._accept(message, problems)

    def flush(self, timeout: float | None = None) -> bool:
        """Send what waits now, and wait for it.

        A retry's delay, `Retry-After` and the ration are kept. In the SDK's own threads (in `on_error`) it returns at
        once.

        Args:
            timeout: Seconds to wait at most. None: until nothing was settled for 60 s.

        Returns:
            True when everything queued before is settled: delivered, or reported as lost.
        """
        self._check_process()
        return self._engine.flush(timeout)

    def join(self, timeout: float | None = None) -> None:
        """Wait as `flush` does, and let the threads end that have nothing left to do."""
        self.flush(timeout)
        self._engine.dismiss()

    def shutdown(self, timeout: float | None = None) -> None:
        """Send what can be sent in time, report the rest to `on_error`, and let the threads end.

        A call after it starts sending again.

        Args:
            timeout: Seconds to wait at most; None: `shutdown_timeout`.
        """
        self._check_process()
        self._engine.shut_down(monotonic(), self._settings.shutdown_timeout if timeout is None else max(0.0, timeout))

    def stats(self) -> Stats:
        """Return what became of every message so far; the numbers add up."""
        self._check_process()
        return self._engine.stats(self._door.count_refused())

    def api_client(self) -> AuthenticatedClient:
        """Return the generated, typed low-level client, ready with this client's key, host and timeout.

        Its requests are made at once, in the calling thread or task: no queue, order, ration or retry.

        Raises:
            SettingsError: The write key is missing.
        """
        with IMPORT_LOCK:
            from ._http import build_client  # noqa: PLC0415 - brings httpx and attrs, wanted only when asked for

        account = self._account_needed()
        return build_client(account.host, account.write_key, timeout=self._settings.timeout, checks_answers=False)

    def start_anew(self) -> None:
        """Leave the parent's messages, threads and locks to the parent; called in a forked child."""
        self._start()

    def follow_recording(self) -> None:
        """Look who records now; what is queued is sent all the same."""
        with self._lock:
            self._engine.follow(self._settings)
            self._put = self._engine.put_at_once

    # All below is ours.

    def _start(self) -> None:
        self._lock = threading.RLock()  # guards _settings
        self._engine = Engine(self._settings)
        self._engine.owner = ref(self)
        self._quiet = self._engine.quiet
        self._queue = self._engine.queue
        self._reporter = self._engine.reporter
        self._door = Door(self._settings, self._quiet, self._reporter)
        self._apply()

    def _apply(self) -> None:
        settings = self._settings
        # What each call looks at; the rest waits in `_settings` for the calls that ask for more.
        self._is_strict = settings.strict
        self._default_country_code = settings.default_country_code
        self._account = account_of(settings)
        self._door.settings = settings
        self._is_plain = (
            settings.enabled and not settings.sync_mode and settings.before_send is None and self._account is not None
        )
        self._engine.follow(settings)
        self._put = self._engine.put_at_once
        if self._account is not None:
            self._engine.ask(self._account)
        DEBUG_OUTPUT.show(self, is_wanted=settings.debug)
        if travels_in_clear(settings.host):
            self._quiet.warn("clear", "host is http://, so the write key travels in clear; use https://")

    def _check_process(self) -> None:
        if _lifecycle.is_forked():
            _lifecycle.start_anew_after_fork()

    def _account_needed(self) -> Account:
        if self._account is None:
            self._apply()  # the environment may have it by now
        if self._account is None:
            raise missing_key()
        return self._account

    def _accept(self, message: Message, problems: list[InvalidMessageError] | None) -> Receipt:
        """Queue a message; the usual case costs no more than these few looks."""
        if self._is_plain and not problems and not self._reporter.is_telling and not needs_care():
            if self._put(message):
                return Receipt(message, self._queue)
            return self._find_room(message)
        return self._accept_with_care(message, problems or [])

    def _accept_with_care(self, message: Message, problems: list[InvalidMessageError]) -> Receipt:
        """Queue a message where a setting, a fork, exit or a callback asks for more than that."""
        self._check_process()
        settings = self._settings
        find_account = None if self._engine.recorded.is_on else self._account_needed  # what is recorded needs no key
        message_or_refusal = self._door.check(message, problems, find_account)
        if isinstance(message_or_refusal, Receipt):
            return message_or_refusal
        message = message_or_refusal
        if self._reporter.is_in_callback():
            message.told_by = LOG
        elif settings.sync_mode and not is_own_thread():
            return self._send_in_sync(message)
        if not self._put(message):
            return self._find_room(message)
        if _lifecycle.is_leaving():
            self._engine.shut_down(monotonic(), settings.shutdown_timeout)  # no handler will run again to send it
        return Receipt(message, self._queue)

    def _send_in_sync(self, message: Message) -> Receipt:
        settings = self._settings
        outcome = self._engine.send(message, seconds=settings.timeout * (settings.max_retries + 1))
        if outcome is None:
            return self._door.refuse_full(message)
        if outcome.error is None:
            return Receipt(message, self._queue)
        if settings.strict:
            raise outcome.error
        return Receipt(message, self._queue, outcome)

    def _find_room(self, message: Message) -> Receipt:
        """Do what `when_full` says with a message that found the queue full."""
        settings = self._settings
        if settings.when_full == "block" and self._engine.put(message, seconds=settings.block_timeout):
            return Receipt(message, self._queue)
        return self._door.refuse_full(message)
