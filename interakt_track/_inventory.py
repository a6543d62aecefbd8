"""What is in a spool's file: its messages, read in pages, and how much there is of what."""

from __future__ import annotations

import os
import time

from ._account import Account
from ._errors import SettingsError
from ._journal import fingerprint
from ._rows import PAYLOAD, Row, message_of
from ._schema import NEXT_ID
from ._spooled import FailedMessage, SpoolAccount, SpooledMessage, SpoolStatus, moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Literal, TypeAlias

    from ._database import Database
    from ._messages import Message
    from ._selection import Condition
    from ._settings import Settings

    Table: TypeAlias = Literal["waiting", "failed"]
    Counts: TypeAlias = dict[int, tuple[int, float, float]]

PAGE = 500  # rows read at a time
SHOWN = 12  # characters of a fingerprint: enough to tell accounts apart
MINUTE = 60.0  # seconds
CLOCK_SLACK = 1.0  # seconds that another process's clock may be ahead
PRIORITIES = ("high", "normal", "low")
NOBODY = Account("", "")  # a damaged row's

READ_WAITING = f"SELECT id, account, attempts, origin, strikes, is_started, {PAYLOAD} FROM waiting"
READ_FAILED = (
    f"SELECT id, account, attempts, origin, 0, 0, {PAYLOAD}, error, status_code, message, failed_at FROM failed"
)
# Driven by what waits, with a look into an index for each; the other way round, each failed one would cost a scan.
_LATER = (
    "SELECT failed.id FROM waiting CROSS JOIN failed ON failed.{0} = waiting.{0} AND failed.account = waiting.account "
    "WHERE waiting.kind = 'user' AND failed.kind = 'user' AND failed.called_at <= waiting.called_at"
)
SUPERSEDED = (
    f"SELECT id FROM failed WHERE is_superseded UNION ALL {_LATER.format('user_id')} "
    f"UNION ALL {_LATER.format('phone_number')} AND failed.country_code = waiting.country_code"
)
"""The ids of failed identifies after which a later one of that person was delivered, or waits."""


class Inventory:
    """Reads a spool's file; it writes nothing.

    Args:
        database: The file, open.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, tuple[str, Account]] = {}

    def status(self, own: str | None, *, is_held: bool) -> SpoolStatus:
        """Return how much is in the file, how old it is, and how fast it is sent.

        Args:
            own: The fingerprint of the account to tell apart.
            is_held: Whether somebody holds the lease.
        """
        now = time.time()
        waiting, failed = self._count("waiting", "called_at"), self._count("failed", "failed_at")
        starts = "SELECT count(*) FROM start WHERE wall > ? AND wall <= ?"
        accounts = self._accounts_of(own, waiting, failed).values()
        return SpoolStatus(
            path=self._database.path,
            size=sum(_size(self._database.path + ending) for ending in ("", "-wal")),
            waiting=sum(count for count, *_ in waiting.values()),
            failed=sum(count for count, *_ in failed.values()),
            oldest_waiting=_age(now, min((first for _, first, _ in waiting.values()), default=None)),
            oldest_failed=_age(now, min((first for _, first, _ in failed.values()), default=None)),
            newest_failed=_age(now, max((last for _, _, last in failed.values()), default=None)),
            is_held=is_held,
            requests_last_minute=self._database.value(starts, (now - MINUTE, now + CLOCK_SLACK)),
            last_id=self.last_id(),
            given_up=self._database.value("SELECT seq FROM sqlite_sequence WHERE name = 'failed'") or 0,
            accounts=tuple(sorted(accounts, key=lambda account: not account.is_own)),
        )

    def last_id(self) -> int:
        """Return the number of the message that was written last, whether or not it is there still."""
        last: int = self._database.value(f"SELECT {NEXT_ID} - 1")
        return last

    def waiting(self, condition: Condition, limit: int | None) -> Iterator[SpooledMessage]:
        """Give waiting messages in the order of their numbers."""
        for row in self._rows(READ_WAITING, condition, limit):
            yield SpooledMessage(**self._fields(row))

    def failed(self, condition: Condition, limit: int | None) -> Iterator[FailedMessage]:
        """Give failed messages in the order of their numbers."""
        superseded = {row_id for (row_id,) in self._database.fetch(SUPERSEDED)}
        for *row, error, status_code, text, failed_at in self._rows(READ_FAILED, condition, limit):
            yield FailedMessage(
                **self._fields(row),
                error=error,
                status_code=status_code,
                message=text,
                failed_at=moment(failed_at),
                is_superseded=row[0] in superseded,
            )

    def filled_accounts(self, own: str | None) -> dict[int, SpoolAccount]:
        """Return the accounts that have messages, by the number that the file knows each by; `own` as in `status`."""
        return self._accounts_of(own, self._count("waiting", "called_at"), self._count("failed", "failed_at"))

    def find_other(self, settings: Settings, start: str | None, *, may_change_host: bool) -> tuple[str, int | None]:
        """Find the one account whose messages may become those of the settings' key and host.

        Args:
            settings: Where they are to go.
            start: The beginning of its fingerprint; None or `""` where there is one only.
            may_change_host: Whether it may be another host's.

        Returns:
            The fingerprint of the settings' account, and the number of the other one; None where there is none.

        Raises:
            SettingsError: There is no key, or not exactly one such account.
        """
        if settings.write_key is None:
            raise SettingsError("write_key is missing; it has to be the one that the messages are to be sent with")
        path, own = self._database.path, self.fingerprint(settings.host, settings.write_key)
        others = {
            number: account
            for number, account in self.filled_accounts(own).items()
            if not account.is_own and account.fingerprint.startswith((start or "").lower()[:SHOWN])
        }
        movable = [number for number, account in others.items() if may_change_host or account.host == settings.host]
        if len(movable) > 1:
            shown = _listed(others[number] for number in movable)
            raise SettingsError(
                f"{path} holds messages of several accounts; from_fingerprint (--from) says which: {shown}"
            )
        if others and not movable:
            raise SettingsError(
                f"{path} holds messages that were called for another host, and {settings.host} gets them only with "
                f"may_change_host (--change-host): {_listed(others.values())}"
            )
        if start and not others:
            raise SettingsError(f"{path} holds no messages of an account {start}…; its status shows the accounts")
        return own, movable[0] if movable else None

    def fingerprint(self, host: str, write_key: str) -> str:
        """Return what stands for host and key in this file."""
        return fingerprint(self._database.value("SELECT value FROM setting WHERE name = 'salt'"), host, write_key)

    def _rows(self, read: str, condition: Condition, limit: int | None) -> Iterator[list[Any]]:
        text, values = condition
        last, left = 0, limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            rows = self._database.fetch(f"{read} WHERE id > ? AND {text} ORDER BY id LIMIT ?", (last, *values, size))
            yield from rows
            if len(rows) < size:
                return
            last, left = rows[-1][0], left if left is None else left - size

    def _accounts(self) -> dict[int, tuple[str, str]]:
        rows = self._database.fetch("SELECT number, fingerprint, host FROM account")
        return {number: (hashed, host) for number, hashed, host in rows}

    def _accounts_of(self, own: str | None, waiting: Counts, failed: Counts) -> dict[int, SpoolAccount]:
        return {
            number: SpoolAccount(
                fingerprint=hashed[:SHOWN],
                host=host,
                waiting=waiting.get(number, (0,))[0],
                failed=failed.get(number, (0,))[0],
                is_own=hashed == own,
            )
            for number, (hashed, host) in self._accounts().items()
            if number in waiting or number in failed
        }

    def _count(self, table: Table, column: str) -> Counts:
        """Return by account how many messages there are, and the first and the last time in a column."""
        statement = f"SELECT account, count(*), min({column}), max({column}) FROM {table} GROUP BY account"
        return {number: (count, first, last) for number, count, first, last in self._database.fetch(statement)}

    def _fields(self, values: list[Any]) -> dict[str, Any]:
        """Return what every record of a message has."""
        row_id, account, attempts, *rest = values
        row = Row._make((row_id, *rest))
        if account not in self._known:
            known = self._accounts()
            self._known = {number: (hashed[:SHOWN], Account(host, "")) for number, (hashed, host) in known.items()}
        hashed, of = self._known.get(account, ("", NOBODY))
        return {
            "id": row.id,
            "kind": row.kind,
            "event": row.event,
            "priority": PRIORITIES[row.priority] if row.priority in range(len(PRIORITIES)) else "normal",
            "called_at": moment(row.called_at),
            "attempts": attempts,
            "is_started": bool(row.is_started),
            "host": of.host,
            "account": hashed,
            "user_id": row.user_id,
            "country_code": row.country_code,
            "phone_number": row.phone_number,
            "source": _readable(row, of),
        }


def _readable(row: Row, account: Account) -> Message | None:
    try:
        return message_of(row, account)
    except (ValueError, TypeError):  # damaged
        return None


def _age(now: float, since: float | None) -> float | None:
    return None if since is None else max(0.0, now - since)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - a path is text here, as SQLite wants it
    except OSError:
        return 0


def _listed(accounts: Iterable[SpoolAccount]) -> str:
    return ", ".join(
        f"{account.fingerprint} ({account.host}: {account.waiting:,} waiting, {account.failed:,} failed)"
        for account in accounts
    )
