"""Functions whose host freezes them between two calls, such as AWS Lambda: what they track leaves before they return.

Once a handler has returned, its process stands still, threads and all, until the next invocation, and may never go on.
So nothing is sent "in the background" there: a handler has to wait for it.
"""

from __future__ import annotations

import functools
import inspect
import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast, overload

import interakt_track

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Protocol, TypeVar

    from interakt_track import Client

    HandlerT = TypeVar("HandlerT", bound=Callable[..., object])

    class Context(Protocol):
        """What Lambda gives a handler as its second argument."""

        def get_remaining_time_in_millis(self) -> int:
            """Return the milliseconds until the invocation is ended by force."""
            ...


MARGIN = 0.5  # seconds; enough to encode an answer of Lambda's 6 MB and to hand it over

_LOGGER = logging.getLogger("interakt_track")


class Flushing:
    """What `flushing()` returns: a decorator, and a block of `with` or `async with`; to be used any number of times."""

    def __init__(self, context: Context | None, client: Client | None, margin: float, timeout: float | None) -> None:
        self._context = context
        self._client = client
        self._margin = margin
        self._timeout = timeout

    def __call__(self, handler: HandlerT) -> HandlerT:
        """Return the handler, whose calls flush."""
        if any(is_made_by(kind, handler) for kind in (inspect.isgeneratorfunction, inspect.isasyncgenfunction)):
            raise TypeError("a generator runs after its function has returned; use `with flushing():` inside of it")
        if is_made_by(inspect.iscoroutinefunction, handler):

            @functools.wraps(handler)
            async def flushes_awaited(*args: Any, **kwargs: Any) -> object:
                async with self._within(context_of(*args, *kwargs.values())):
                    return await cast("Awaitable[object]", handler(*args, **kwargs))

            return cast("HandlerT", flushes_awaited)

        @functools.wraps(handler)
        def flushes(*args: Any, **kwargs: Any) -> object:
            block = self._within(context_of(*args, *kwargs.values()))
            with ExitStack() as stack:
                stack.enter_context(block)
                result = handler(*args, **kwargs)
                if inspect.isawaitable(result):  # a coroutine's, say, which the handler only hands on
                    stack.pop_all()
                    return block._await(result)
                return result

        return cast("HandlerT", flushes)

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush, and let go on what goes on."""
        self._flush(self._seconds())

    async def __aenter__(self) -> None:
        """Begin the block."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush in another thread, so that the event loop goes on meanwhile; in this one, where none can be started."""
        from asyncio import get_running_loop  # noqa: PLC0415 - whoever comes here has it
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - as above

        executor = ThreadPoolExecutor(1)  # the loop's own may be busy, and asyncio cannot end one that has no thread
        try:
            await get_running_loop().run_in_executor(executor, self._flush, self._seconds())
        except RuntimeError:
            self._flush(self._seconds())
        finally:
            executor.shutdown(wait=False)

    async def _await(self, result: Awaitable[object]) -> object:
        async with self:
            return await result

    def _within(self, context: Context | None) -> Flushing:
        return Flushing(self._context or context, self._client, self._margin, self._timeout)

    def _seconds(self) -> float:
        """Return how long a flush may take; asked when it begins, as a clock of ours may have stood still before."""
        left = None if self._context is None else seconds_left(self._context)
        if left is None:
            return self._shutdown_timeout() if self._timeout is None else self._timeout
        left = max(0.0, left - self._margin)
        return left if self._timeout is None else min(left, self._timeout)

    def _shutdown_timeout(self) -> float:
        return interakt_track.shutdown_timeout if self._client is None else self._client.settings.shutdown_timeout

    def _flush(self, seconds: float) -> None:
        try:
            left = self._count_left(seconds)
        except Exception:  # a wrong setting, say, may not take the place of what the handler returns
            _LOGGER.exception("what was tracked could not be flushed when the handler returned")
            return
        if left:
            _LOGGER.warning(
                "%d %s not sent when the handler returned; the next invocation goes on with it, if there is one",
                left,
                "message was" if left == 1 else "messages were",
            )

    def _count_left(self, seconds: float) -> int:
        """Flush, and return how many messages are left."""
        tracker = self._client or interakt_track
        is_settled = tracker.flush(seconds)
        # Ends idle threads, and with them their connections: one that is kept while the process is frozen may be gone
        # when it wakes, which a clock that stood still does not tell; a request into it would be in doubt.
        tracker.join(0)
        if is_settled:
            return 0
        stats = tracker.stats()
        return stats.waiting + stats.in_flight


@overload
def flushing(handler: HandlerT, /) -> HandlerT: ...


@overload
def flushing(
    *,
    context: Context | None = None,
    client: Client | None = None,
    margin: float = MARGIN,
    timeout: float | None = None,
) -> Flushing: ...


def flushing(
    handler: HandlerT | None = None,
    /,
    *,
    context: Context | None = None,
    client: Client | None = None,
    margin: float = MARGIN,
    timeout: float | None = None,
) -> HandlerT | Flushing:
    """Send what waits before a handler returns or raises, within the time that is left for it.

    Whatever becomes of it, the handler's result is returned and its exception raised. What is not sent in time is told
    by one warning, with the number of messages and no more; it goes on with the next invocation, or is lost with the
    process.

    Args:
        handler: A function, or a coroutine function, which flushes without stopping the event loop. Of its arguments,
            the one that has `get_remaining_time_in_millis` is the context. What it returns may have to be awaited; a
            generator it may not be.
        context: For a `with` block, which sees no arguments.
        client: None: the one behind the module's functions.
        margin: Seconds of the context's time that are left to the host, for encoding and handing over the answer.
        timeout: Seconds to wait at most, whatever the context has left: who waits for the answer may not wait as long.
            None: what the context has left, and without a context `shutdown_timeout`.

    Raises:
        ValueError: `margin` or `timeout` is negative.
        TypeError: The handler is a generator function, or the client an `AsyncClient`, with which nothing waits.

    Example:
        >>> from interakt_track.serverless import flushing
        >>> @flushing
        ... def handler(event, context):
        ...     track.event(user_id=event["customer"], event="Order Placed")
        ...     return {"statusCode": 200}
    """
    if margin < 0 or (timeout is not None and timeout < 0):
        raise ValueError("margin and timeout are seconds, 0 or more")
    if inspect.iscoroutinefunction(getattr(client, "flush", None)):
        raise TypeError("client must be a track.Client; an AsyncClient's calls are over when they return")
    options = Flushing(context, client, margin, timeout)
    return options if handler is None else options(handler)


def is_made_by(kind: Callable[[object], bool], handler: Callable[..., object]) -> bool:
    """Tell whether a handler, a function or an object that is called, is of a kind that `inspect` knows."""
    return kind(handler) or kind(type(handler).__call__)


def context_of(*arguments: object) -> Context | None:
    """Return the last of a handler's arguments that tells how much time is left; what is handled comes before it."""
    found = [one for one in arguments if callable(_clock_of(one))]
    return cast("Context", found[-1]) if found else None


def seconds_left(context: Context) -> float | None:
    """Return how much time a context has left; None where it cannot tell, as a test's mock or outside of its host."""
    try:
        left: object = context.get_remaining_time_in_millis()
    except Exception:  # the host's code, or a test's: what the handler returns is returned
        _LOGGER.warning("the context could not tell how much time is left", exc_info=True)
        return None
    return left / 1000 if isinstance(left, (int, float)) else None


def _clock_of(argument: object) -> object:
    try:
        return getattr(argument, "get_remaining_time_in_millis", None)
    except Exception:  # noqa: BLE001 - a proxy of a framework, outside of its request
        return None
