"""What sends for an `AsyncClient`, in one event loop after the other, and how it is left."""

from __future__ import annotations

import asyncio
from time import monotonic

from . import _lifecycle
from ._account import Share
from ._async_worker import SHUT_DOWN, AsyncWorker
from ._door import missing_key
from ._errors import UnusableClientError
from ._ledger import Spooled
from ._logs import Quiet
from ._recording import Recorded
from ._reporter import Reporter
from ._roster import Roster

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._account import Account
    from ._messages import Message
    from ._receipt import Outcome
    from ._settings import Settings
    from ._stats import Stats

STEP = 0.01  # seconds between two looks whether `on_error` has been told
REPORTING_TIME = 1.0  # seconds beyond `shutdown_timeout` for calls that were cut off to end, and for `on_error`


class AsyncEngine:
    """Belongs to the event loop of its first call until that loop is closed; made anew in a forked child.

    Attributes:
        quiet: What the log is told through.
        reporter: Who tells `on_error` what no call can tell.
        recorded: What a test records in the place of sending it.
    """

    def __init__(self, settings: Settings) -> None:
        self.quiet = Quiet()
        self.reporter = Reporter(lambda: False, self.quiet)
        self.reporter.on_error = settings.on_error
        self.recorded = Recorded()
        self._settings = settings
        self._share = Share()
        self._roster = Roster()
        self._worker: AsyncWorker | None = None
        self._is_closed = False
        _lifecycle.register(self)

    def ask(self, account: Account) -> None:
        """Hold an account to the settings' `rate_limit`, for as long as this client is there."""
        account.ask(self._share, self._settings.rate_limit)

    def enter_loop(self) -> AsyncWorker:
        """Return what sends in the running event loop.

        Raises:
            UnusableClientError: It is closed, no loop runs, or it belongs to another one.
        """
        if self._is_closed:
            raise _closed()
        worker = self._worker_here()
        if worker is None:
            worker = self._worker = AsyncWorker(self._roster, self.reporter, self.quiet, settings=self._settings)
        return worker

    async def send(self, message: Message) -> Outcome | None:
        """Send a message, and return what became of it; see `AsyncWorker.send`.

        Raises:
            UnusableClientError: As `enter_loop`; also, it was closed while the call waited for room.
            SettingsError: The message has no key.
        """
        if self.recorded.is_on and not self._is_closed:
            self.recorded.put(message)
            return message.outcome
        worker = self.enter_loop()
        if not message.has_account:  # it was called while it would have been recorded
            raise missing_key()
        outcome = await worker.send(message)
        if outcome is None and self._is_closed:
            raise _closed()
        return outcome

    async def flush(self, seconds: float | None) -> bool:
        """Wait until the calls under way are over, for so many seconds at most; tell whether they are."""
        worker = self._worker_here()
        return worker is None or await worker.turns.flush(seconds)

    async def shut_down(self, seconds: float) -> None:
        """Take no more calls, let those under way end in so many seconds, and end the rest."""
        self._worker_here()
        try:
            await asyncio.sleep(0)  # tasks that were made before this call begin theirs
            self._is_closed = True
            await self.flush(seconds)
        finally:
            self._is_closed = True
            await self._end()

    async def _end(self) -> None:
        """End the calls that are left, close the connections, and wait until `on_error` has been told."""
        deadline = monotonic() + REPORTING_TIME
        worker = self._worker_here()
        if worker is not None:
            self._cut_off(worker, SHUT_DOWN)
            try:
                await worker.turns.flush(deadline - monotonic())
            finally:
                await worker.aclose()
        while not self.reporter.drain(monotonic()) and monotonic() < deadline:  # noqa: ASYNC110 - a thread tells it
            await asyncio.sleep(STEP)  # waiting in another thread might wait for one: the loop's may all be busy
        self.quiet.tell_rest(is_last=False)

    def stats(self, refused: dict[str, int]) -> Stats:
        """Return the numbers of this moment; they add up."""
        elsewhere = Spooled()
        elsewhere.ended["delivered"] = self.recorded.count
        return self._roster.ledger.stats(0, refused, elsewhere)

    def hasten(self) -> None:
        """Nothing waits here that no task waits for."""

    def leave(self, _: float) -> None:
        """Leave with the process: what cancelled calls left to tell is told, for a second at most."""
        self.reporter.drain(monotonic() + REPORTING_TIME)
        self.quiet.tell_rest(is_last=True)

    def start_anew(self) -> None:
        """Stay behind in a forked child: calls under way are the parent's."""
        self.reporter.forget()

    def _worker_here(self) -> AsyncWorker | None:
        """Return the running loop's worker; None when there is none yet, or only that of a closed loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise UnusableClientError("no asyncio event loop runs here; elsewhere, use track.Client") from None
        worker = self._worker
        if worker is None or worker.turns.loop is loop:
            return worker
        if not worker.turns.loop.is_closed():
            raise UnusableClientError("the client belongs to another event loop; make one for each loop")
        self._cut_off(worker, "the event loop was closed before the message was delivered")
        self._worker = None
        return None

    def _cut_off(self, worker: AsyncWorker, text: str) -> None:
        lost = worker.cut_off(text)
        if lost:
            self.quiet.warn("shutdown", f"{'1 call was' if lost == 1 else f'{lost} calls were'} ended: {text}")


def _closed() -> UnusableClientError:
    return UnusableClientError("the client is closed; make another one")
