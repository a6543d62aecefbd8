"""The pulse: how many requests arrived, failed, and were over the limit, in each of the last seconds."""

from __future__ import annotations

SECONDS = 120  # the page shows a minute, and needs the one before to count what a plan's window holds

Beat = tuple[int, int, int, int]
"""A second since 1970, and of the requests that came in it: how many, failed ones, ones over the limit."""


class Pulse:
    """Counts by whole seconds of any clock that mostly goes forward."""

    def __init__(self) -> None:
        self._seconds: dict[int, tuple[int, int, int]] = {}

    def note(self, time: float, *, is_failed: bool, is_over: bool) -> None:
        """Count a request: whether it failed, and whether it did for being over the plan's limit."""
        requests, failed, over = self._seconds.get(int(time), (0, 0, 0))
        self._seconds[int(time)] = (requests + 1, failed + is_failed, over + is_over)
        while len(self._seconds) > SECONDS:
            del self._seconds[next(iter(self._seconds))]

    def since(self, second: int) -> list[Beat]:
        """Return what is known of each second from this one on in which any came."""
        return [(when, *counted) for when, counted in self._seconds.items() if when >= second]
