"""When an account's next request may start: its ration, its pauses, and the pace it has learned."""

from __future__ import annotations

from collections import deque
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW = 61.0  # the server counts 60 s; a request's way there varies, and a second more was clean in simulation
BURST_SHARE = 0.1  # of a minute's requests may start at once; the rest is spread evenly
GROWTH = 1.05  # a minute, from what was last accepted: finds a raised limit, and costs one refused request a minute
FIRST_PAUSE = 2.0  # seconds; doubles with each refusal that follows. At 1 s a fixed window refused 3 requests, not 1
MAX_PAUSE = 60.0  # no window known of this API is longer
MAX_OUTAGE_PAUSE = 30.0  # as long as a message's own longest delay: an API that is back is noticed as soon
TINY = 1e-6  # seconds; less is the rounding of sums, and would be waited for without end
IDLE = 5.0  # seconds without a start end a spell of sending; a pace is learned from a full minute of it only
MAX_LOOKS = 1000  # at the starts in the window, for each start; plans have fewer
MAX_REMEMBERED = 20_000  # starts without a ration, about 300 a second


class Pacer:
    """Decides when the next request may start; holds no clock and no lock.

    The window of starts is exact for fixed and sliding windows of the server alike. `now` is any monotonic clock.

    Args:
        limit: Requests a minute that must never be exceeded; None learns a pace from the API's 429 answers.
    """

    __slots__ = (
        "_accepted",
        "_allowed_in_flight",
        "_in_flight",
        "_last_start",
        "_learned",
        "_learned_at",
        "_level",
        "_next_even_start",
        "_paused_at",
        "_paused_until",
        "_sending_since",
        "_starts",
        "limit",
    )

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self._starts: deque[float] = deque()
        self._accepted: deque[float] = deque()
        self._next_even_start = float("-inf")
        self._paused_at = float("-inf")
        self._paused_until = float("-inf")
        self._level = 0
        self._in_flight = 0
        self._allowed_in_flight: int | None = None
        self._last_start = float("-inf")
        self._sending_since = float("inf")
        self._learned: float | None = None
        self._learned_at = 0.0

    def change_limit(self, limit: int | None) -> None:
        """Keep another limit from now on; what the last start was spaced by is no measure any more."""
        if limit is not None and limit != self.limit:
            self._next_even_start = min(self._next_even_start, self._last_start + WINDOW / limit)
        self.limit = limit

    def delay(self, now: float) -> float:
        """Return the seconds until a request may start; 0 means now, infinity when one under way has to end first."""
        if self._allowed_in_flight is not None and self._in_flight >= self._allowed_in_flight:
            return float("inf")
        delay = max(self._paused_until - now, self._window_delay(now), self._pace_delay(now))
        return delay if delay > TINY else 0.0

    def start(self, now: float) -> None:
        """Note that a request starts; only after `delay` said 0."""
        self._in_flight += 1
        self._starts.append(now)
        if now - max(self._last_start, self._paused_until) > IDLE:
            self._sending_since = now
        self._last_start = now
        pace = self._pace(now)
        while len(self._starts) > max(MAX_REMEMBERED, self.limit or 0) or self._starts[0] <= now - WINDOW:
            self._starts.popleft()
        if pace is not None:
            self._next_even_start = max(self._next_even_start, now) + max(WINDOW / pace, self._stretched(now))

    def restore(self, starts: Iterable[float]) -> None:
        """Count requests that another process started, whose place this one takes."""
        self._starts = deque(sorted((*self._starts, *starts)))
        for start in self._starts:
            self._last_start = max(self._last_start, start)
            if self.limit is not None:  # else each takeover would begin with a burst of its own
                self._next_even_start = max(self._next_even_start, start) + WINDOW / self.limit

    def accept(self, now: float) -> None:
        """Note that a request ended, and the account was not refused."""
        self._in_flight -= 1
        self._level = 0
        if self._allowed_in_flight is not None:
            self._allowed_in_flight += 1
        self._accepted.append(now)
        while len(self._accepted) > MAX_REMEMBERED or self._accepted[0] <= now - 60.0:
            self._accepted.popleft()

    def abandon(self) -> None:
        """Note that a request ended without an answer about the account."""
        self._in_flight -= 1

    def refuse(self, now: float, started: float, retry_after: float | None, jitter: float) -> bool:
        """Note that a request was answered 429, and pause the account.

        Args:
            now: The time of the answer.
            started: When the refused request started. Only one started after the last pause began escalates it:
                of several 429s in one burst, the first says all.
            retry_after: Seconds the API asked for, a minimum.
            jitter: A random number from 0 to 1.

        Returns:
            Whether this refusal began a new pause.
        """
        self._in_flight -= 1
        if retry_after is not None:
            self._paused_until = max(self._paused_until, now + retry_after)
        if started < self._paused_at:
            return False
        self._learn(now)
        self._pause(now, jitter if retry_after is None else None, MAX_PAUSE)
        return True

    def fail(self, now: float, started: float, jitter: float) -> bool:
        """Note that a request failed as those before it did, the whole service being out of order, and pause.

        The arguments and what is returned are as of `refuse`; nothing is learned of the pace.
        """
        self._in_flight -= 1
        if started < self._paused_at:
            return False
        self._pause(now, jitter, MAX_OUTAGE_PAUSE)
        return True

    def _pause(self, now: float, jitter: float | None, at_most: float) -> None:
        """Pause, then send one request at a time; without `jitter` as long as is paused already."""
        if jitter is not None:
            pause = min(at_most, FIRST_PAUSE * 2**self._level)
            self._paused_until = max(self._paused_until, now + pause * (0.5 + jitter / 2))
        self._level = min(self._level + 1, 10)
        self._paused_at = now
        self._allowed_in_flight = 1

    def _learn(self, now: float) -> None:
        """Take what 60 s of sending were accepted as the pace, once there are 60 s to judge by."""
        if now - self._sending_since < 60.0:
            return
        accepted = sum(1 for time in self._accepted if time > now - 60.0)
        if accepted:
            self._learned = float(accepted)
            self._learned_at = now

    def _pace(self, now: float) -> float | None:
        """Return the requests a minute to spread evenly: the ration, or less where less was accepted."""
        if self._learned is None:
            return self.limit
        learned: float = self._learned * GROWTH ** ((now - self._learned_at) / 60.0)
        return learned if self.limit is None else min(learned, self.limit)

    def _pace_delay(self, now: float) -> float:
        pace = self._pace(now)
        if pace is None:
            return 0.0
        burst = pace * BURST_SHARE if self._learned is None else 1.0
        return self._next_even_start - now - max(0.0, burst - 1.0) * WINDOW / pace

    def _stretched(self, now: float) -> float:
        """Return the seconds between starts at which the window never runs full, so that no start ever waits long.

        So many may start at once as are free, and one more whenever an old start leaves the window; the start after
        those that may go before one leaves has to be later than that. A window that is full after a burst would hold
        up the next urgent message for as long as it took to save up the burst.
        """
        if self.limit is None:
            return 0.0
        free = max(0, self.limit - len(self._starts))  # a limit that was lowered has less than none
        places = islice(enumerate(self._starts, free + 1), 0, None, 1 + len(self._starts) // MAX_LOOKS)
        return max((start + WINDOW - now) / place for place, start in places)

    def _window_delay(self, now: float) -> float:
        if self.limit is None or len(self._starts) < self.limit:
            return 0.0
        return self._starts[-self.limit] + WINDOW - now
