"""Units in order: which request of one account may go next, so that each person's messages keep their order.

Pure: no lock, no clock, no thread; the queue owns one `Lane` per account and guards it.

Invariants:
1. A unit is ready only when no earlier unfinished unit shares an identifier with it.
2. Per identifier, `_tails` holds the last unfinished unit and nothing else.
3. A tail has at most one follower per identifier, so two slots hold them all.
4. Whatever happens to a unit before it is settled (waiting, an attempt, a retry), it stays unfinished.
5. A unit that is given up while it is blocked keeps its place until nothing blocks it; then it is passed over.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from itertools import chain

from ._messages import RAISE, USER, merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._account import Account
    from ._errors import AuthenticationError, DeliveryError
    from ._ledger import Epoch
    from ._messages import Message

BLOCKED, READY, DELAYED, IN_FLIGHT, GIVEN_UP, DONE = range(6)

PRIORITIES = 3
MAX_MERGED = 500  # messages of a file in one request; SQLite takes up to 999 values
MAX_STARVATION = 20.0  # seconds a priority may be passed over while it has something ready; the promise is a minute


class Unit:
    """What becomes one request: a message, or identifies of one person merged into one.

    Attributes:
        messages: The accepted messages it stands for, in call order; those not settled yet.
        current: The message to send: theirs, merged, or the next of them when a merged one was refused.
        attempts: Requests made for `current`.
        free_attempts: Those of them that cost no retry: the account was refused, not the message.
        error: What its last attempt failed with.
        may_have_arrived: Whether an attempt has failed that the API may have received.
        successes: How many of the account's had succeeded when it was last tried.
        patience: Seconds that the thread has that sends it.
        due: When it may be tried again, while delayed.
        refusal: What it is rejected with unsent: the API refuses its account's key.
    """

    __slots__ = (
        "attempts",
        "blockers",
        "current",
        "due",
        "epoch",
        "error",
        "first_blocker",
        "first_follower",
        "free_attempts",
        "is_apart",
        "lane",
        "may_have_arrived",
        "messages",
        "patience",
        "priority",
        "refusal",
        "second_blocker",
        "second_follower",
        "started",
        "state",
        "successes",
    )

    def __init__(self, message: Message, lane: Lane, epoch: Epoch) -> None:
        self.messages = [message]
        self.current = message
        self.lane = lane
        self.epoch = epoch
        self.priority = message.priority
        self.state = BLOCKED
        self.attempts = 0
        self.free_attempts = 0
        self.error: DeliveryError | None = None
        self.may_have_arrived = False
        self.refusal: AuthenticationError | None = None
        self.successes = 0
        self.patience = float("inf")
        self.blockers = 0
        self.due = 0.0
        self.started = 0.0
        self.is_apart = False
        self.first_follower: Unit | None = None
        self.second_follower: Unit | None = None
        self.first_blocker: Unit | None = None
        self.second_blocker: Unit | None = None

    def note_failure(self, error: DeliveryError) -> None:
        """Note what an attempt failed with."""
        error.attempts, self.error = self.attempts, error
        self.may_have_arrived = self.may_have_arrived or error.is_ambiguous

    def mark_doubt(self, error: DeliveryError) -> None:
        """Let the error that it ends with tell if an earlier attempt may have arrived."""
        error.is_ambiguous = error.is_ambiguous or self.may_have_arrived


class Lane:
    """The unsettled units of one account, linked in the order their messages were called."""

    __slots__ = (
        "_delayed",
        "_given_up",
        "_passed_over",
        "_phones",
        "_ready",
        "_sequence",
        "_users",
        "account",
        "ready",
    )

    def __init__(self, account: Account) -> None:
        self.account = account
        self.ready = 0
        self._users: dict[str, Unit] = {}
        self._phones: dict[str, Unit] = {}
        self._ready: tuple[deque[Unit], ...] = tuple(deque() for _ in range(PRIORITIES))
        self._passed_over: list[float | None] = [None] * PRIORITIES  # since when, while something higher is served
        self._delayed: list[tuple[float, int, Unit]] = []
        self._sequence = 0
        self._given_up = 0  # places of units that were ready, since they were swept last

    def is_empty(self) -> bool:
        """Tell whether nothing is unsettled."""
        return not self._users and not self._phones

    def count_urgent(self) -> int:
        """Return how many ready units, at most, are not low: those that no message of the inbox has to overtake."""
        return min(self.ready, sum(map(len, self._ready[: PRIORITIES - 1])))

    def link(self, message: Message, epoch: Epoch) -> Unit | None:
        """Put a message behind its person's last unfinished unit, or into it.

        Returns:
            The new unit, or None when the message melted into a waiting one.
        """
        phone = _phone(message)
        user_tail = None if message.user_id is None else self._users.get(message.user_id)
        phone_tail = None if phone is None else self._phones.get(phone)
        tail = user_tail or phone_tail
        if tail is not None and message.kind == USER and self._melt(message, tail, user_tail, phone_tail, epoch):
            return None

        unit = Unit(message, self, epoch)
        if message.user_id is not None:
            self._users[message.user_id] = unit
        if phone is not None:
            self._phones[phone] = unit
        if user_tail is not None:
            unit.first_blocker = user_tail
            _follow(user_tail, unit)
        if phone_tail is not None and phone_tail is not user_tail:
            unit.second_blocker = phone_tail
            _follow(phone_tail, unit)
        if unit.blockers == 0:
            self._make_ready(unit)
        else:
            self._raise_blockers(unit)
        return unit

    def settle(self, unit: Unit) -> None:
        """Take a finished unit out of the order; whoever waited for nothing else becomes ready."""
        finished = [unit]
        while finished:
            finished += self._settle(finished.pop())

    def give_up(self, unit: Unit) -> None:
        """Take a unit out of the order that nobody waits for any more, whatever it waits for itself."""
        if unit.state == BLOCKED:
            unit.state = GIVEN_UP  # freed now, what follows it would overtake what it is blocked by
            return
        was_ready = unit.state == READY
        self.settle(unit)
        if was_ready:
            self._given_up += 1  # its place is passed over when it is met: to look for it among thousands takes long
            if self._given_up > self.ready:
                self._sweep()

    def delay(self, unit: Unit, due: float) -> None:
        """Keep a unit, and so all that follows it, until `due`."""
        unit.state = DELAYED
        unit.due = due
        self._sequence += 1
        heappush(self._delayed, (due, self._sequence, unit))

    def resume(self, unit: Unit) -> None:
        """Make a unit that was in flight the next to go of its priority."""
        self._make_ready(unit, is_first=True)

    def wake(self, now: float, *, all_of_them: bool = False) -> None:
        """Make the delayed units whose time has come ready, before those that became ready later."""
        while self._delayed and (all_of_them or self._delayed[0][0] <= now):
            unit = heappop(self._delayed)[2]
            if unit.state == DELAYED:
                self._make_ready(unit, is_first=True)

    def next_due(self) -> float:
        """Return when the first delayed unit may go again; infinity when there is none."""
        return self._delayed[0][0] if self._delayed else float("inf")

    def pop(self, now: float) -> Unit:
        """Return the unit whose turn it is; only while `ready` is above 0."""
        unit = self._ready[self._choose(now)].popleft()
        unit.state = IN_FLIGHT
        self.ready -= 1
        return unit

    def find_unblocked(self, message: Message) -> Unit | None:
        """Return the ready or delayed unit of a message, or None."""
        waiting = chain(*self._ready, (unit for _, _, unit in self._delayed))
        return next((unit for unit in waiting if unit.state in (READY, DELAYED) and message in unit.messages), None)

    def release(self) -> list[Unit]:
        """Take out the units that are in a file, not in flight, and that nothing blocks."""
        released = []
        for unit in [*chain(*self._ready), *(unit for _, _, unit in self._delayed)]:
            if unit.state in (READY, DELAYED) and unit.messages[0].record is not None:  # a raised one is in two places
                self.settle(unit)
                released.append(unit)
        self._delayed = [delayed for delayed in self._delayed if delayed[2].state == DELAYED]
        heapify(self._delayed)
        return released

    def take_any(self) -> Unit | None:
        """Return a unit that nothing blocks and that is not in flight, for a queue that gives all of them up."""
        for priority, waiting in enumerate(self._ready):
            while waiting:
                unit = waiting.popleft()
                if unit.state == READY and unit.priority == priority:
                    return unit
        while self._delayed:
            unit = heappop(self._delayed)[2]
            if unit.state == DELAYED:
                return unit
        return None

    def _settle(self, unit: Unit) -> list[Unit]:
        """Take one unit out of the order; return those behind it that were given up, and that nothing blocks now."""
        if unit.state == READY:
            self.ready -= 1
        unit.state = DONE
        passed_over: list[Unit] = []
        phone = _phone(unit.current)
        if unit.current.user_id is not None and self._users.get(unit.current.user_id) is unit:
            del self._users[unit.current.user_id]
        if phone is not None and self._phones.get(phone) is unit:
            del self._phones[phone]
        for follower in (unit.first_follower, unit.second_follower):
            if follower is None:
                continue
            if follower.first_blocker is unit:
                follower.first_blocker = None
            if follower.second_blocker is unit:
                follower.second_blocker = None
            follower.blockers -= 1
            if follower.blockers == 0 and follower.state == GIVEN_UP:
                passed_over.append(follower)
            elif follower.blockers == 0:
                self._make_ready(follower)
        unit.first_follower = unit.second_follower = None
        return passed_over

    def _melt(
        self,
        message: Message,
        tail: Unit,
        user_tail: Unit | None,
        phone_tail: Unit | None,
        epoch: Epoch,
    ) -> bool:
        """Merge an identify into the unit that is the tail of every identifier it has, if that was never attempted."""
        is_only_tail = (message.user_id is None or user_tail is tail) and (
            message.phone_number is None or phone_tail is tail
        )
        if not is_only_tail or tail.state not in (BLOCKED, READY) or tail.epoch is not epoch:
            return False
        if tail.attempts or tail.is_apart:
            return False  # taken apart, it is sent one by one: what melts in would go with the first, before the others
        if RAISE in (tail.current.told_by, message.told_by):
            return False  # whoever waits in sync mode waits for a request of its own
        if not _are_kept_together(tail.messages, message):
            return False
        merged = merge(tail.current, message)
        if merged is None:
            return False
        tail.current = merged
        tail.messages.append(message)
        self._raise(tail, message.priority)
        return True

    def _make_ready(self, unit: Unit, *, is_first: bool = False) -> None:
        waiting = self._waiting(unit.priority)
        if not waiting:
            self._passed_over[unit.priority] = None
        if unit.state != READY:
            self.ready += 1
        unit.state = READY
        if is_first:
            waiting.appendleft(unit)
        else:
            waiting.append(unit)

    def _raise_blockers(self, unit: Unit) -> None:
        for blocker in (unit.first_blocker, unit.second_blocker):
            if blocker is not None:
                self._raise(blocker, unit.priority)

    def _raise(self, unit: Unit, priority: int) -> None:
        """Give a unit, and all it waits for, at least this priority."""
        to_raise = [unit]
        while to_raise:
            raised = to_raise.pop()
            if raised.priority <= priority:
                continue
            raised.priority = priority
            if raised.state == READY:
                self._make_ready(raised)  # its place among the lower ones is passed over when it is met
            to_raise += [blocker for blocker in (raised.first_blocker, raised.second_blocker) if blocker is not None]

    def _waiting(self, priority: int) -> deque[Unit]:
        """Return what waits of a priority, from the next to go on; behind that may be places that are passed over."""
        waiting = self._ready[priority]
        while waiting and (waiting[0].state != READY or waiting[0].priority != priority):
            waiting.popleft()
        return waiting

    def _sweep(self) -> None:
        """Keep the places of those that are ready only."""
        self._given_up = 0
        for priority, waiting in enumerate(self._ready):
            kept = [unit for unit in waiting if unit.state == READY and unit.priority == priority]
            waiting.clear()
            waiting.extend(kept)

    def _choose(self, now: float) -> int:
        """Return the priority to serve: the highest that waits, or a lower one passed over for too long."""
        choices = [priority for priority in range(PRIORITIES) if self._waiting(priority)]
        passed_over = ((since, c) for c in choices if (since := self._passed_over[c]) is not None)
        since, longest = min(passed_over, default=(now, choices[0]))
        choice = longest if now - since > MAX_STARVATION else choices[0]
        for lower in choices:
            if lower > choice and self._passed_over[lower] is None:
                self._passed_over[lower] = now
        self._passed_over[choice] = None
        return choice


def _are_kept_together(messages: list[Message], message: Message) -> bool:
    """Tell whether messages are all in one file, or all in none, and few enough for one statement about all of them."""
    first, second = messages[0].record, message.record
    if first is None or second is None:
        return first is second
    return first.spool is second.spool and len(messages) < MAX_MERGED


def _follow(tail: Unit, unit: Unit) -> None:
    unit.blockers += 1
    if tail.first_follower is None:
        tail.first_follower = unit
    else:
        tail.second_follower = unit


def _phone(message: Message) -> str | None:
    if message.phone_number is None or message.country_code is None:
        return None
    return message.country_code + message.phone_number
