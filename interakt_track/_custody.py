"""What a worker owes the file that its messages are in: a note before each request, and their removal after it."""

from __future__ import annotations

import time
from time import monotonic

from ._errors import DeliveryError, ExpiredError, SpoolError, UnreachableError
from ._messages import EVENT, RAISE
from ._order import IN_FLIGHT
from ._receipt import Outcome
from ._retry import is_final, kept_delay
from ._values import random

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._logs import Quiet
    from ._messages import Message
    from ._order import Unit
    from ._queue import Queue
    from ._settings import Settings

FILE_DELAY = 1.0  # seconds until a file that cannot be written is tried again: it is full, or being repaired
DAY = 86_400.0


def is_kept(unit: Unit) -> bool:
    """Tell whether a unit is in a file, and so is tried until it is too old; whoever waits in sync mode does not."""
    return unit.messages[0].record is not None and unit.current.told_by != RAISE


def doubt(unit: Unit, settings: Settings) -> DeliveryError | None:
    """Return why an event must not be sent that an earlier process may have sent, where that is to be given up."""
    record = unit.messages[0].record
    if record is None or not record.is_in_doubt or unit.current.kind != EVENT or settings.on_ambiguous == "retry":
        return None
    return UnreachableError("the process that sent it ended before the API answered", is_ambiguous=True)


class Custody:
    """Keeps file and queue in step; for units in no file it does nothing.

    Args:
        queue: Where the units came from.
        quiet: What the log is told through.
    """

    def __init__(self, queue: Queue, quiet: Quiet) -> None:
        self._queue = queue
        self._quiet = quiet

    def start(self, unit: Unit) -> bool:
        """Note that a request starts; False when it must not be made, and the unit has ended or waits again."""
        messages = _sent(unit)
        record = messages[0].record
        if record is None:
            return True
        account = unit.lane.account
        try:
            absent = record.spool.keeper.start(messages)
        except SpoolError as error:
            self._warn(error)
            account.settle(monotonic(), is_accepted=False)
            unit.attempts -= 1
            self._queue.give_back(unit, FILE_DELAY, is_retry=False)
            return False
        if absent is not None:
            account.settle(monotonic(), is_accepted=False)
            unit.attempts -= 1
            if absent.has_moved:
                self._queue.return_to_file(unit)
                record.spool.keeper.let_go(unit.messages)
            else:
                self._queue.lose(unit, absent.missing, _taken_out)
            return False
        if unit.attempts == 1:
            unit.successes = account.successes
        return True

    def acknowledge(self, unit: Unit) -> bool:
        """Remove what was delivered from its file; what follows must not start before that is done.

        Returns:
            False when it could not be done: what is in the file will be sent again.
        """
        messages = _sent(unit)
        record = messages[0].record
        return record is None or self._insist(unit, lambda: record.spool.keeper.acknowledge(messages))

    def reject(self, unit: Unit, error: DeliveryError) -> bool:
        """Move what is lost to the failed messages of its file; as `acknowledge`."""
        messages = _sent(unit)
        record = messages[0].record

        def write() -> None:
            for message in messages:
                if record is not None:
                    record.spool.keeper.reject(message, error, attempts=min(unit.attempts, 1))

        return record is None or self._insist(unit, write)

    def note_refusal(self, unit: Unit) -> None:
        """Note that an attempt surely did not arrive, and says nothing about its message: the account was refused."""
        messages = _sent(unit)
        record = messages[0].record
        if record is not None:
            try:
                record.spool.keeper.note_failure(messages, record.strikes)
            except SpoolError:  # then it is in doubt, should this process end now
                return

    def decide(
        self, unit: Unit, error: DeliveryError, settings: Settings, *, is_repeatable: bool
    ) -> tuple[float | None, DeliveryError]:
        """Decide what a failed attempt means for a message in a file, and note it there.

        Args:
            unit: In flight, and in a file.
            error: What the attempt failed with.
            settings: The client's settings of this moment.
            is_repeatable: Whether it may be sent again although it may have arrived.

        Returns:
            The seconds until it is tried again, or None, and what it is given up for.
        """
        messages = _sent(unit)
        record, account = messages[0].record, unit.lane.account
        now, age = monotonic(), time.time() - messages[0].called_at
        if record is None:
            return None, error
        strikes = record.strikes + (account.successes > unit.successes)
        unit.successes = account.successes
        delay = kept_delay(
            error,
            unit.attempts - unit.free_attempts,
            strikes=strikes,
            age=age,
            max_age=settings.spool_max_age,
            random=random(),
        )
        if is_final(error):
            account.settle(now, is_accepted=True, is_key_good=True)  # it is the API's own answer
        elif account.fail(now, unit.started, record.id, random()):
            self._quiet.warn("outage", f"messages fail one after the other ({error}); sending pauses and tries again")
        if delay is None or (error.is_ambiguous and not is_repeatable):
            is_old = age >= settings.spool_max_age and not is_final(error)
            return None, _expired(error, settings.spool_max_age) if is_old else error
        try:
            record.spool.keeper.note_failure(messages, strikes)
        except SpoolError as trouble:
            self._warn(trouble)
        return delay, error

    def _warn(self, error: SpoolError) -> None:
        if error.reason != "closed":  # it was left, or whoever opens it tells why that fails
            self._quiet.warn("spool-start", f"{error}; what is in it is not sent until it can be written")

    def _insist(self, unit: Unit, write: Callable[[], None]) -> bool:
        """Write as soon as the file can be written, unless the unit, or the thread's time, is over before that."""
        deadline = monotonic() + unit.patience
        while True:
            try:
                write()
            except SpoolError as error:
                if unit.state != IN_FLIGHT or monotonic() >= deadline:
                    return False
                self._quiet.warn("spool-end", f"{error}; what was sent cannot be removed from it, and others wait")
                time.sleep(FILE_DELAY)
            else:
                return True


def _sent(unit: Unit) -> list[Message]:
    """Return the messages that a unit's request carries: one after the other, where it was taken apart."""
    return unit.messages[:1] if unit.is_apart else unit.messages


def _taken_out(_: Message) -> Outcome:
    return Outcome("dropped", DeliveryError("the message was taken out of the spool before it was sent"))


def _expired(error: DeliveryError, max_age: float) -> ExpiredError:
    """Return what a message is given up for that has become too old, with what it failed with last."""
    expired = ExpiredError(
        f"it could not be delivered within {max_age / DAY:g} days of its call; the last failure: {error}"
    )
    expired.attempts = error.attempts
    expired.__cause__ = error
    return expired
