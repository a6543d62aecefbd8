"""The account of every message a client was given."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final


class Stats:
    """A frozen record of what became of a client's messages.

    `queued == delivered + rejected + dropped + waiting + in_flight`, in messages; merged ones each count.

    Attributes:
        queued: Messages accepted since the client, or the forked process, began.
        delivered: The API took them.
        rejected: The API refused them for good; each was reported once.
        dropped: Given up for a reason that was reported once: no answer after all retries, or no time left.
        waiting: Waiting for their turn, retries included.
        in_flight: In a request that is under way.
        retried: Attempts after the first.
        retried_ambiguous: Those of them after an attempt that the API may have received: an event may be there twice.
        merged: Messages that went out in another one's request.
        refused: Calls that were not accepted, by reason: `"queue_full"`, `"before_send"`, `"invalid"`, `"disabled"`; of
            an `AsyncClient` `"unusable"`, too.
        spool_waiting: With a spool: messages that wait in its file, whichever process called them; None when it cannot
            be read, and without one.
        spool_problem: Why messages wait in memory although there is a spool; None while they do not.

    With a spool, what this process called counts wherever it is; what others, or an earlier life, called counts while
    this process sends it. What another process delivered or rejected counts here when this one looks.
    """

    __slots__ = (
        "delivered",
        "dropped",
        "in_flight",
        "merged",
        "queued",
        "refused",
        "rejected",
        "retried",
        "retried_ambiguous",
        "spool_problem",
        "spool_waiting",
        "waiting",
    )

    def __init__(
        self,
        *,
        queued: int,
        delivered: int,
        rejected: int,
        dropped: int,
        waiting: int,
        in_flight: int,
        retried: int,
        retried_ambiguous: int,
        merged: int,
        refused: Mapping[str, int],
        spool_waiting: int | None = None,
        spool_problem: str | None = None,
    ) -> None:
        self.queued: Final = queued
        self.delivered: Final = delivered
        self.rejected: Final = rejected
        self.dropped: Final = dropped
        self.waiting: Final = waiting
        self.in_flight: Final = in_flight
        self.retried: Final = retried
        self.retried_ambiguous: Final = retried_ambiguous
        self.merged: Final = merged
        self.refused: Final = refused
        self.spool_waiting: Final = spool_waiting
        self.spool_problem: Final = spool_problem

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, name):
            raise AttributeError("stats are a frozen record; call stats() again for newer ones")
        object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stats):
            return NotImplemented
        return self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]  # it holds a mapping, as an unhashable record does

    def __repr__(self) -> str:
        return f"Stats({', '.join(f'{name}={value!r}' for name, value in self.as_dict().items())})"

    def as_dict(self) -> dict[str, object]:
        """Return the numbers by name, for logs and metrics."""
        first = ("queued", "delivered", "rejected", "dropped", "waiting", "in_flight")
        rest = ("retried", "retried_ambiguous", "merged", "refused", "spool_waiting", "spool_problem")
        return {name: getattr(self, name) for name in (*first, *rest)}
