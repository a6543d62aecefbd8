"""An account: the host and key a message was called under, and what all clients of this process share about it."""

from __future__ import annotations

import threading

from ._rate_limit import Pacer

MAX_WAIT_FOR_OTHERS = 0.25  # seconds; another client of the account may end a request without this one being told


class Account:
    """One (host, key); obtained from `ACCOUNTS.get`, so that identity is equality.

    The ration and the pauses are the account's, whatever client sends (the API limits accounts, not processes).
    """

    __slots__ = ("__weakref__", "_lock", "_pacer", "host", "write_key")

    def __init__(self, host: str, write_key: str) -> None:
        self.host = host
        self.write_key = write_key
        self._lock = threading.Lock()  # guards _pacer
        self._pacer = Pacer()

    def __repr__(self) -> str:
        return f"Account(host={self.host!r}, write_key='***')"

    def admit(self, now: float) -> float:
        """Take one place in the ration and return 0, or return the seconds to wait before asking again."""
        with self._lock:
            delay = self._pacer.delay(now)
            if delay <= 0.0:
                self._pacer.start(now)
            return min(delay, MAX_WAIT_FOR_OTHERS) if delay == float("inf") else delay

    def settle(self, now: float, *, is_accepted: bool) -> None:
        """Give back the place of a request that ended; `is_accepted`: the API took it into its ration."""
        with self._lock:
            if is_accepted:
                self._pacer.accept(now)
            else:
                self._pacer.abandon()

    def refuse(self, now: float, started: float, retry_after: float | None, jitter: float) -> bool:
        """Pause after a 429; see `Pacer.refuse`."""
        with self._lock:
            return self._pacer.refuse(now, started, retry_after, jitter)

    def limit(self, requests_per_minute: int | None) -> None:
        """Set the ration; the latest setting of any client holds."""
        with self._lock:
            self._pacer.limit = requests_per_minute


class Accounts:
    """The accounts this process knows; one instance, `ACCOUNTS`."""

    def __init__(self) -> None:
        self.forget()

    def get(self, host: str, write_key: str) -> Account:
        """Return the account, the same object for the same host and key."""
        with self._lock:
            account = self._known.get((host, write_key))
            if account is None:
                account = self._known[host, write_key] = Account(host, write_key)
            return account

    def forget(self) -> None:
        """Start anew, in a forked child: the locks may be held by threads that do not exist there."""
        self._lock = threading.Lock()  # guards _known
        self._known: dict[tuple[str, str], Account] = {}


ACCOUNTS = Accounts()
