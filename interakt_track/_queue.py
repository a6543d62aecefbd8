"""What waits: messages in the order they were called, released together, and the account of what became of them.

A caller only appends to the inbox; linking, merging and counting happen in the threads that take, and only for a
bounded window of what waits. Whoever takes finds work in this order: delayed units whose time has come, then what the
inbox releases, then what the account's ration admits.

The caller's look at the takers' `wake_at` needs no lock: a taker sets it first and looks at the inbox after that, a
caller appends first and looks at it after that, so one of the two sees the other.
"""

from __future__ import annotations

import threading
from time import monotonic

from ._inbox import NORMAL, Inbox
from ._ledger import Mark, Spooled
from ._lifecycle import is_forked
from ._receipt import Outcome
from ._roster import Roster
from ._takers import LINGER, Takers
from ._threads import is_own_thread
from ._waiters import Waiters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._account import Account
    from ._errors import DeliveryError
    from ._messages import Message
    from ._order import Unit
    from ._receipt import Response
    from ._stats import Stats

INFINITY = float("inf")


class Queue:
    """The messages of one client that are not settled yet.

    Args:
        summon: Called, without a lock held, when more work waits than threads take; starts one if it may.
        clock: A monotonic clock, seconds.
    """

    def __init__(
        self,
        *,
        max_size: int,
        batch_size: int,
        flush_interval: float,
        summon: Callable[[], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.max_size = max_size
        self.inbox = Inbox(batch_size=batch_size, flush_interval=flush_interval)
        self.is_inherited = False  # after a fork: the parent's, whose locks may be held for ever
        self.keepers: set[object] = set()  # for whom what waits is kept while the API refuses the account's key
        self.is_releasing = False  # whether what is in a file is left to it
        self._summon = summon
        self._clock = clock
        # An RLock: a signal handler may call track.event while its thread holds it.
        self._lock = threading.RLock()  # guards everything here but the inbox's items
        self._takers = Takers(self._lock, self.inbox)
        self.waiters = Waiters(self._lock, clock)
        self.room = Waiters(self._lock, clock)
        self._is_dismissed = False
        self._roster = Roster()
        self._ledger = self._roster.ledger

    # Called by those who queue.

    def put(self, message: Message) -> bool:
        """Queue a message; False when there is no room for it."""
        items = self.inbox.items
        if len(items) + self._ledger.waiting >= self.max_size and not self.has_room():
            return False
        if message.priority != NORMAL or message.account is not self.inbox.account:
            with self._lock:
                self.inbox.expect(message)
        items.append(message)
        if len(items) >= self._takers.wake_at:
            self._nudge()
        return True

    def mark(self) -> Mark:
        """Put a mark behind everything queued so far, and release all before it."""
        with self._lock:
            mark = self.inbox.add_mark()
        self._nudge()
        return mark

    def take_over(self, messages: list[Message], note: Callable[[], None]) -> None:
        """Queue messages that were read from a file; `note` is called in the moment in which they are here."""
        with self._lock:
            for message in messages:
                self.inbox.expect(message)
                self.inbox.items.append(message)
                if message.record is not None:
                    message.record.is_here = True
            note()
        if len(self.inbox.items) >= self._takers.wake_at:
            self._nudge()

    # Called by those who take.

    def take(self, *, until: Callable[[], bool] | None = None, deadline: float = INFINITY) -> Unit | None:
        """Return the unit whose turn it is, in flight from now on; wait for one.

        Args:
            until: For a thread that only helps out: leave as soon as this holds.
            deadline: For a thread that only helps out: when to leave, by the queue's clock.

        Returns:
            None when it is time to leave: nothing to do for a while, dismissed, as the arguments say, or inherited.
        """
        helps_out = until is not None
        idle_since = self._clock()
        while True:
            changes = self.waiters.changes
            if until is not None and until():  # without the lock, as it may ask a file
                return None
            with self._lock:
                now = self._clock()
                if now >= deadline or self.is_inherited:
                    return None
                unit, wait = self._next(now)
                if unit is None:
                    is_idle = wait == INFINITY
                    if not is_idle:
                        idle_since = now
                    elif not helps_out and (self._is_dismissed or now - idle_since >= LINGER):
                        self._takers.set_wake_at()
                        return None
                    seconds = min(wait, deadline - now, LINGER)
                    if helps_out:
                        self.waiters.pause(seconds, since=changes)
                    else:
                        self._takers.wait(seconds, now)
                    continue
                needs_more = self._has_more() and not self._takers.wake_another()
                self._takers.set_wake_at()
            if needs_more:
                self._summon()
            return unit

    def deliver(self, unit: Unit, response: Response | None) -> None:
        """Settle a unit the API took."""
        self.settle(unit, lambda message: Outcome("delivered", response=response))

    def settle(self, unit: Unit, outcome_of: Callable[[Message], Outcome]) -> None:
        """End a unit in flight; one that was taken apart ends only the message it was sending."""
        with self._lock:
            if self._roster.settle(unit, outcome_of):
                self.waiters.tell()
                self.room.tell()  # what is in flight takes room of what is read from a file

    def lose(self, unit: Unit, messages: list[Message], outcome_of: Callable[[Message], Outcome]) -> None:
        """End those messages of a unit in flight that somebody took out of the file; the others wait on."""
        with self._lock:
            if self._roster.lose(unit, messages, outcome_of):
                self.waiters.tell()

    def return_to_file(self, unit: Unit) -> None:
        """Leave a unit in flight to its file, where it has another account by now."""
        with self._lock:
            self._roster.return_to_file(unit)

    def give_back(self, unit: Unit, delay: float, *, is_retry: bool, is_ambiguous: bool = False) -> None:
        """Keep a unit in its place, to be tried again after `delay` seconds."""
        with self._lock:
            self._roster.give_back(unit, self._clock() + delay, is_retry=is_retry, is_ambiguous=is_ambiguous)

    def note_end(self, unit: Unit) -> None:
        """Note that a unit's request is over, and all that follows from it."""
        with self._lock:
            self._roster.note_end(unit)

    def has_left_behind(self) -> bool:
        """Tell whether a request is under way for what was left to its file: read there now, it would be sent twice."""
        with self._lock:
            return self._roster.has_left_behind()

    def take_apart(self, unit: Unit) -> None:
        """Send the messages of a refused merged unit one by one; what follows it keeps waiting."""
        with self._lock:
            self._roster.take_apart(unit)

    def confirm(self, outcome: Outcome) -> None:
        """Note that a message's failure has been reported; only now it is settled for those who wait."""
        with self._lock:
            self._ledger.confirm(outcome)
            self.waiters.tell()

    # Called by those who wait no longer.

    def withdraw(self, message: Message, outcome_of: Callable[[DeliveryError | None], Outcome]) -> bool:
        """End a message that is not in flight; its place is passed over when its turn comes.

        Args:
            message: What its caller waits no longer for.
            outcome_of: Given what its last attempt failed with, if there was one.

        Returns:
            False when it is in flight, in a file only, or was settled before.
        """
        with self._lock:
            if not self._roster.withdraw(message, outcome_of):
                return False
            self.waiters.tell()
            self.room.tell()
            return True

    def give_up(self, message: Message, outcome: Outcome) -> None:
        """End a message in flight whose caller waits no longer; the answer, when it comes, says nothing new."""
        with self._lock:
            self._roster.give_up(message, outcome)
            self.waiters.tell()

    def leave_to_file(self, account: Account) -> list[Message]:
        """Leave an account's messages to their file, where they have another account by now; return them."""
        with self._lock:
            for item in self.inbox.pop_all():
                self._link(item)
            return self._roster.release(account)

    def release(self) -> None:
        """Leave what is in a file to it, and take nothing more from there; what is in flight goes on."""
        with self._lock:
            self.is_releasing = True
            for item in self.inbox.pop_all():
                self._link(item)
            self._roster.release()
            self.waiters.tell()
            self._takers.wake_all()

    def abandon(self, outcome_of: Callable[[Message], Outcome]) -> None:
        """End everything that is not settled, and is in no file; a late answer to what is in flight is ignored."""
        with self._lock:
            for item in self.inbox.pop_all():
                self._link(item)
            self._roster.abandon(outcome_of)
            self.waiters.tell()
            self.room.tell()

    def dismiss(self) -> None:
        """Let the threads leave that have nothing to do, or nothing more after what they are at."""
        with self._lock:
            self._is_dismissed = True
            self._takers.wake_all()

    # Called by those who wait.

    def has_room(self) -> bool:
        """Tell whether one more message may wait; marks, and the places of withdrawn ones, take no room."""
        with self._lock:
            return self._ledger.count_waiting(self.inbox.count()) < self.max_size

    def count_room(self) -> int:
        """Return how many more messages may be here, those in flight counted."""
        with self._lock:
            return self.max_size - self._ledger.count_waiting(self.inbox.count()) - self._ledger.in_flight

    def tell_room(self) -> None:
        """Wake those that wait for room, to look again."""
        with self._lock:
            self.room.tell()

    def tell_waiters(self) -> None:
        """Let those who wait look again: something has changed elsewhere."""
        with self._lock:
            self.waiters.tell()

    def is_confirmed(self) -> bool:
        """Tell whether every failure has been reported."""
        return not self._ledger.unconfirmed

    def messages_in_flight(self) -> list[Message]:
        """Return the messages that are in a request under way, or whose end is being noted."""
        with self._lock:
            return self._roster.messages_in_flight()

    def is_resting(self) -> bool:
        """Tell whether nothing is left to send but what failed, and what waits behind it."""
        with self._lock:
            return not self.inbox.items and not self._ledger.in_flight and not self._roster.has_ready()

    def is_idle(self) -> bool:
        """Tell whether no request is under way."""
        return not self._ledger.in_flight

    def is_settled(self) -> bool:
        """Tell whether nothing queued so far is left to wait for."""
        with self._lock:
            return not self.inbox.items and self._ledger.is_settled()

    def is_sent(self) -> bool:
        """Tell whether nothing waits or is in flight, though a failure may still have to be reported."""
        with self._lock:
            return not self.inbox.items and not self._ledger.waiting and not self._ledger.in_flight

    def wait_for(self, message: Message, timeout: float | None) -> bool:
        """Wait until a message is settled, its report included; in a forked child there is nothing to wait for."""
        if self.is_inherited or is_forked() or is_own_thread():
            return False
        deadline = INFINITY if timeout is None else self._clock() + timeout
        return self.waiters.wait_until(
            lambda: message.outcome is not None and message.outcome.is_final, deadline=deadline
        )

    def end_elsewhere(self, message: Message, outcome: Outcome) -> None:
        """Note what became of a message that is not here, and that another process has ended."""
        with self._lock:
            message.outcome = message.outcome or outcome
            self.waiters.tell()

    def stats(self, refused: dict[str, int], count: Callable[[], Spooled] = Spooled) -> Stats:
        """Return the numbers of this moment; they add up.

        Args:
            refused: Calls that were not accepted, by reason.
            count: Returns what is in files, which it must not ask; called in the moment in which all else is counted.
        """
        with self._lock:
            return self._ledger.stats(self.inbox.count(), refused, count())

    def _nudge(self) -> None:
        with self._lock:
            is_noticed = self._takers.nudge()
        if not is_noticed:
            self._summon()

    # All below is called with the lock held.

    def _next(self, now: float) -> tuple[Unit | None, float]:
        """Return the unit to send now, or None and the seconds until there may be one."""
        released_in = self._take_in()
        if self.is_releasing:
            self._roster.release()
        unit, wait = self._roster.next(now, keeps=bool(self.keepers))
        if unit is not None:
            self.room.tell()
        return unit, min(wait, released_in)

    def _take_in(self) -> float:
        """Link what the inbox releases, as far as the window goes; return the seconds until it releases more."""
        while self._roster.has_window(self.inbox.next_account()) or self.inbox.must_look_ahead():
            item = self.inbox.pop()
            if item is None:
                return self.inbox.delay()
            self._link(item)
        return INFINITY

    def _link(self, item: Message | Mark) -> None:
        """Move the inbox's next item into the order."""
        if isinstance(item, Mark):
            self._ledger.close_epoch(item)
            self.waiters.tell()
            return
        self._is_dismissed = False
        self._roster.link(item)

    def _has_more(self) -> bool:
        return bool(self.inbox.items) or self._roster.has_more()


def is_final(message: Message) -> bool:
    """Tell whether a message is settled, and its failure reported."""
    return message.outcome is not None and message.outcome.is_final
