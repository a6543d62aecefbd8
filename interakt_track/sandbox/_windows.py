"""Rate limits: the fixed and the sliding window a server counts in, and the audit of who kept to them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOWS = ("fixed", "sliding")


@attrs.frozen
class RateLimit:
    """How many requests the sandbox lets through; the rest are answered 429 and do not count.

    Args:
        requests: Per window.
        seconds: Length of the window; 60 as in the API's plans, less in tests that should not take a minute.
        window: `"fixed"` starts to count anew at each multiple of `seconds`; `"sliding"` looks back that far from each
            request.
        has_retry_after: Whether the 429 says after how many whole seconds there is room again. The real API was never
            seen to say so.
    """

    requests: int
    seconds: float = attrs.field(default=60.0, kw_only=True)
    window: Literal["fixed", "sliding"] = attrs.field(
        default="fixed", kw_only=True, validator=attrs.validators.in_(WINDOWS)
    )
    has_retry_after: bool = attrs.field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.requests < 1:
            raise ValueError(f"a rate limit must let at least 1 request through, not {self.requests}")
        if not self.seconds > 0:
            raise ValueError(f"a rate limit's window must be longer than {self.seconds} seconds")

    def open_window(self) -> FixedWindow | SlidingWindow:
        """Return the counter of this limit, with nothing counted yet."""
        kind = FixedWindow if self.window == "fixed" else SlidingWindow
        return kind(self.requests, self.seconds)


class FixedWindow:
    """Counts requests from one multiple of `seconds` to the next."""

    def __init__(self, requests: int, seconds: float) -> None:
        self._requests = requests
        self._seconds = seconds
        self._window = float("-inf")
        self._count = 0

    def admit(self, now: float) -> float:
        """Return 0.0 and count the request, or the seconds until there is room again."""
        window = now // self._seconds
        if window != self._window:
            self._window, self._count = window, 0
        if self._count >= self._requests:
            return (window + 1) * self._seconds - now
        self._count += 1
        return 0.0


class SlidingWindow:
    """Counts the requests of the last `seconds`."""

    def __init__(self, requests: int, seconds: float) -> None:
        self._seconds = seconds
        self._admitted: deque[float] = deque(maxlen=requests)

    def admit(self, now: float) -> float:
        """Return 0.0 and count the request, or the seconds until there is room again."""
        if len(self._admitted) == self._admitted.maxlen and now - self._admitted[0] < self._seconds:
            return self._admitted[0] + self._seconds - now
        self._admitted.append(now)
        return 0.0


def busiest_window(times: Iterable[float], seconds: float = 60.0) -> int:
    """Return the largest number of `times` that any window of this length holds.

    The window is half open: two requests exactly `seconds` apart are not in one.

    Args:
        times: Of any monotonic clock, in any order.
        seconds: Length of the window.
    """
    window: deque[float] = deque()
    busiest = 0
    for time in sorted(times):
        while window and time - window[0] >= seconds:
            window.popleft()
        window.append(time)
        busiest = max(busiest, len(window))
    return busiest
