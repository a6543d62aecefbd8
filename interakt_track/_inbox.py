"""Messages as they were called, and when they are released: a full batch, the oldest's time, or a flush.

The queue guards it with its lock, all but `items`: a caller only appends there.
"""

from __future__ import annotations

from collections import deque
from time import time

from ._ledger import Mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._account import Account
    from ._messages import Message

NORMAL = 1  # the priority that needs no look ahead
NEVER = float("inf")


class Inbox:
    """What was queued and no taker has looked at yet.

    Attributes:
        items: Messages in the order of their calls, and the marks of flushes between them.
        batch_size: So many are released without waiting any longer.
        flush_interval: Seconds the oldest waits before all that is there is released.
        account: Of the message that was appended last.
    """

    def __init__(self, *, batch_size: int, flush_interval: float) -> None:
        self.items: deque[Message | Mark] = deque()
        self.batch_size = batch_size
        self.flush_interval = flush_interval
        self._released = 0
        self._marks = 0
        self._uneven = 0
        self._has_other_accounts = False
        self.account: Account | None = None

    def count(self) -> int:
        """Return how many messages are here."""
        return len(self.items) - self._marks

    def add_mark(self) -> Mark:
        """Put a mark behind everything, which releases all before it."""
        mark = Mark()
        self._marks += 1
        self.items.append(mark)
        return mark

    def expect(self, message: Message) -> None:
        """Note that a message of another account, or than of the normal priority, is about to be appended."""
        self._uneven += message.priority != NORMAL
        if message.account is not self.account:
            self._has_other_accounts = self.account is not None
            self.account = message.account

    def must_look_ahead(self) -> bool:
        """Tell whether priorities or accounts differ: then every message is to be looked at, wherever it stands."""
        return self._uneven > 0 or self._has_other_accounts

    def next_account(self) -> Account | None:
        """Return the account of the next message; None when there is none, or a mark comes first."""
        item = self.items[0] if self.items else None
        return None if item is None or isinstance(item, Mark) else item.account

    def delay(self) -> float:
        """Return the seconds until something is released; 0 when something is, infinity when nothing is here."""
        if self._released > 0:
            return 0.0
        if not self.items:
            return NEVER
        oldest = self.items[0]
        if self._marks or len(self.items) >= self.batch_size or isinstance(oldest, Mark):
            return 0.0
        waited = time() - oldest.called_at
        return max(0.0, self.flush_interval - waited) if waited >= 0 else 0.0  # a clock set back must not keep it

    def has_released(self) -> bool:
        """Tell whether something of a release is still here."""
        return self._released > 0

    def pop(self) -> Message | Mark | None:
        """Return the next item of the release; None when it is used up. A release takes in all that is there."""
        if self._released <= 0:
            if self.delay() > 0:
                if not self.items:
                    self._has_other_accounts = False
                return None
            self._released = len(self.items)
        return self._pop()

    def pop_all(self) -> list[Message | Mark]:
        """Return everything, released or not."""
        items = [self._pop() for _ in range(len(self.items))]
        self._released = 0
        return items

    def _pop(self) -> Message | Mark:
        item = self.items.popleft()
        self._released -= 1
        if isinstance(item, Mark):
            self._marks -= 1
        elif item.priority != NORMAL:
            self._uneven -= 1
        return item
