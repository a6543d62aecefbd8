"""Whose turn it is among the calls that are awaited in one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic

from ._order import DONE, GIVEN_UP, IN_FLIGHT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._messages import Message
    from ._order import Unit
    from ._receipt import Outcome
    from ._roster import Roster

INFINITY = float("inf")


class Call:
    """A call under way, in the task that awaits it.

    Attributes:
        message: What it is to send.
        unit: Its place in the order; None as long as there is no room for it.
        waiting: What its task waits with, for room or for its turn.
        bound: What ends its request early, while there is one.
    """

    __slots__ = ("bound", "message", "unit", "waiting")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.unit: Unit | None = None
        self.waiting: asyncio.Future[None] | None = None
        self.bound: asyncio.Timeout | None = None

    def wake(self) -> None:
        """Let its task look what has changed."""
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)


class Turns:
    """Gives the calls of one event loop their turns, in the order that a roster decides.

    It has no task and no lock: everything runs in the loop's thread, between two awaits. Whoever enters, or leaves
    flight, has the next ones woken; where the ration, a pause or a retry's delay ends, a timer of the loop does.

    Args:
        roster: The client's; all its units are of calls here.
        max_in_flight: How many may have their turn at the same time.
        max_waiting: How many may wait for it; the others wait for room.
        clock: The clock that accounts go by.
    """

    def __init__(
        self, roster: Roster, *, max_in_flight: int, max_waiting: int, clock: Callable[[], float] = monotonic
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._roster = roster
        self._max_in_flight = max_in_flight
        self._max_waiting = max_waiting
        self._clock = clock
        self._calls: dict[Unit, Call] = {}
        self._for_room: deque[Call] = deque()
        self._flushes: list[tuple[set[Call], asyncio.Future[None]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_called_soon = False

    def calls(self) -> list[Call]:
        """Return the calls under way, in no order."""
        return [*self._calls.values(), *self._for_room]

    async def enter(self, call: Call, *, deadline: float) -> Unit | None:
        """Take a call into the order, as soon as there is room; who came earlier goes first.

        Args:
            call: A new one.
            deadline: Until when it waits for room, by the clock; one that has passed does not wait.

        Returns:
            The call's unit; None when there was no room in time.
        """
        if not self._for_room and self._has_room():
            self._link(call)
            self._hand_out()
        elif deadline > self._clock():
            self._for_room.append(call)
            await self._wait(call, deadline)
        return call.unit

    async def wait(self, call: Call, *, deadline: float) -> bool:
        """Wait for a call's turn; from then on its unit is in flight. False when the deadline comes first."""
        if call.unit is not None and call.unit.state not in (IN_FLIGHT, DONE, GIVEN_UP):
            await self._wait(call, deadline)
        return call.unit is not None and call.unit.state == IN_FLIGHT

    def settle(self, unit: Unit, outcome: Outcome) -> None:
        """End a unit in whatever state it is, in flight or waiting."""
        self._roster.end(unit, outcome)
        self._hand_out_soon()

    def give_back(self, unit: Unit, delay: float, *, is_ambiguous: bool) -> None:
        """Let a unit wait in its place until it is tried again, in so many seconds."""
        self._roster.give_back(unit, self._clock() + delay, is_retry=True, is_ambiguous=is_ambiguous)
        self._hand_out_soon()

    def leave(self, call: Call) -> None:
        """Forget a call that is over."""
        if call.unit is not None:
            self._calls.pop(call.unit, None)
        elif call in self._for_room:
            self._for_room.remove(call)
        for calls, over in self._flushes:
            calls.discard(call)
            if not calls and not over.done() and not self.loop.is_closed():
                over.set_result(None)

    async def flush(self, seconds: float | None) -> bool:
        """Wait until all calls that are under way now are over, for so many seconds at most; tell whether they are."""
        calls = set(self.calls())
        if not calls:
            return True
        flush = (calls, self.loop.create_future())
        self._flushes.append(flush)
        try:
            await asyncio.wait([flush[1]], timeout=seconds)
        finally:
            self._flushes.remove(flush)
        return not calls

    async def _wait(self, call: Call, deadline: float) -> None:
        call.waiting = self.loop.create_future()
        alarm = self.loop.call_later(max(0.0, deadline - self._clock()), call.wake)
        try:
            await call.waiting
        finally:
            alarm.cancel()
            call.waiting = None

    def _has_room(self) -> bool:
        return self._roster.ledger.count_waiting(0) < self._max_waiting

    def _link(self, call: Call) -> None:
        call.unit = self._roster.link(call.message)
        if call.unit is not None:  # always: nothing melts into what somebody waits for
            self._calls[call.unit] = call

    def _hand_out_soon(self) -> None:
        """Hand out turns when all those were heard that are cancelled now: a turn costs a place in the ration."""
        if not self._is_called_soon and not self.loop.is_closed():
            self._is_called_soon = True
            self.loop.call_soon(self._hand_out)

    def _hand_out(self) -> None:
        self._is_called_soon = False
        self._let_in()
        while self._roster.ledger.in_flight < self._max_in_flight:
            unit, wait = self._roster.next(self._clock(), keeps=False)
            if unit is None:
                self._set_timer(wait)
                return
            self._let_in()
            self._calls[unit].wake()
        self._set_timer(INFINITY)

    def _let_in(self) -> None:
        while self._for_room and self._has_room():
            call = self._for_room.popleft()
            if call.waiting is not None and not call.waiting.done():  # else it has been cancelled, or given up
                self._link(call)
                call.wake()

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds == INFINITY else self.loop.call_later(seconds, self._hand_out)
