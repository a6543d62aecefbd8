"""One import from its first look at the state to the file of rejected rows; who may begin, go on, and end it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import attrs

from interakt_track import SpoolError, SpoolFile
from interakt_track._lease import FileLock

from ._check import check
from ._places import ELSEWHERE
from ._rejected import rejected_place, rejected_rows, write_rejected
from ._state import State, check_position, check_resumable, digest_of_file, digest_of_plan, load_state
from ._table import ImportFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from interakt_track import FailedMessage

    from ._calls import Calls
    from ._check import Findings
    from ._columns import Plan
    from ._places import Places
    from ._rejected import Rejected
    from ._table import Record, Table


@attrs.frozen(kw_only=True)
class Job:
    """What is imported, and how.

    Attributes:
        places: Where its files are.
        table: The file's.
        plan: What each column is.
        calls: What makes the calls; with the write key of the account.
        encoding: As the option says.
        sheet: As the option says.
    """

    places: Places
    table: Table
    plan: Plan
    calls: Calls
    encoding: str | None = None
    sheet: str | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from importing the same file meanwhile.

        Raises:
            ImportFileError: Another process is at it.
        """
        lock = FileLock(str(self.places.lock))
        try:
            is_free = lock.take()
        except OSError as error:
            raise ImportFileError(f"{self.places.lock} cannot be made: {error.strerror}; {ELSEWHERE}") from error
        if not is_free:
            raise ImportFileError(f"another process is importing {self.places.file} right now")
        try:
            yield
        finally:
            lock.let_go()

    def known_state(self) -> State | None:
        """Return the state of an import that was begun; None where there is none.

        Raises:
            ImportFileError: It is finished already, or it is not known how far it is.
        """
        state = load_state(self.places.state)
        if state is not None and state.is_finished and not state.handed:
            return None  # no row could be sent: there is nothing that could be sent twice
        if state is None and self.places.spool.exists():
            raise ImportFileError(
                f"{self.places.spool} is left of an import, and {self.places.state.name}, which says how far it was, "
                "is gone; --restart begins anew, and sends all of the file"
            )
        if state is not None and state.is_finished:
            self.places.remove_spool()  # should the process have ended just before it did
            raise ImportFileError(self._finished(state))
        return state

    def _finished(self, state: State) -> str:
        """Return what to say of an import that is finished, and is asked for again."""
        done = f"{state.delivered:,} delivered, {state.refused:,} refused"
        if state.content != digest_of_file(self.places.file):
            return (
                f"this file was imported ({done}) and edited since; import what was mended only, from "
                f"{self.places.rejected}, or --again sends all of the file"
            )
        if state.options != self._options:
            return f"this file was imported with other options ({done}); --again sends all of it with these"
        return f"this import is finished: {done}; --again sends all of the file once more"

    @property
    def _options(self) -> str:
        return digest_of_plan(self.plan, encoding=self.encoding, sheet=self.sheet)

    def forget(self) -> str:
        """Forget an import that was begun or finished; return the digest of the rejected rows that it has written.

        Raises:
            ImportFileError: A process sends from its spool.
        """
        if self.places.spool.exists():
            with suppress(SpoolError), SpoolFile(self.places.spool) as spool:
                if spool.status().is_held:
                    raise ImportFileError(f"another process sends from {self.places.spool}; end it first")
        try:
            state = load_state(self.places.state)
        except ImportFileError:  # damaged; this is how to get rid of it
            state = None
        self.places.state.unlink(missing_ok=True)
        self.places.remove_spool()
        return "" if state is None else state.rejected

    def examine(
        self, known: State | None, *, on_rows: Callable[[int], None] = lambda rows: None
    ) -> tuple[State, Findings]:
        """Check all rows, and return the state to go on with.

        Args:
            known: The state of the import that was begun.
            on_rows: As in `check`.

        Raises:
            ImportFileError: What was begun is another import.
        """
        in_doubt = self._started() if known is not None else ()
        found = check(self.table, self.calls, sought=frozenset(in_doubt), on_rows=on_rows)
        now = State(
            content=digest_of_file(self.places.file),
            options=self._options,
            fine=found.fine,
            fine_rows=found.digest,
        )
        if known is None:
            return now, found
        check_resumable(known, now)
        return known, found

    def place(self, state: State, *, write_key: str, host: str) -> int:
        """Find out how many rows the spool was handed, and see that they are for this account; return how many wait.

        What waits under another key is given this one only if nothing was sent: the other one was wrong, then.

        Raises:
            ImportFileError: The spool is not this import's, it was begun for another host, or a part of it was sent
                under another key.
        """
        if not self.places.spool.exists():
            check_position(state, 0)
            state.handed = state.handing = 0
            return 0
        with SpoolFile(self.places.spool) as spool:
            found = spool.status(write_key=write_key, host=host)
            check_position(state, found.last_id)
            state.handed = state.handing = found.last_id
            others = [account for account in found.accounts if not account.is_own]
            elsewhere = next((account.host for account in others if account.host != host), None)
            if elsewhere is not None:
                raise ImportFileError(
                    f"this import was begun for {elsewhere}: --host {elsewhere} goes on with it; "
                    f"or --restart sends all of the file to {host}"
                )
            if others and found.waiting < found.last_id:
                raise ImportFileError(
                    "a part of this import was sent under another key; use that one, or --restart to send all of it "
                    "under this one. If the same account has a new key: interakt-track spool adopt --spool "
                    f"{self.places.spool}"
                )
            if others:
                spool.adopt(write_key, host)
            return found.waiting

    @contextmanager
    def occupied(self) -> Iterator[None]:
        """Count as one that has the spool open: a client that leaves it then ends what is in flight, no more."""
        presence = FileLock(f"{self.places.spool}-open")
        presence.take(is_shared=True)
        try:
            yield
        finally:
            presence.let_go()

    def write_rejected(self, state: State, spool: SpoolFile | None = None) -> Rejected | None:
        """Write the rows that were wrong, and those that the API has refused; None where there are none to write.

        The file that this import has written before is written anew, with all of them. Where somebody has edited or
        moved it, wrong rows that it had are in their hands, and are not written twice.

        Args:
            state: Of the import; saved.
            spool: That has the refused ones; None before anything is sent.

        Raises:
            OSError: A file cannot be written.
        """
        target, is_ours = rejected_place(self.places.rejected, state.rejected)
        has_wrong = is_ours or not state.wrong_told

        def rows() -> Iterator[tuple[Record, str]]:
            refused = () if spool is None else ((message.id, said_by_api(message)) for message in spool.failed())
            return rejected_rows(self.table, self.calls, refused, has_wrong=has_wrong)

        rejected = write_rejected(target, self.places.draft, self.table, rows)
        state.wrong_told = True
        if rejected is not None:
            state.rejected = rejected.digest
        state.save(self.places.state)
        return rejected

    def finish(self, state: State, spool: SpoolFile | None) -> Rejected | None:
        """Write the rejected rows, where there are new ones, and note that the import is finished.

        Raises:
            OSError: A file cannot be written.
        """
        state.refused = 0 if spool is None else spool.status().failed
        state.delivered = state.handed - state.refused
        rejected = self.write_rejected(state, spool) if state.refused else None
        state.is_finished = True
        state.save(self.places.state)
        return rejected

    def _started(self) -> tuple[int, ...]:
        """Return the numbers of messages whose request was under way when the process before ended."""
        if not self.places.spool.exists():
            return ()
        with SpoolFile(self.places.spool) as spool:
            return tuple(message.id for message in spool.waiting() if message.is_started)


def said_by_api(message: FailedMessage) -> str:
    """Return why a message was refused, in one line."""
    text = " ".join(message.message.split())
    return f"the API answered {message.status_code}: {text}" if message.status_code is not None else text
