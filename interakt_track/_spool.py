"""A client's part in a spool: calls write to its file, and whoever holds the lease reads on, for the one queue.

The order of locks is: the spool's, the queue's, the database's. A call takes the last one, and the first call the first
one, too; neither waits long for it. Only a call that waits takes the queue's. docs/architecture.md says why.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext, suppress

from ._access import Access
from ._aside import Aside
from ._attendant import MAX_GATHERING, Attendant
from ._called import Called
from ._errors import DeliveryError, SpoolError
from ._housekeeping import Housekeeping
from ._journal import LOCK_TIMEOUT
from ._keeper import Keeper
from ._marks import Marks
from ._others import Others
from ._reader import Reader
from ._receipt import Outcome
from ._relay import Relay
from ._tally import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._journal import Journal
    from ._ledger import Spooled
    from ._logs import Quiet
    from ._messages import Message
    from ._queue import Queue
    from ._settings import Settings

LOOK = 1.0  # seconds between two looks whether the lease is free, and what others did: well within ten
LOOK_SOON = 0.1  # seconds, while somebody waits for what others do


class Spool:
    """Writes a client's messages to a file, and hands the file's messages to its queue while it holds the lease.

    Args:
        settings: Of the client, with a path in `spool`.
        queue: The client's.
        quiet: What the log is told through.
        is_wanted: Tells whether the client goes on using it; if not, it is left as soon as nothing is left to send.

    Attributes:
        path: Of the file.
        tally: How many of the client's messages are in the file only; guarded by the database's lock.
        keeper: What workers tell of the messages that they send.
        marks: What those ask who wait for what was called here.
    """

    def __init__(
        self, settings: Settings, queue: Queue, quiet: Quiet, is_wanted: Callable[[Spool], bool] = lambda _: True
    ) -> None:
        self.path: str = settings.spool or ""
        self.tally = Tally()
        self._queue = queue
        self._quiet = quiet
        self._is_wanted = is_wanted
        self._lock = threading.RLock()  # guards all below but what a call appends to
        self._access = Access(self.path, settings, self._meet, quiet)
        self._house = Housekeeping(self.path, quiet)
        self._aside = Aside()
        self._reader = Reader(self, queue, quiet)
        self._others = Others(self._access, self._reader, self.tally, queue)
        self._relay = Relay(self._access, self._reader, queue)
        self.marks = Marks(self, self._access, self._aside, queue)
        self.keeper = Keeper(self._access, self._reader, self._aside, self.tally, queue, self._lock)
        self._attendant = Attendant(self.step, self._has_news, self._has_work, queue, quiet)
        self._salt: str | None = None
        self._called = Called()
        self._is_shut = False  # whether a message was kept in memory, and the file was not seen to take anything since
        self._is_left = False
        self._is_hurried = False
        queue.keepers.add(self)
        self.follow(settings)

    def follow(self, settings: Settings) -> None:
        """Work with other settings from now on; the path stays."""
        self._access.settings = settings
        journal = self._access.journal
        if journal is not None:
            try:
                journal.database.follow(settings.spool_sync, settings.spool_max_bytes)
            except SpoolError as error:
                self._access.note(error)
        self._attendant.gathering = min(settings.flush_interval / 4, MAX_GATHERING)

    # Called by those who queue.

    def put(self, message: Message) -> bool:
        """Write a message to the file, or keep it in memory where that fails; False when there is no room for it."""
        journal = self._access.journal
        if journal is None:
            return self._put_first(message)
        if self._aside or self._is_shut:
            return self._put_aside(message)
        try:
            journal.append(message, self)
        except SpoolError as error:
            self._access.note(error)
            return self._put_aside(message)
        if self._attendant.is_asleep and self._access.has_lease():  # else another process sends it
            self._attendant.call()
        return True

    def has_room(self) -> bool:
        """Tell whether one more message may be kept where the file takes none; what is in the queue does not count."""
        return len(self._aside) < self._queue.max_size

    def has_own(self) -> bool:
        """Tell whether a message called here is in the file only, or waits for it."""
        return bool(self._aside) or self.tally.handed > 0

    # Called by those who wait, and look.

    def hurry(self) -> None:
        """Have what was called so far sent without waiting for more."""
        self._attendant.hurry()

    def look(self, spooled: Spooled) -> None:
        """Find out how much waits in the file, whoever called it; without the queue's lock, for that may take long."""
        journal = self._access.journal
        if journal is None and not self._is_wanted(self):
            return
        try:
            if journal is not None:
                self._others.compare(journal, is_left=self._is_left)
            waiting = journal.count_waiting() if journal is not None else self._access.peek()
            spooled.waiting = waiting if spooled.waiting is None else spooled.waiting + (waiting or 0)
        except SpoolError as error:
            self._access.note(error)
        self._note_well(journal)
        if self._access.problem is not None:
            spooled.problem = str(self._access.problem)

    def count(self, spooled: Spooled) -> None:
        """Add this spool's own numbers to others; called with the queue's lock held, so that all of them add up."""
        self.tally.add_to(spooled)
        spooled.handed += len(self._aside)

    # Called by whoever leaves.

    def is_alone(self) -> bool:
        """Tell whether no other process has the file open, now that this one is about to leave."""
        with self._lock:
            try:
                return self._access.journal is None or self._access.is_alone()
            except OSError:
                return True

    def is_drained(self) -> bool:
        """Tell whether nothing is left in the file that this process can send, but what failed and is tried later."""
        journal = self._access.journal
        try:
            if journal is None or not journal.newest_id() or not self._relay.has_work(journal):
                return True
            has_read = self._access.has_lease() and self._reader.has_read(journal.newest_id())
        except SpoolError:
            return True
        return has_read and self._queue.is_resting()

    def release(self) -> None:
        """Leave to the file what is in it, and read no more of it; what it could not take is sent from memory."""
        with self._lock:
            if self._aside and self._access.journal is not None:
                with suppress(SpoolError):
                    self._aside.write(self._access.journal, self)
            self._is_left = True
            self._attendant.dismiss()
            self._queue.release()
            self._aside.send(self._queue)

    def leave(self) -> None:
        """Let another process have the lease, and close the file; a call opens it again."""
        with self._lock:
            self._relay.is_giving_up = False
            self._reader.begin()
            self._access.close()

    def leave_to_parent(self) -> None:
        """Leave it all to the parent; called in a forked child, which opens the file anew."""
        self._is_left = True
        self._access.leave_to_parent()

    def note_release(self, message: Message) -> None:
        """Count a message that goes on waiting in the file only; called with the queue's lock held."""
        journal, record = self._access.journal, message.record
        if record is None:
            return
        record.is_here = False
        if not record.is_own:
            return
        with journal.lock if journal is not None else nullcontext():
            self.tally.handed += 1
            if journal is not None and record.file != journal.salt:  # there is no such file any more
                self.tally.end("dropped")

    # Called by the attendant; where no thread can be started, by who waits.

    def begin(self) -> None:
        """Open the file, and have a thread look after it; wait for nobody who replaces a damaged one."""
        if not self._access.is_damaged and self._lock.acquire(timeout=LOCK_TIMEOUT):
            try:
                self._queue.keepers.add(self)
                self._access.open()
                self._is_left = False
            finally:
                self._lock.release()
        self._attendant.start()

    def has_thread(self) -> bool:
        """Tell whether a thread looks after the file."""
        return self._attendant.is_running()

    def step(self, is_hurried: bool = True) -> float:
        """Do what there is to do, at once where that is wanted; return the seconds until there may be more."""
        with self._lock:
            if self._is_left:
                return LOOK
            try:
                return self._step(is_hurried)
            except (SpoolError, OSError) as error:
                self._access.note(error)
            self._send_aside()
            return LOOK

    def _has_news(self) -> bool:
        return self._is_sending() and self._reader.has_news(self._last_id())

    def _has_work(self) -> bool:
        if self._is_left:
            return False
        if self._is_sending() and self._reader.wants_more():
            return True
        return bool(self._aside) and self._may_send_aside() and self._queue.count_room() > self._queue.max_size // 2

    def _is_sending(self) -> bool:
        return not self._is_left and self._relay.is_sending()

    # All below is called with the lock held, or takes it.

    def _put_first(self, message: Message) -> bool:
        self.begin()
        if self._access.journal is None:
            return self._put_aside(message)
        return self.put(message)

    def _put_aside(self, message: Message) -> bool:
        """Keep a message in memory, without a lock that somebody holds who waits for the file."""
        if not self.has_room():
            return False
        is_first = not self._aside
        self._is_shut = True
        self._aside.add(message)
        if is_first:
            self._attendant.start()
            self._attendant.call()
        return True

    def _step(self, is_hurried: bool) -> float:
        self._access.open(self._restore)
        journal = self._access.journal
        if journal is None:
            self._send_aside()
            return LOOK
        if self._access.follow():
            return 0.0
        self._access.show_presence()
        journal.called.forget_dead()
        self._mend(journal)
        journal = self._access.journal or journal
        if self._aside or self._is_shut:
            self._write_aside(journal)
        if self._relay.is_giving_up:
            return self._relay.give_up()
        if self._access.has_lease() or (self._relay.may_take(journal) and self._take_lease()):
            self._reader.load(journal)
            if self._relay.is_over(journal):
                return self._relay.give_up()
            if is_hurried or self._is_hurried:
                self._is_hurried = False
                self._queue.mark()
            self._send_aside()
            self._others.look_now_and_then(journal)
            self._house.keep(journal, self._reader.numbers(), retention=self._access.settings.spool_retention)
        else:
            self._is_hurried |= is_hurried  # should this process be the next that sends
            self._others.look(journal)
            self._others.collect(journal)
            if self._queue.waiters.has_any() or not self._is_wanted(self):
                self._others.compare(journal, is_left=False)
        self._note_well(journal)
        if not self._is_wanted(self):
            self._retire_when_done(journal)
        if self._access.has_lease():
            return min(LOOK, self._reader.rest())
        return LOOK_SOON if is_hurried or self._queue.waiters.has_any() else LOOK

    def _retire_when_done(self, journal: Journal) -> None:
        """Leave the file once what was called here has ended, and others send the rest; a call opens it again."""
        is_sent = not self._access.has_lease() or self._reader.has_sent_all(journal)
        if is_sent and not self.has_own() and self._aside.is_settled():
            self._is_left = True
            self._queue.keepers.discard(self)
            self._attendant.dismiss()
            self.leave()
            if self.has_own():  # a call has come between
                self.begin()

    def _note_well(self, journal: Journal | None) -> None:
        """Forget what was wrong with the file once nothing waits in memory for it."""
        is_well = journal is not None and journal.database.trouble is None and not self._is_shut
        if is_well and self._aside.is_settled():
            self._access.problem = None

    def _mend(self, journal: Journal) -> None:
        """Do what can be done about what a statement has met."""
        trouble, journal.database.trouble = journal.database.trouble, None
        if trouble is None:
            return
        self._access.note(trouble)
        if trouble.reason == "full":
            with suppress(SpoolError):  # it needs room itself
                journal.database.checkpoint()  # the log can then be written from its start again
        elif self._access.has_lease() or self._take_lease():
            self._access.repair(trouble, self._restore)

    def _restore(self, journal: Journal) -> None:
        """Write to a new file what is in memory, and could not be read of the damaged one; tell what is lost."""
        taken = [
            message for message in self._reader.taken() if message.record is not None and not message.record.is_gone
        ]
        journal.restore([*taken, *[message for _, message in journal.called.unsettled()]])
        self._reader.look_again()
        lost = self.tally.recount(journal, taken)
        if lost:
            self._quiet.warn("spool-lost", f"{lost} messages called here could not be read of it", is_error=True)

    def _meet(self, journal: Journal) -> None:
        """Note when a file that is opened is another one: what was handed to the one before went with it."""
        if journal.salt == self._salt:
            return
        self._salt = journal.salt
        read = set(self._reader.taken())
        called, self._called = self._called, journal.called
        self._aside.watch([m for m in read if m.record is not None and m.record.is_own])
        self._reader.begin()
        if self.tally.handed:
            lost = f"the spool {self.path} was taken away, with messages that waited in it"
            self._quiet.warn("spool-lost", lost)
            self.tally.end("dropped", self.tally.handed)
            for _, message in called.unsettled():
                if message not in read:
                    self._queue.end_elsewhere(message, Outcome("dropped", DeliveryError(lost)))

    def _take_lease(self) -> bool:
        if self._queue.has_left_behind() or not self._access.lease():
            return False
        self._reader.begin()
        self._house.begin()
        self._others.begin()
        return True

    def _write_aside(self, journal: Journal) -> None:
        if self._aside.is_sending() and not self._access.has_lease():
            return  # whoever has it would send what follows first
        try:
            self._aside.write(journal, self)
            if self._is_shut:
                journal.try_writing()
                self._is_shut = False
        except SpoolError as error:
            self._access.note(error)
        self._queue.tell_room()

    def _send_aside(self) -> None:
        """Queue what the file cannot take, where nothing in the file comes before it, while the queue has room."""
        if self._aside and self._may_send_aside():
            self._aside.send(self._queue, limit=max(0, self._queue.count_room()))
            self._queue.tell_room()

    def _may_send_aside(self) -> bool:
        journal = self._access.journal
        if journal is None:  # what is in a damaged file is about to be read, and comes first
            return not (self._access.is_damaged and self.tally.handed)
        return self._access.has_lease() and self._reader.has_read(journal.last_id)

    def _last_id(self) -> int:
        journal = self._access.journal
        return 0 if journal is None else journal.last_id
