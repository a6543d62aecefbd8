"""The messages called here that are in a spool's file, and that somebody still has: a receipt, the queue."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from weakref import ref

    from ._messages import Message

MIN_DEAD = 1000  # references, from which on it is worth looking for dead ones


class Called:
    """Finds a message by the id of its row, and keeps none alive.

    A `WeakValueDictionary` says the same, and costs each call three times as much; its dead are forgotten at once,
    and these when `forget_dead` is called.

    Attributes:
        refs: By id; a call writes to it without more ado.
    """

    def __init__(self) -> None:
        self.refs: dict[int, ref[Message]] = {}
        self._look_at = MIN_DEAD

    def get(self, row_id: int) -> Message | None:
        """Return the message of a row, if somebody has it."""
        found = self.refs.get(row_id)
        return None if found is None else found()

    def unsettled(self) -> list[tuple[int, Message]]:
        """Return the messages that have not ended, with their ids, the oldest first."""
        found = [(row_id, reference()) for row_id, reference in list(self.refs.items())]
        return [(row_id, message) for row_id, message in found if message is not None and message.outcome is None]

    def forget_dead(self) -> None:
        """Forget whom nobody has any more, where that may be many."""
        if len(self.refs) >= self._look_at:
            for row_id, reference in list(self.refs.items()):
                if reference() is None:
                    self.refs.pop(row_id, None)
            self._look_at = 2 * len(self.refs) + MIN_DEAD
