"""The units of all accounts: where each is, and how each message ends. The queue guards it with its lock."""

from __future__ import annotations

from ._errors import DeliveryError
from ._ledger import Ledger
from ._order import DONE, GIVEN_UP, IN_FLIGHT, Lane

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._account import Account
    from ._messages import Message
    from ._order import Unit
    from ._receipt import Outcome

    OutcomeOf = Callable[[Message], Outcome]

WINDOW = 256  # ready units of an account; enough for any number of workers, and the rest costs only its message
INFINITY = float("inf")


class Roster:
    """Knows every unit that is not settled.

    Attributes:
        ledger: The account of its messages.
    """

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._lanes: dict[Account, Lane] = {}
        self._in_flight: set[Unit] = set()
        self._left_behind: set[Unit] = set()  # those in flight when they were left to their file; their requests go on

    def link(self, message: Message) -> Unit | None:
        """Take in the message that was called next; one that was withdrawn meanwhile is passed over.

        Returns:
            Its unit; None when it is passed over, or went into another one's.
        """
        if message.outcome is not None:
            self.ledger.pass_over(None, message)
            return None
        lane = self._lanes.get(message.account)
        if lane is None:
            lane = self._lanes[message.account] = Lane(message.account)
        unit = lane.link(message, self.ledger.take_in(message))
        if unit is None:
            self.ledger.merge()
        return unit

    def has_window(self, account: Account | None) -> bool:
        """Tell whether an account has not enough to send, as far as it is linked."""
        lane = None if account is None else self._lanes.get(account)
        return lane is None or lane.count_urgent() < WINDOW

    def has_more(self) -> bool:
        """Tell whether something can be sent, now or after a delay."""
        return any(lane.ready or lane.next_due() != INFINITY for lane in self._lanes.values())

    def has_ready(self) -> bool:
        """Tell whether something can be sent now, or as soon as its account may send."""
        return any(lane.ready for lane in self._lanes.values())

    def messages_in_flight(self) -> list[Message]:
        """Return the messages that are in a request under way, or whose end is being noted."""
        return [message for unit in self._in_flight for message in unit.messages]

    def next(self, now: float, *, keeps: bool) -> tuple[Unit | None, float]:
        """Return the unit to send now, in flight from here on, or None and the seconds until there may be one.

        Args:
            now: By the queue's clock.
            keeps: Whether what waits is kept while the API refuses the account's key; else it comes, to be rejected.
        """
        wait = INFINITY
        for account, lane in tuple(self._lanes.items()):
            refusal = account.refusal(now)
            if refusal is not None and keeps:
                wait = min(wait, account.until_probe(now))
                continue
            lane.wake(now, all_of_them=refusal is not None)
            delay = INFINITY
            if lane.ready:
                delay = account.admit(now, self) if refusal is None else 0.0
            if delay <= 0:
                unit = lane.pop(now)
                if self.ledger.has_withdrawn() and not self._drop_withdrawn(unit):
                    if refusal is None:
                        account.settle(now, is_accepted=False)
                    return self.next(now, keeps=keeps)
                unit.started = now
                unit.attempts += refusal is None
                unit.refusal = refusal
                self.ledger.start(len(unit.messages))
                self._in_flight.add(unit)
                self._lanes[account] = self._lanes.pop(account)  # the next turn is another account's
                return unit, 0.0
            wait = min(wait, delay, lane.next_due() - now)
        return None, wait

    # How a unit leaves flight. One that was ended before, at a deadline, is not in it: a late answer says nothing new.

    def settle(self, unit: Unit, outcome_of: OutcomeOf) -> bool:
        """End a unit in flight, of one that was taken apart only the message that was sent; False when it is not."""
        return self._settle(unit, unit.messages[:1] if unit.is_apart else unit.messages, outcome_of)

    def lose(self, unit: Unit, messages: list[Message], outcome_of: OutcomeOf) -> bool:
        """End those messages of a unit in flight that somebody took out of the file; False when it is not in flight."""
        is_lost = self._settle(unit, messages, outcome_of)
        unit.is_apart = len(unit.messages) > 1  # what was merged holds traits that were taken out
        return is_lost

    def give_back(self, unit: Unit, due: float, *, is_retry: bool, is_ambiguous: bool) -> None:
        """Keep a unit in its place, to be tried again at `due`."""
        if self._leave_flight(unit, is_retry=is_retry, is_ambiguous=is_ambiguous):
            unit.lane.delay(unit, due)

    def take_apart(self, unit: Unit) -> None:
        """Send the messages of a refused merged unit one by one; what follows it keeps waiting."""
        if self._leave_flight(unit):
            unit.is_apart = True
            self._send_first(unit)

    # How a message ends that nobody sent.

    def withdraw(self, message: Message, outcome_of: Callable[[DeliveryError | None], Outcome]) -> bool:
        """End a message that is not in flight; its place is passed over when its turn comes. As `Queue.withdraw`."""
        is_elsewhere = message.record is not None and not message.record.is_here
        if message.outcome is not None or is_elsewhere or message in self.messages_in_flight():
            return False
        lane = self._lanes.get(message.account)
        unit = lane.find_unblocked(message) if lane else None
        last_error = unit.error if unit else None
        if unit is not None and last_error is not None:
            unit.mark_doubt(last_error)
        outcome = outcome_of(last_error)
        if unit is not None:
            self._end(unit, unit.messages, lambda _: outcome)
            self._close(unit)
        else:
            message.outcome = outcome
            self.ledger.withdraw(outcome)
        return True

    def give_up(self, message: Message, outcome: Outcome) -> None:
        """End a message in flight whose caller waits no longer."""
        for unit in tuple(self._in_flight):
            if message in unit.messages:
                self._in_flight.discard(unit)
                self._end(unit, unit.messages, lambda _: outcome)
                _tell_attempts(unit)
                self._close(unit)

    def end(self, unit: Unit, outcome: Outcome) -> None:
        """End a unit of one message, in whatever state it is: the call that awaits it is over.

        One that waits takes no place in the ration any more, though those behind it wait for what it waited for.
        """
        if unit.state in (GIVEN_UP, DONE):
            return
        self._in_flight.discard(unit)
        self._end(unit, unit.messages, lambda _: outcome)
        unit.lane.give_up(unit)
        if unit.lane.is_empty():
            self._lanes.pop(unit.lane.account, None)

    def return_to_file(self, unit: Unit) -> None:
        """Leave a unit in flight to its file, where somebody has given it to another account."""
        if unit.state == IN_FLIGHT:
            self._in_flight.discard(unit)
            self._forget(unit)
            self._close(unit)

    def abandon(self, outcome_of: OutcomeOf) -> None:
        """End everything that is in no file, and leave the rest to its file."""
        for unit in tuple(self._in_flight):
            self._in_flight.discard(unit)
            if unit.messages[0].record is not None:
                self._left_behind.add(unit)
            self._leave(unit, outcome_of)
            self._close(unit)
        self.release()
        for lane in tuple(self._lanes.values()):
            while (waiting := lane.take_any()) is not None:
                if self._drop_withdrawn(waiting):
                    self._leave(waiting, outcome_of)
                    self._close(waiting)

    def note_end(self, unit: Unit) -> None:
        """Note that a unit's request is over, whatever became of the unit meanwhile."""
        self._left_behind.discard(unit)

    def has_left_behind(self) -> bool:
        """Tell whether a request is under way for what was left to its file."""
        return bool(self._left_behind)

    def release(self, account: Account | None = None) -> list[Message]:
        """Leave to their file all units that nothing blocks, and then those behind them.

        Args:
            account: Whose; None: all accounts'.

        Returns:
            Their messages.
        """
        messages = []
        for lane in tuple(self._lanes.values()):
            if account not in (None, lane.account):
                continue
            while released := lane.release():
                for unit in released:
                    messages += unit.messages
                    self._forget(unit)
            if lane.is_empty():
                self._lanes.pop(lane.account, None)
        return messages

    def _settle(self, unit: Unit, messages: list[Message], outcome_of: OutcomeOf) -> bool:
        if unit.state != IN_FLIGHT:
            return False
        self._in_flight.discard(unit)
        self._end(unit, messages, outcome_of)
        unit.messages = [message for message in unit.messages if message.outcome is None]
        if unit.messages:
            self.ledger.stop(len(unit.messages))
            self._send_first(unit)
        else:
            self._close(unit)
        return True

    def _send_first(self, unit: Unit) -> None:
        unit.current = unit.messages[0]
        unit.attempts = unit.free_attempts = 0
        unit.lane.resume(unit)

    def _leave_flight(self, unit: Unit, *, is_retry: bool = False, is_ambiguous: bool = False) -> bool:
        if unit.state != IN_FLIGHT:
            return False
        self._in_flight.discard(unit)
        self.ledger.stop(len(unit.messages), is_retry=is_retry, is_ambiguous=is_ambiguous)
        return True

    def _end(self, unit: Unit, messages: list[Message], outcome_of: OutcomeOf) -> None:
        for message in messages:
            outcome = message.outcome = outcome_of(message)
            self.ledger.end(unit.epoch, message, outcome, was_in_flight=unit.state == IN_FLIGHT)

    def _leave(self, unit: Unit, outcome_of: OutcomeOf) -> None:
        """End what a unit holds; what is in a file waits on there."""
        if unit.messages[0].record is None:
            self._end(unit, unit.messages, outcome_of)
            _tell_attempts(unit)
        else:
            self._forget(unit)

    def _forget(self, unit: Unit) -> None:
        for message in unit.messages:
            if message.outcome is not None:
                self.ledger.pass_over(unit.epoch, message)
            else:
                self.ledger.give_back(was_in_flight=unit.state == IN_FLIGHT)
                if message.record is not None:
                    message.record.spool.note_release(message)

    def _drop_withdrawn(self, unit: Unit) -> bool:
        """Take the withdrawn messages out of a waiting unit; False when that ended it."""
        kept = [message for message in unit.messages if message.outcome is None]
        if len(kept) == len(unit.messages):
            return True
        for message in unit.messages:
            if message.outcome is not None:
                self.ledger.pass_over(unit.epoch, message)
        unit.messages = kept
        if not kept:
            self._close(unit)
            return False
        unit.current = kept[0]
        unit.is_apart = len(kept) > 1  # what was merged holds traits that were withdrawn
        return True

    def _close(self, unit: Unit) -> None:
        lane = unit.lane
        lane.settle(unit)
        if lane.is_empty():
            self._lanes.pop(lane.account, None)


def _tell_attempts(unit: Unit) -> None:
    """Let the errors of a unit that is given up tell of its attempts; one that is under way may have arrived."""
    for number, message in enumerate(unit.messages):
        error = None if message.outcome is None else message.outcome.error
        if isinstance(error, DeliveryError):
            is_carried = number == 0 or not unit.is_apart
            is_under_way = is_carried and unit.state == IN_FLIGHT and unit.refusal is None
            error.attempts = unit.attempts if is_carried else 0
            error.is_ambiguous = error.is_ambiguous or is_under_way
            unit.mark_doubt(error)
