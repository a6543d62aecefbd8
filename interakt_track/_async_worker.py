"""The calls of one event loop: each takes its turn, sends, and is settled or tried again, in its own task."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic

from ._async_sender import AsyncSender
from ._errors import CallCancelledError, DeliveryError, ExpiredError, ShutdownError
from ._messages import RAISE, masked_identity
from ._order import IN_FLIGHT
from ._receipt import Outcome
from ._requests import is_late
from ._trace import shown, trace_attempt
from ._turns import Call, Turns
from ._verdict import delay_of_retry, error_of_its_own, status_of_loss, tell_account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ._logs import Quiet
    from ._messages import Message
    from ._order import Unit
    from ._receipt import Response
    from ._reporter import Reporter
    from ._roster import Roster
    from ._settings import Settings

    class AsyncSends(Protocol):
        """What sends for the calls of one event loop."""

        async def send(self, message: Message, *, timeout: float, with_call_time: bool) -> Response | None:  # noqa: ASYNC109 - as `AsyncSender.send`
            """Make one request; raise a `DeliveryError` when the message was not delivered."""

        async def aclose(self) -> None:
            """Close the connections."""


SHUT_DOWN = "the client was shut down before the message was delivered"


class AsyncWorker:
    """Sends the messages of a client's calls in the event loop that runs when it is made.

    Args:
        roster: The client's, which decides the order.
        reporter: Who is told of a cancelled call's message: no call is left to tell of it.
        quiet: What the log is told through.
        settings: The client's settings.
        sender: What sends; None makes one for the first message's account.
        clock: The clock that accounts go by.
    """

    def __init__(
        self,
        roster: Roster,
        reporter: Reporter,
        quiet: Quiet,
        *,
        settings: Settings,
        sender: AsyncSends | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.turns = Turns(roster, max_in_flight=settings.max_workers, max_waiting=settings.max_queue_size, clock=clock)
        self._clock = clock
        self._reporter = reporter
        self._quiet = quiet
        self._settings = settings
        self._sender = sender
        self._is_cut_off = False

    async def send(self, message: Message) -> Outcome | None:
        """Send a message in its turn, and return what became of it; its failure is told by the call.

        Returns:
            None when there was no room for it in time.

        Raises:
            CancelledError: The call was cancelled; its `__cause__` is a `CallCancelledError`.
        """
        settings, turns = self._settings, self.turns
        now = self._clock()
        deadline = now + settings.timeout * (settings.max_retries + 1)
        patience = settings.block_timeout if settings.when_full == "block" else 0.0
        message.told_by = RAISE
        call = Call(message)
        try:
            unit = await turns.enter(call, deadline=min(deadline, now + patience))
            if unit is None:
                return None
            while await turns.wait(call, deadline=deadline):
                await self._attempt(call, unit, deadline)
            if message.outcome is None:
                self._lose(
                    unit, unit.error or ExpiredError("the time of this call was up before the message could be sent")
                )
        except asyncio.CancelledError as cancellation:
            raise cancellation from self._break_off(call, cancellation)  # the same: others know theirs by it
        except BaseException:
            self._break_off(call, None)
            raise
        finally:
            turns.leave(call)
        return message.outcome

    def cut_off(self, text: str) -> int:
        """End the calls under way with a `ShutdownError` of this text; return how many those are.

        A request on its way is broken off, and its call tells whether it may have arrived.
        """
        self._is_cut_off = True  # a request that fails before it is broken off is not made again
        is_over = self.turns.loop.is_closed()  # then no task wakes any more
        calls = self.turns.calls()
        for call in calls:
            if call.bound is not None and not is_over:
                with suppress(RuntimeError):  # it has just been broken off by something else
                    call.bound.reschedule(self.turns.loop.time())
                continue
            if call.unit is not None:
                _forget_turn(call)
                self._give_back_place(call.unit, was_sent=None)
                self._lose(call.unit, ShutdownError(text, is_ambiguous=call.bound is not None))
            if not is_over:
                call.wake()
        return len(calls)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._sender is not None:
            await self._sender.aclose()

    async def _attempt(self, call: Call, unit: Unit, deadline: float) -> None:
        """Make one request, and end the unit or give it back."""
        if unit.refusal is not None:
            self._lose(unit, error_of_its_own(unit.refusal))
            return
        message, settings = unit.current, self._settings
        if self._sender is None:
            self._sender = AsyncSender(message.account, timeout=settings.timeout)
        timeout = min(settings.timeout, max(deadline - self._clock(), 0.001))
        try:
            async with asyncio.timeout(None) as call.bound:
                response = await self._sender.send(message, timeout=timeout, with_call_time=is_late(message))
        except DeliveryError as error:
            trace_attempt(unit, error, self._quiet)
            self._fail(unit, error)
        except TimeoutError as error:  # that of `cut_off`; the attempt's own is a `DeliveryError`
            self._end_cut_off(unit, error.__cause__)
        except Exception as error:  # noqa: BLE001 - a defect of ours may cost one message, told by its call
            self._quiet.warn("defect", "sending failed in an unexpected way", is_error=True, exc_info=True)
            self._give_back_place(unit, was_sent=None)
            self._lose(unit, DeliveryError(f"sending failed in an unexpected way: {type(error).__name__}"))
        else:
            trace_attempt(unit, response, self._quiet)
            self._give_back_place(unit, was_sent=True)
            self.turns.settle(unit, Outcome("delivered", response=response))
        call.bound = None

    def _fail(self, unit: Unit, error: DeliveryError) -> None:
        """Decide what a failed attempt means: try again, or give up."""
        unit.note_failure(error)
        tell_account(unit, error, self._clock(), self._quiet, keeps=False)
        delay = delay_of_retry(unit, error, self._settings)
        if delay is None or self._is_cut_off or self.turns.loop.is_closed():
            self._lose(unit, error)
        else:
            self.turns.give_back(unit, delay, is_ambiguous=error.is_ambiguous)

    def _end_cut_off(self, unit: Unit, cancellation: BaseException | None) -> None:
        """End a unit whose request `cut_off` has broken off."""
        was_sent = _was_sent(cancellation)
        self._give_back_place(unit, was_sent=was_sent)
        if was_sent:
            self.turns.settle(unit, Outcome("delivered"))
        else:
            self._lose(unit, ShutdownError(SHUT_DOWN, is_ambiguous=was_sent is None))

    def _break_off(self, call: Call, cancellation: BaseException | None) -> CallCancelledError:
        """End what a call's task does not wait for any more, and return what there is to tell of it.

        Args:
            call: In any phase.
            cancellation: What cancelled it; None: its coroutine was thrown away.
        """
        unit = call.unit
        was_sent: bool | None = False
        if call.bound is not None:
            was_sent = _was_sent(cancellation)
        if unit is not None:
            self._give_back_place(unit, was_sent=was_sent)
            if was_sent is False and unit.may_have_arrived:
                was_sent = None
        error = CallCancelledError(was_sent)
        error.queue_msg = shown(call.message, self._quiet)
        if unit is None or call.message.outcome is not None:
            return error
        _forget_turn(call)
        error.attempts = unit.attempts
        if was_sent:
            self.turns.settle(unit, Outcome("delivered"))
        else:
            self.turns.settle(unit, Outcome("dropped", error))
            self._reporter.log(error, f"{call.message.kind} of {masked_identity(call.message)}")
            self._reporter.report(error, error.queue_msg, lambda: None)
        return error

    def _lose(self, unit: Unit, error: DeliveryError) -> None:
        unit.mark_doubt(error)
        error.attempts = unit.attempts
        error.queue_msg = shown(unit.current, self._quiet)
        self.turns.settle(unit, Outcome(status_of_loss(error), error))

    def _give_back_place(self, unit: Unit, *, was_sent: bool | None) -> None:
        """Give the account back the place of a request that ended, if one is under way; true: the API took it."""
        if unit.state == IN_FLIGHT and unit.refusal is None:
            unit.lane.account.settle(self._clock(), is_accepted=bool(was_sent), is_key_good=bool(was_sent))


def _forget_turn(call: Call) -> None:
    """Count no attempt for a call that was given its turn and has made no request yet."""
    unit = call.unit
    if unit is not None and unit.state == IN_FLIGHT and unit.refusal is None and call.bound is None:
        unit.attempts -= 1


def _was_sent(cancellation: BaseException | None) -> bool | None:
    """Return what the sender said of a request that was broken off."""
    said = None if cancellation is None else cancellation.__cause__
    return said.was_sent if isinstance(said, CallCancelledError) else None
