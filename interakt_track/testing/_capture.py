"""A capture: what is called while it is open is recorded, and not sent."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from interakt_track._recording import to_line

from ._block import Block
from ._sent import Messages, SentEvent, SentMessage, sent_message
from ._tape import Tape

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from interakt_track._messages import Message

SHOWN = 10  # messages that a capture's `repr` names


class Capture(Messages[SentMessage]):
    """What was called while it was open; `capture()` opens one. It can be looked at meanwhile, and afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self._tape = Tape()
        self._block = Block()
        self._refused: Counter[str] = Counter()
        self.start_anew()

    def __enter__(self) -> Self:
        self._block.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._block.end(self)

    def __repr__(self) -> str:
        messages = self._all()
        named = [_name(message) for message in messages[:SHOWN]]
        more = f" and {len(messages) - SHOWN} more" if len(messages) > SHOWN else ""
        refused = [f"{number} {reason}" for reason, number in self._refused.items()]
        note = f"; calls that were refused: {', '.join(refused)}" if refused else ""
        return f"<Capture of {', '.join(named) or 'no messages'}{more}{note}>"

    def clear(self) -> None:
        """Forget what was recorded so far."""
        with self._lock:
            self._tape.read()
            self._messages = ()
            self._refused.clear()

    # Called by those who send, as `_recording.Recorder` says.

    def start_anew(self) -> None:
        """Take a new lock, in a forked child too."""
        self._lock = threading.RLock()  # guards _messages, _refused and reading the tape

    def wants(self, host: str) -> bool:  # noqa: ARG002 - as `Recorder` has it
        """Tell that messages to any host are recorded."""
        return True

    def note_refusal(self, reason: str) -> None:
        """Remember that a call was refused, for whoever wonders why it is not here."""
        with self._lock:
            self._refused[reason] += 1

    def record(self, message: Message) -> None:
        """Record a message that is called here, or in a forked child."""
        self._tape.append(to_line(message))

    def _all(self) -> tuple[SentMessage, ...]:
        with self._lock:
            self._messages += tuple(map(sent_message, self._tape.read()))
            return self._messages


def capture() -> Capture:
    """Record what is called in a `with` block, and send none of it.

    It takes part in every call of the process: the module's functions, each client, whenever it was made, in any thread
    and in forked children; a process that begins anew (`subprocess`, `multiprocessing`'s spawn and forkserver) sends.
    Arguments are checked as always, `before_send` is asked, and what is recorded is what would
    have been sent, but that identifies are never merged. Receipts and `stats()` show it as delivered, at once. No
    write key is needed, no spool is opened, and no setting is changed. With `enabled=False` nothing is recorded, as
    nothing would have been sent; the capture's `repr` tells of refused calls. Low-level calls raise a `RuntimeError`.

    Messages that waited when the block began are sent, and not recorded. Where one capture is open within another, both
    record. A forked child stays captured after the block, too.

    Example:
        >>> with capture() as sent:
        ...     track.event(user_id="u1", event="Order Placed")
        >>> assert sent == [SentEvent("Order Placed", user_id="u1")]
    """
    return Capture()


def _name(message: SentMessage) -> str:
    who = message.user_id or f"{message.country_code} {message.phone_number}"
    return f'"{message.event}" of {who}' if isinstance(message, SentEvent) else f"user {who}"
