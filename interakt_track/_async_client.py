"""The client whose calls are awaited, for asyncio."""

from __future__ import annotations

import asyncio
import inspect
import sys

from . import _lifecycle
from ._async_engine import AsyncEngine
from ._async_sender import prepare
from ._door import Door, account_of, missing_key
from ._errors import SettingsError, UnusableClientError
from ._http import build_client
from ._logs import DEBUG_OUTPUT
from ._messages import event_message, user_message
from ._receipt import Outcome, Receipt
from ._recording import RECORDING
from ._settings import Settings, travels_in_clear

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
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


class AsyncClient:
    """Sends customers and their events to Interakt in asyncio: a call waits for the API's answer, and blocks nothing.

    Calls are what they are in `Client` in sync mode. Those about one person are sent in the order in which they began
    to be awaited, the account's ration, pauses and retries are kept, and those of clients with threads in this process
    count, too. No call lasts longer than `timeout * (max_retries + 1)` seconds. There is no queue: what nobody awaits
    is not sent.

    It belongs to the event loop of its first call. An asynchronous context manager: leaving the block is `shutdown()`.

    Args:
        settings: As keyword arguments, as of `Client`. `sync_mode`, `flush_interval` and `batch_size` mean nothing
            here, and `spool` is refused.

    Raises:
        SettingsError: A setting has a wrong value.

    Example:
        >>> async with track.AsyncClient(write_key="YOUR_WRITE_KEY") as client:
        ...     receipt = await client.event(user_id="u1", event="Order Placed", traits={"total": 1499})
        ...     receipt.response.status_code
        201
    """

    def __init__(self, **settings: Unpack[SettingsArguments]) -> None:
        self._settings = Settings(**settings)
        if self._settings.spool is not None:
            raise SettingsError(
                "spool is for what waits in a queue, and AsyncClient has none; use track.Client with it"
            )
        self._check_process()
        seen = RECORDING.changes
        self._start()
        _lifecycle.register_fork(self)
        RECORDING.register(self, seen=seen)
        if self._settings.enabled:
            prepare()

    def __repr__(self) -> str:
        return f"<AsyncClient of {self._settings.host}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.shutdown()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

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
    ) -> Coroutine[Any, Any, Receipt]:
        """Say who a customer is; to be awaited.

        The arguments, those of `Client.identify`, are checked and copied by the call itself. Its place among the
        calls about the same person is that of the moment in which it begins to be awaited, or its task runs.

        Returns:
            A coroutine of the receipt, which has the API's `response`.

        Raises:
            InvalidMessageError: At the call: with `strict`, the arguments cannot be sent.
            SettingsError: At the call: the write key is missing.
            DeliveryError: With `strict`, the message was not delivered; else the receipt is false and has the `error`.
            QueueFullError: With `when_full="raise"`, more calls wait than `max_queue_size`.
            UnusableClientError: With `strict`, the client is closed, or belongs to another event loop.
            CancelledError: The task was cancelled; `CallCancelledError.of` tells whether the message was sent.
        """
        problems: list[InvalidMessageError] | None = None if self._settings.strict else []
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
                self._settings.default_country_code,
                self._account,
                problems,
            )
        except Exception as error:  # noqa: BLE001 - an argument of the caller's own class may raise anything when read
            return _given(self._door.refuse_invalid(error))
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
    ) -> Coroutine[Any, Any, Receipt]:
        """Say what a customer did; to be awaited.

        The arguments are those of `Client.event`; what is returned and raised is as of `identify`.
        """
        problems: list[InvalidMessageError] | None = None if self._settings.strict else []
        try:
            message = event_message(
                user_id,
                event,
                traits,
                country_code,
                phone_number,
                created_at,
                priority,
                self._settings.default_country_code,
                self._account,
                problems,
            )
        except Exception as error:  # noqa: BLE001 - an argument of the caller's own class may raise anything when read
            return _given(self._door.refuse_invalid(error))
        return self._accept(message, problems)

    async def flush(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as of `Client.flush`
        """Wait until the calls that are under way now are over.

        Args:
            timeout: Seconds to wait at most; None: as long as they take.

        Returns:
            Whether they are over.

        Raises:
            UnusableClientError: The client belongs to another event loop.
        """
        self._check_process()
        return await self._engine.flush(timeout)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as of `Client.shutdown`
        """Let the calls under way end in time, end the rest with a `ShutdownError`, and close the connections.

        A call after it raises an `UnusableClientError`.

        Args:
            timeout: Seconds to wait at most; None: `shutdown_timeout`. Telling `on_error` may take a second more.

        Raises:
            UnusableClientError: The client belongs to another event loop.
        """
        self._check_process()
        await self._engine.shut_down(self._settings.shutdown_timeout if timeout is None else max(0.0, timeout))

    async def aclose(self) -> None:
        """Do as `shutdown()`, for `contextlib.aclosing` and the like."""
        await self.shutdown()

    def stats(self) -> Stats:
        """Return what became of every message so far; to be called in the event loop."""
        self._check_process()
        return self._engine.stats(self._door.count_refused())

    def api_client(self) -> AuthenticatedClient:
        """Return the generated, typed low-level client, as `Client.api_client` does.

        Raises:
            SettingsError: The write key is missing.
        """
        account = self._account_needed()
        return build_client(account.host, account.write_key, timeout=self._settings.timeout, checks_answers=False)

    def start_anew(self) -> None:
        """Leave the parent's calls, connections and locks to the parent; called in a forked child."""
        self._start()

    def follow_recording(self) -> None:
        """Look who records now."""
        self._engine.recorded.follow(self._settings.host)

    # All below is ours.

    def _start(self) -> None:
        settings = self._settings
        self._engine = AsyncEngine(settings)
        self._door = Door(settings, self._engine.quiet, self._engine.reporter)
        self._account: Account | None = None
        self._find_account()
        self.follow_recording()
        DEBUG_OUTPUT.show(self, is_wanted=settings.debug)
        if travels_in_clear(settings.host):
            self._engine.quiet.warn("clear", "host is http://, so the write key travels in clear; use https://")

    def _find_account(self) -> None:
        self._account = account_of(self._settings)
        if self._account is not None:
            self._engine.ask(self._account)

    def _account_needed(self) -> Account:
        if self._account is None:
            self._find_account()  # the environment may have it by now
        if self._account is None:
            raise missing_key()
        return self._account

    def _check_process(self) -> None:
        if _lifecycle.is_forked():
            _lifecycle.start_anew_after_fork()

    def _accept(self, message: Message, problems: list[InvalidMessageError] | None) -> Coroutine[Any, Any, Receipt]:
        self._check_process()
        find_account = None if self._engine.recorded.is_on else self._account_needed  # what is recorded needs no key
        message_or_refusal = self._door.check(message, problems or [], find_account)
        if isinstance(message_or_refusal, Receipt):
            return _given(message_or_refusal)
        return self._deliver(message_or_refusal)

    async def _deliver(self, message: Message) -> Receipt:
        try:
            outcome = await self._engine.send(message)
        except (UnusableClientError, SettingsError) as error:
            if self._settings.strict:
                raise
            self._engine.quiet.warn("unusable", str(error), is_error=True)
            return self._door.refuse(message, "unusable", Outcome("dropped", error))
        if outcome is None:
            return self._door.refuse_full(message)
        if outcome.error is None:
            return Receipt(message)
        if self._settings.strict:
            raise outcome.error
        return Receipt(message, None, outcome)


async def _given(receipt: Receipt) -> Receipt:
    return receipt


def _mark_as_awaited(call: Callable[..., object]) -> None:
    """Let those who ask know that a plain function returns a coroutine: frameworks, and mocks made of its class."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(call)
    else:
        vars(call)["_is_coroutine"] = vars(asyncio.coroutines)["_is_coroutine"]  # by which asyncio itself tells


for _call in (AsyncClient.identify, AsyncClient.event):  # which check their arguments before they are awaited
    _mark_as_awaited(_call)
