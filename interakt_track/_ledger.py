"""The account of a queue's messages: how many are where, and which flush still waits for which.

Pure bookkeeping; the queue guards it with its lock.
"""

from __future__ import annotations

from collections import deque

from ._stats import Stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._messages import Message
    from ._receipt import Outcome


class Epoch:
    """The messages between two marks; over when all of them and of all earlier ones are settled."""

    __slots__ = ("is_closed", "is_over", "unsettled")

    def __init__(self) -> None:
        self.unsettled = 0
        self.is_closed = False
        self.is_over = False


class Mark:
    """A place in the stream of messages: `flush` waits until all before it is settled."""

    __slots__ = ("epoch",)

    def __init__(self) -> None:
        self.epoch: Epoch | None = None

    def is_over(self) -> bool:
        """Tell whether everything before the mark is settled."""
        return self.epoch is not None and self.epoch.is_over


class Place:
    """A place in the order of a client's calls into a file.

    Attributes:
        until: The last row that is before it; None as long as some of what is before it is in no row.
    """

    __slots__ = ("until",)

    def __init__(self, until: int | None) -> None:
        self.until = until


class Spooled:
    """What a client's spools add to its numbers.

    Attributes:
        handed: Messages called here that are in a file only.
        ended: Those that others have ended since, by status.
        waiting: All that wait in the file, whoever called them; None without a spool.
        problem: Why messages wait in memory in place of the file; None when they do not.
    """

    __slots__ = ("ended", "handed", "problem", "waiting")

    def __init__(self) -> None:
        self.handed = 0
        self.ended = {"delivered": 0, "rejected": 0, "dropped": 0}
        self.waiting: int | None = None
        self.problem: str | None = None


class Ledger:
    """Counts messages as they move: taken in, in flight, back again, ended.

    Attributes:
        waiting: Taken in and not in flight.
        in_flight: In a request under way.
        unconfirmed: Ended, and not told of yet.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self.in_flight = 0
        self.unconfirmed = 0
        self._taken_in = 0
        self._withdrawn = 0
        self._retried = 0
        self._retried_ambiguous = 0
        self._merged = 0
        self._ended = {"delivered": 0, "rejected": 0, "dropped": 0}
        self._epochs: deque[Epoch] = deque([Epoch()])

    def take_in(self, message: Message) -> Epoch:
        """Count a message as waiting, and return the epoch it belongs to.

        A flush finds out from the file whether what is in one is settled: other processes have a part in that.
        """
        epoch = self._epochs[-1]
        epoch.unsettled += message.record is None
        self._taken_in += 1
        self.waiting += 1
        return epoch

    def merge(self) -> None:
        """Count a message that goes out in another one's request."""
        self._merged += 1

    def start(self, messages: int) -> None:
        """Count waiting messages as in flight."""
        self.waiting -= messages
        self.in_flight += messages

    def stop(self, messages: int, *, is_retry: bool = False, is_ambiguous: bool = False) -> None:
        """Count messages in flight as waiting again; `is_ambiguous`: the API may have them."""
        self.in_flight -= messages
        self.waiting += messages
        self._retried += is_retry
        self._retried_ambiguous += is_ambiguous

    def end(self, epoch: Epoch, message: Message, outcome: Outcome, *, was_in_flight: bool) -> None:
        """Count a message as ended; those who wait for it go on waiting until that is reported."""
        if was_in_flight:
            self.in_flight -= 1
        else:
            self.waiting -= 1
        self._ended[outcome.status] += 1
        outcome.epoch = epoch if message.record is None else None
        if outcome.is_final:
            self.confirm(outcome)
        else:
            self.unconfirmed += 1

    def give_back(self, *, was_in_flight: bool) -> None:
        """Forget a message that goes on waiting in a file."""
        if was_in_flight:
            self.in_flight -= 1
        else:
            self.waiting -= 1
        self._taken_in -= 1

    def confirm(self, outcome: Outcome) -> None:
        """Note that an ended message is told of, too."""
        self.unconfirmed -= not outcome.is_final
        outcome.is_final = True
        epoch, outcome.epoch = outcome.epoch, None
        if epoch is not None:
            self._count_down(epoch)

    def withdraw(self, outcome: Outcome) -> None:
        """Count a message as ended whose place in the order is passed over later."""
        self._withdrawn += 1
        self._ended[outcome.status] += 1

    def pass_over(self, epoch: Epoch | None, message: Message) -> None:
        """Forget the place of a withdrawn message; without an epoch, it had not been taken in."""
        self._withdrawn -= 1
        if epoch is None:
            self._taken_in += 1
            return
        self.waiting -= 1
        if message.record is None:
            self._count_down(epoch)

    def has_withdrawn(self) -> bool:
        """Tell whether places are to be passed over."""
        return self._withdrawn > 0

    def close_epoch(self, mark: Mark) -> None:
        """Let the mark stand for everything taken in so far."""
        mark.epoch = self._epochs[-1]
        mark.epoch.is_closed = True
        self._epochs.append(Epoch())
        self._pass_epochs()

    def is_settled(self) -> bool:
        """Tell whether nothing taken in is left to wait for."""
        is_moving = self.waiting or self.in_flight or self.unconfirmed
        return not is_moving and len(self._epochs) == 1 and self._epochs[0].unsettled == 0

    def count_waiting(self, in_inbox: int) -> int:
        """Return how many messages wait, those in the inbox included."""
        return self.waiting + in_inbox - self._withdrawn

    def stats(self, in_inbox: int, refused: Mapping[str, int], spooled: Spooled) -> Stats:
        """Return the numbers of this moment.

        Args:
            in_inbox: Messages accepted and not taken in yet.
            refused: Calls that were not accepted, by reason.
            spooled: What is in files, and what became of it elsewhere.
        """
        ended = {status: count + spooled.ended[status] for status, count in self._ended.items()}
        return Stats(
            queued=self._taken_in + in_inbox + spooled.handed + sum(spooled.ended.values()),
            waiting=self.count_waiting(in_inbox) + spooled.handed,
            in_flight=self.in_flight,
            retried=self._retried,
            retried_ambiguous=self._retried_ambiguous,
            merged=self._merged,
            refused=refused,
            delivered=ended["delivered"],
            rejected=ended["rejected"],
            dropped=ended["dropped"],
            spool_waiting=spooled.waiting,
            spool_problem=spooled.problem,
        )

    def _count_down(self, epoch: Epoch) -> None:
        epoch.unsettled -= 1
        self._pass_epochs()

    def _pass_epochs(self) -> None:
        while self._epochs[0].is_closed and self._epochs[0].unsettled == 0:
            self._epochs.popleft().is_over = True
