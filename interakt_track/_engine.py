"""What sends for a client: one queue, its threads and its reports, and how they are waited for and left."""

from __future__ import annotations

import threading
from time import monotonic

from . import _lifecycle
from ._account import Share
from ._errors import DeliveryError, ExpiredError, ShutdownError, UnreachableError
from ._ledger import Mark, Spooled
from ._locks import IMPORT_LOCK
from ._logs import Quiet
from ._messages import LOG, RAISE
from ._queue import Queue, is_final
from ._receipt import Outcome
from ._recording import Recorded
from ._reporter import Reporter
from ._requests import wire
from ._sender import Sender
from ._threads import is_own_thread
from ._worker import Workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _weakref import ref
    from collections.abc import Callable

    from ._account import Account
    from ._client import Client
    from ._messages import Message
    from ._settings import Settings
    from ._spool import Spool
    from ._stats import Stats

STEP = 0.1  # seconds between two looks at a file that no thread reads
PATIENCE = 60.0  # seconds without a settled message after which a flush without a timeout gives up
LAST_ANSWERS = 1.0  # seconds, or a quarter of all, at the end of which requests are answered, and none begins
REPORTING_TIME = 1.0  # seconds beyond `shutdown_timeout` that `on_error` may take at exit
FOREVER = float("inf")


class Engine:
    """Outlives every change of its client's settings, and is made anew in a forked child.

    Attributes:
        settings: The client's settings of this moment.
        quiet: What the client and all that belongs to it tell the log through.
        recorded: What a test records in the place of sending it.
        owner: The client; without it, files are left as soon as nothing is left to send.
    """

    def __init__(self, settings: Settings) -> None:
        self.queue = Queue(
            max_size=settings.max_queue_size,
            batch_size=_batch_size(settings),
            flush_interval=settings.flush_interval,
            summon=self._summon,
        )
        self.quiet = Quiet()
        self.recorded = Recorded()
        self.reporter = Reporter(lambda: not self.queue.is_inherited and not self.queue.is_settled(), self.quiet)
        self._workers = Workers(self.queue, self.reporter, self.quiet, settings=settings, new_sender=Sender)
        self._shares: dict[Account, Share] = {}
        self.spool: Spool | None = None
        self.owner: ref[Client] | None = None
        self._turn_lock = threading.RLock()  # guards the next two
        self._former: Spool | None = None  # that the settings named before, as long as it has messages called here
        self._put_next = self.queue.put
        self._memory_mark: Mark | None = None  # behind what waited in memory when a spool was set
        self._spools: list[Spool] = []
        self.follow(settings)
        _lifecycle.register(self)

    def follow(self, settings: Settings) -> None:
        """Work with other settings from now on."""
        self.queue.max_size = settings.max_queue_size
        self.queue.inbox.batch_size = _batch_size(settings)
        self.queue.inbox.flush_interval = settings.flush_interval
        self.reporter.on_error = settings.on_error
        self._workers.settings = settings
        self.settings = settings
        self.recorded.follow(settings.host)
        self._follow_spool()

    def begin(self) -> None:
        """Take part in the spool at once: an earlier life may have left messages in it."""
        if self.spool is not None and self.settings.enabled:
            self.spool.begin()

    def _follow_spool(self) -> None:
        """Write to the file that the settings name; one that they named before is looked after until it is empty."""
        path = self.settings.spool
        for spool in self._spools:
            spool.follow(self.settings)
        if self.recorded.is_on:  # nothing is written to a file, and none is opened
            self.put_at_once = self.recorded.put
            return
        before, self.spool = self.spool, self._spool_at(path) if path is not None else None
        put = self.queue.put if self.spool is None else self.spool.put
        with self._turn_lock:
            self._put_next = put
            if self._former is None or not self._former.has_own():
                self._former = before
            if self._former is self.spool:
                self._former = None
            self.put_at_once = put if self._former is None else self._put_in_turn

    def _spool_at(self, path: str) -> Spool:
        known = next((spool for spool in self._spools if spool.path == path), None)
        if known is not None:
            return known
        with IMPORT_LOCK:
            from ._spool import Spool  # noqa: PLC0415 - brings sqlite3, wanted only where there is a spool

        spool = Spool(self.settings, self.queue, self.quiet, self._is_wanted)
        self._memory_mark = None if self.queue.is_settled() else self.queue.mark()
        self._spools.append(spool)
        return spool

    def _is_wanted(self, spool: Spool) -> bool:
        return spool is self.spool and (self.owner is None or self.owner() is not None)

    def _put_in_turn(self, message: Message) -> bool:
        """Queue a message behind what was called while another file was set: until that is in the queue, there."""
        with self._turn_lock:
            if self._former is not None and self._former.has_own():
                return self._former.put(message)
            self._former = None
            return self._put_next(message)

    def ask(self, account: Account) -> None:
        """Hold an account to the settings' `rate_limit`, for as long as messages may wait that were called under it."""
        account.ask(self._shares.setdefault(account, Share()), self.settings.rate_limit)

    def hasten(self) -> None:
        """Release what waits, at exit."""
        if self.queue.is_inherited or _lifecycle.is_forked():
            return
        for spool in self._spools:
            spool.hurry()
        if not self.queue.is_settled():
            self.queue.mark()

    def leave(self, started: float) -> None:
        """Leave with the process: at most `shutdown_timeout` from `started` on; in a child, not with the parent's."""
        if not self.queue.is_inherited and not _lifecycle.is_forked():
            self.shut_down(started, self.settings.shutdown_timeout)

    def start_anew(self) -> None:
        """Stay behind in a forked child: what waits here is sent by the parent."""
        self.queue.is_inherited = True
        self.reporter.forget()
        for spool in self._spools:
            spool.leave_to_parent()

    def put(self, message: Message, *, seconds: float) -> bool:
        """Queue a message as soon as there is room, within so many seconds.

        Returns:
            False when there was none in time, or when the calling thread is one that makes room.
        """
        deadline = monotonic() + seconds
        while not self.put_at_once(message):
            if is_own_thread() or monotonic() >= deadline:
                return False
            self._stand_in(self._has_room, deadline=deadline)
            self.queue.room.wait_until(self._has_room, deadline=deadline)
        return True

    def _has_room(self) -> bool:
        former = self._former
        spool = former if former is not None and former.has_own() else self.spool
        return self.queue.has_room() if spool is None else spool.has_room()

    def send(self, message: Message, *, seconds: float) -> Outcome | None:
        """Send a message through the same order and ration as all others, and wait for what becomes of it.

        Args:
            message: Its failure is raised by the caller, and not reported.
            seconds: How long that may take; then the message is withdrawn, or an answer that comes later is ignored.

        Returns:
            None when there is no room for it.
        """
        if self.recorded.is_on:
            self.recorded.put(message)
            return message.outcome
        deadline = monotonic() + seconds
        message.told_by = RAISE
        refusal = message.account.refusal(monotonic()) if self.queue.keepers else None
        if refusal is not None:  # what waits in a file waits for the key; whoever waits for an answer has one
            return Outcome("rejected", refusal)
        patience = min(seconds, self.settings.block_timeout) if self.settings.when_full == "block" else 0.0
        if not self.put(message, seconds=patience):
            return None
        for spool in self._spools:
            spool.hurry()
        self.queue.mark()
        try:
            self._wait(lambda: is_final(message), deadline=deadline)
        except BaseException:
            message.told_by = LOG  # interrupted, as by Ctrl-C: the call that would have told it is gone
            raise
        return message.outcome or self._end(message)

    def flush(self, timeout: float | None) -> bool:
        """Send what waits now, and wait until it is settled; see `Client.flush`."""
        deadline = FOREVER if timeout is None else monotonic() + max(0.0, timeout)
        return self._flush(deadline, patience=PATIENCE if timeout is None else FOREVER, spools=self._spools)

    def dismiss(self) -> None:
        """Let the threads end that have nothing left to do."""
        self.queue.dismiss()

    def shut_down(self, started: float, timeout: float) -> None:
        """Send what can be sent until `timeout` seconds after `started`, report the rest, and let the threads end."""
        if is_own_thread():
            return
        deadline = started + timeout
        # What is under way at the end is sent again by who comes next: where a file keeps the rest, none begins late.
        grace = min(LAST_ANSWERS, timeout / 4) if self._spools else 0.0
        last_start = deadline - grace
        try:
            ours = [spool for spool in self._spools if spool.is_alone()]
            for spool in self._spools:
                if spool not in ours:
                    spool.release()  # who else has the file open goes on at once
            self._flush(last_start, patience=FOREVER, spools=ours, grace=grace)
            for spool in ours:
                # What others called, too: nobody else is there.
                self._wait(spool.is_drained, deadline=last_start, asks_file=True, grace=grace)
                spool.release()
            if self._spools:
                self._flush(deadline, patience=FOREVER, spools=[])
                self._wait(self.queue.is_idle, deadline=deadline)
        finally:
            for spool in self._spools:
                spool.release()
            self._abandon(timeout)
            # From now on, should this be later than the deadline: a name that is looked up for long, a starved machine.
            self.reporter.drain(max(deadline, monotonic()) + REPORTING_TIME)
            self._abandon(timeout)  # what on_error queued meanwhile
            for spool in self._spools:
                spool.leave()
            self.queue.is_releasing = False
            self.queue.dismiss()
            self.quiet.tell_rest(is_last=_lifecycle.is_leaving())

    def stats(self, refused: dict[str, int]) -> Stats:
        """Return the numbers of this moment; they add up."""
        spooled = Spooled()
        spooled.ended["delivered"] = self.recorded.count
        for spool in self._spools:
            spool.look(spooled)

        def count() -> Spooled:
            for spool in self._spools:
                spool.count(spooled)
            return spooled

        return self.queue.stats(refused, count)

    def _summon(self) -> None:
        if not self._workers.start_one():
            _lifecycle.hold(self)

    def _flush(self, deadline: float, *, patience: float, spools: list[Spool], grace: float = 0.0) -> bool:
        if not self._spools:
            if is_own_thread() or self.queue.is_settled():
                return self.queue.is_settled()
            return self._wait(self.queue.mark().is_over, deadline=deadline, patience=patience)
        for spool in spools:
            if spool.marks.is_waited_for():
                spool.begin()
        marks = {spool: spool.marks.set() if spool in spools else None for spool in self._spools}

        mark = None if self.spool is not None else self.queue.mark()

        def is_settled() -> bool:
            if any(one is not None and not one.is_over() for one in (mark, self._memory_mark)):
                return False
            if not self.queue.is_confirmed() or not all(spool.marks.is_settled(mark) for spool, mark in marks.items()):
                return False
            return self.queue.is_confirmed()  # one that was in flight has just been refused, perhaps

        if is_own_thread() or is_settled() or monotonic() >= deadline:
            return is_settled()
        for spool in spools:
            spool.hurry()
        self.queue.mark()
        return self._wait(is_settled, deadline=deadline, patience=patience, asks_file=True, grace=grace)

    def _wait(
        self,
        is_over: Callable[[], bool],
        *,
        deadline: float,
        patience: float = FOREVER,
        asks_file: bool = False,
        grace: float = 0.0,
    ) -> bool:
        self._stand_in(is_over, deadline=deadline, patience=patience, grace=grace)
        wait_until = self.queue.waiters.look_until if asks_file else self.queue.waiters.wait_until
        return wait_until(is_over, deadline=deadline, patience=patience)

    def _stand_in(
        self, is_over: Callable[[], bool], *, deadline: float, patience: float = FOREVER, grace: float = 0.0
    ) -> None:
        """Send and report in this thread, until `is_over`, what no thread of ours does."""
        if not _lifecycle.is_leaving() and self._workers.start_one():
            return
        is_stuck = self.queue.waiters.watch_progress(patience)
        self._workers.help_out(
            lambda: is_over() or self._is_sent() or is_stuck(),
            deadline=deadline,
            grace=grace,
            prepare=self._read_here,
        )
        self.reporter.drain(min(deadline, monotonic() + patience))

    def _read_here(self) -> float:
        """Look after the files that no thread looks after; return until when that is enough."""
        for spool in self._spools:
            if not spool.has_thread():
                spool.step()
        return monotonic() + STEP if self._spools else FOREVER  # what a file's thread has read wakes nobody here

    def _is_sent(self) -> bool:
        """Tell whether nothing waits or is in flight, though a failure may still have to be reported."""
        return self.queue.is_sent() and not any(spool.has_own() for spool in self._spools)

    def _end(self, message: Message) -> Outcome:
        """End a message whose call has no time left."""
        unsent = Outcome("dropped", ExpiredError("the time of this call was up before the message could be sent"))
        late = UnreachableError("the time of this call was up before the API answered", is_ambiguous=True)
        doubtful = Outcome("dropped", late)
        if not any(spool.keeper.withdraw(message, unsent=unsent, doubtful=doubtful) for spool in self._spools):
            self._end_in_queue(message, unsent=unsent, doubtful=doubtful)
        if message.outcome is None:
            message.told_by = LOG  # it goes on in a file that cannot be changed for now
        outcome = message.outcome or doubtful
        if isinstance(outcome.error, DeliveryError):
            outcome.error.queue_msg = wire(message)
        return outcome

    def _end_in_queue(self, message: Message, *, unsent: Outcome, doubtful: Outcome) -> None:
        def outcome_of(last_error: DeliveryError | None) -> Outcome:
            return unsent if last_error is None else Outcome("dropped", last_error)

        if not self.queue.withdraw(message, outcome_of):
            self.queue.give_up(message, doubtful)
        if message.record is not None and message.outcome is not None:
            message.record.spool.keeper.forget(message)  # its caller is told, and may call again

    def _abandon(self, timeout: float) -> None:
        if self.queue.is_settled():
            return
        lost = self._workers.abandon(
            ShutdownError("the process left before the message was delivered; one in flight may have arrived")
        )
        if lost:
            messages = "1 message" if lost == 1 else f"{lost} messages"
            self.quiet.warn("shutdown", f"{messages} could not be delivered within {timeout:g} s of leaving")


def _batch_size(settings: Settings) -> int:
    """Return how many messages are released at once: all that have room, where a call waits for room."""
    if settings.when_full == "block":
        return min(settings.batch_size, settings.max_queue_size)
    return settings.batch_size
