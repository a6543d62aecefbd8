"""The pulse: how many requests arrived, and were refused, in each of the last seconds."""

from __future__ import annotations

SECONDS = 120  # the page shows a minute, and needs the one before to count what a plan's window holds


class Pulse:
    """Counts by whole seconds of any clock that mostly goes forward."""

    def __init__(self) -> None:
        self._seconds: dict[int, list[int]] = {}

    def note(self, time: float, *, is_refused: bool) -> None:
        """Count a request."""
        second = int(time)
        counted = self._seconds.setdefault(second, [0, 0])
        counted[0] += 1
        counted[1] += is_refused
        while len(self._seconds) > SECONDS:
            del self._seconds[next(iter(self._seconds))]

    def since(self, second: int) -> list[tuple[int, int, int]]:
        """Return (second, requests, refused ones of them) for each second from this one on in which any came."""
        return [(when, requests, refused) for when, (requests, refused) in self._seconds.items() if when >= second]
