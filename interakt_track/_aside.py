"""Messages that a spool's file could not take when they were called: they wait in memory."""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._journal import Journal
    from ._messages import Message
    from ._queue import Queue
    from ._spool import Spool


class Aside:
    """Keeps such messages until the file takes them, or until nothing in it comes before them."""

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque()
        self._sent: set[Message] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, message: Message) -> None:
        """Keep a message; those that follow it have to be kept, too."""
        self._waiting.append(message)

    def remove(self, message: Message) -> bool:
        """Forget a message; False when it is not here. The spool's lock is held, so nobody takes one meanwhile."""
        if message not in self._waiting:
            return False
        self._waiting.remove(message)
        return True

    def write(self, journal: Journal, spool: Spool) -> None:
        """Write what waits to the file, in order.

        Raises:
            SpoolError: The file does not take it still; the rest waits on.
        """
        while self._waiting:
            journal.append(self._waiting[0], spool)
            self._waiting.popleft()

    def send(self, queue: Queue, *, limit: int | None = None) -> None:
        """Queue what waits as it is, in no file; the first `limit` of it at most."""
        messages = list(self._waiting)[:limit]  # calls may add more meanwhile

        def forget() -> None:
            for _ in messages:
                self._waiting.popleft()

        if messages:
            self.watch(messages)
            queue.take_over(messages, forget)

    def watch(self, messages: list[Message]) -> None:
        """Count messages of the queue among those that are in no file; also those whose file was taken away."""
        self._sent = {message for message in self._sent if not _is_over(message)}
        self._sent.update(messages)

    def is_settled(self) -> bool:
        """Tell whether nothing waits, and all that was sent is delivered, or told as lost."""
        return not self._waiting and not self.is_sending()

    def is_sending(self) -> bool:
        """Tell whether something that was sent is not settled."""
        return not all(map(_is_over, tuple(self._sent)))


def _is_over(message: Message) -> bool:
    return message.outcome is not None and message.outcome.is_final
