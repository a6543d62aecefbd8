"""An account: the host and key a message was called under, and what all clients of this process share about it."""

from __future__ import annotations

import threading
from _weakrefset import WeakSet  # what `weakref` has it from, and `threading`; `weakref` is a millisecond

from ._members import members
from ._rate_limit import TINY, Pacer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._errors import AuthenticationError

PROBE_INTERVAL = 60.0  # seconds; a key is mended by a person, so more often would only be more refusals
OUTAGE = 10  # different messages that fail one after the other, and none is taken: it is not the messages
MAX_WAIT_FOR_OTHERS = 0.25  # seconds; another client of the account may end a request without this one being told
GRACE = 0.02  # seconds; an event loop's timers are some ms late, and others' threads would have each place by then


class Share:
    """What one client asks of an account; it counts as long as somebody holds it."""

    __slots__ = ("__weakref__", "rate_limit")

    def __init__(self) -> None:
        self.rate_limit: int | None = None


class Account:
    """One (host, key); obtained from `ACCOUNTS.get`, so that identity is equality.

    The ration and the pauses are the account's, whatever client sends (the API limits accounts, not processes), and so
    is a refusal of the key: until the API takes it again nothing is sent but a probe a minute.
    """

    __slots__ = (
        "__weakref__",
        "_expected",
        "_failing",
        "_has_news",
        "_lock",
        "_next_probe",
        "_pacer",
        "_refusal",
        "_share_count",
        "_shares",
        "host",
        "successes",
        "write_key",
    )

    def __init__(self, host: str, write_key: str) -> None:
        self.host = host
        self.write_key = write_key
        self._lock = threading.RLock()  # guards all below but for `_has_news`
        self._pacer = Pacer()
        self._shares: WeakSet[Share] = WeakSet()
        self._share_count = 0
        self._has_news = False
        self._refusal: AuthenticationError | None = None
        self._next_probe = 0.0
        self._expected: dict[int, float] = {}  # who was told to come back, and when; who asked first comes first
        self._failing: set[int] = set()
        self.successes = 0  # answers that show that the API works; read without the lock

    def __repr__(self) -> str:
        return f"Account(host={self.host!r}, write_key='***')"

    def admit(self, now: float, asker: object = None) -> float:
        """Take one place in the ration and return 0, or return the seconds to wait before asking again.

        Args:
            now: The time.
            asker: What tells one client from the others: they take turns, the one that asked first first.
        """
        with self._lock:
            self._follow_shares()
            delay = self._pacer.delay(now) or self._until_others_came(now, id(asker))
            if delay > 0.0:
                delay = min(delay, MAX_WAIT_FOR_OTHERS) if delay == float("inf") else delay
                self._expected[id(asker)] = now + delay
                return delay
            self._expected.pop(id(asker), None)
            self._pacer.start(now)
            if self._refusal is not None:
                self._next_probe = now + PROBE_INTERVAL  # this one is it
            return 0.0

    def settle(self, now: float, *, is_accepted: bool, is_key_good: bool = False) -> None:
        """Give back the place of a request that ended.

        Args:
            now: The time of its end.
            is_accepted: Whether the API took it into its ration.
            is_key_good: Whether the answer shows that the API takes the key.
        """
        with self._lock:
            if is_accepted:
                self._pacer.accept(now)
                self._failing.clear()
            else:
                self._pacer.abandon()
            if is_key_good:
                self.successes += 1
                self._refusal = None

    def fail(self, now: float, started: float, message: int, jitter: float) -> bool:
        """Give back the place of a request whose message is tried again until it is taken, and pause in an outage.

        Args:
            now: The time of its end.
            started: That of its start.
            message: A number of the message's own: one that fails again and again is no outage.
            jitter: A random number from 0 to 1.

        Returns:
            Whether a pause began.
        """
        with self._lock:
            self._failing.add(message)
            if len(self._failing) >= OUTAGE:
                return self._pacer.fail(now, started, jitter)
            self._pacer.abandon()
            return False

    def restore(self, now: float, ages: list[float]) -> None:
        """Count requests in the ration that another process started so many seconds ago."""
        with self._lock:
            self._follow_shares()
            self._pacer.restore(now - age for age in ages)

    def bar(self, now: float, error: AuthenticationError) -> bool:
        """Give back the place of a request whose key the API refused, and refuse all others; true if that is news."""
        with self._lock:
            self._pacer.accept(now)
            is_news = self._refusal is None
            self._refusal = error
            self._next_probe = now + PROBE_INTERVAL
            return is_news

    def refusal(self, now: float) -> AuthenticationError | None:
        """Return what every message is refused with now; None when the next one may ask for a place."""
        return self._refusal if now < self._next_probe else None

    def until_probe(self, now: float) -> float:
        """Return the seconds until the next message may ask for a place."""
        return max(0.0, self._next_probe - now)

    def refuse(self, now: float, started: float, retry_after: float | None, jitter: float) -> bool:
        """Pause after a 429; see `Pacer.refuse`."""
        with self._lock:
            return self._pacer.refuse(now, started, retry_after, jitter)

    def ask(self, share: Share, rate_limit: int | None) -> None:
        """Set what a client asks; of all clients' limits the lowest holds.

        Args:
            share: The client's; a new one, or that of an earlier call.
            rate_limit: Requests a minute; None asks nothing.
        """
        share.rate_limit = rate_limit
        self._shares.add(share)
        # Last, and without the lock: workers want that one while they have the queue's, and a signal handler that
        # interrupts this, and flushes, would wait for the queue's for ever.
        self._has_news = True

    def _until_others_came(self, now: float, asker: int) -> float:
        """Return the seconds for which a place is kept for who asked earlier; who does not come loses the turn."""
        for earlier, expected in tuple(self._expected.items()):
            if earlier == asker:
                break
            left = expected + GRACE - now
            if left <= 0.0:
                del self._expected[earlier]
            elif expected <= now + TINY:
                return left
        return 0.0

    def _follow_shares(self) -> None:
        if not self._has_news and len(self._shares) == self._share_count:
            return
        self._has_news = False  # first: what is asked for from here on is looked at the next time
        limits = [share.rate_limit for share in members(self._shares)]
        self._share_count = len(limits)
        self._pacer.change_limit(min((limit for limit in limits if limit is not None), default=None))


class Accounts:
    """The accounts this process knows; one instance, `ACCOUNTS`."""

    def __init__(self) -> None:
        self.forget()

    def get(self, host: str, write_key: str) -> Account:
        """Return the account, the same object for the same host and key."""
        with self._lock:
            account = self._known.get((host, write_key))
            # One step: a signal handler's call in between may have made and used one.
            return account or self._known.setdefault((host, write_key), Account(host, write_key))

    def known(self) -> list[Account]:
        """Return all accounts, in the order in which they came to be known."""
        return list(self._known.values())

    def forget(self) -> None:
        """Start anew, in a forked child: the locks may be held by threads that do not exist there."""
        self._lock = threading.RLock()  # guards _known
        self._known: dict[tuple[str, str], Account] = {}


ACCOUNTS = Accounts()
