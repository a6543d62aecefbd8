"""Calls that wait for the commit: checked and copied at once, queued when what they tell of is in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

import interakt_track
from interakt_track import Client, Receipt, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from django.db.backends.base.base import BaseDatabaseWrapper

    from interakt_track._arguments import Priority
    from interakt_track._errors import InvalidMessageError
    from interakt_track._messages import Message


def identify(
    user_id: object = None,
    country_code: object = None,
    phone_number: object = None,
    traits: Mapping[str, Any] | None = None,
    *,
    tags: object = None,
    created_at: datetime | str | None = None,
    add_to_sales_cycle: bool | None = None,
    priority: Priority = "normal",
    using: str | None = None,
) -> None:
    """Say who a customer is, once the transaction is committed; `using` and the rest are as in `event`."""
    try:
        client = _client(using)
    except SettingsError as error:
        interakt_track._module_client.refuse(error)
        return
    client.identify(
        user_id,
        country_code,
        phone_number,
        traits,
        tags=tags,
        created_at=created_at,
        add_to_sales_cycle=add_to_sales_cycle,
        priority=priority,
    )


def event(
    user_id: object = None,
    event: str | None = None,
    traits: Mapping[str, Any] | None = None,
    country_code: object = None,
    phone_number: object = None,
    *,
    created_at: datetime | str | None = None,
    priority: Priority = "normal",
    using: str | None = None,
) -> None:
    """Say what a customer did, once the transaction is committed.

    The arguments are `track.event`'s. They are checked and copied by the call; where that fails, it raises as
    `track.event` does. What is rolled back, to a savepoint too, is not sent. Outside of a transaction, this is
    `track.event`.

    After the commit nothing raises: what a call would have raised then (`QueueFullError`, with `sync_mode` a
    `DeliveryError`) is logged by Django, and other callbacks go on.

    Args:
        using: The database whose transaction is meant, as in `transaction.on_commit`; None: the default one.

    Raises:
        TransactionManagementError: The database is in manual transaction management, which has no end Django sees.
    """
    try:
        client = _client(using)
    except SettingsError as error:
        interakt_track._module_client.refuse(error)
        return
    client.event(user_id, event, traits, country_code, phone_number, created_at=created_at, priority=priority)


def _client(using: str | None) -> Client:
    """Return the client behind the module's functions, as it is to be called now.

    Raises:
        SettingsError: A setting of the SDK has a wrong value.
    """
    client = interakt_track._module_client.get()
    connection = transaction.get_connection(using)
    return _ClientUntilCommit(client, connection) if _is_in_transaction(connection) else client


def _is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether something may still be rolled back; no connection is made to find out.

    Django's `get_autocommit` would make one: a call would fail where the database is away, and in asynchronous code.
    """
    return connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)


class _ClientUntilCommit(Client):
    """A client within a transaction: all that it does with a call but to accept it, which waits for the commit."""

    __slots__ = ("_client", "_connection")

    def __init__(self, client: Client, connection: BaseDatabaseWrapper) -> None:
        self._client = client
        self._connection = connection
        self.__dict__ = client.__dict__  # it is that client, with its settings, queue and numbers

    def _accept(self, message: Message, problems: list[InvalidMessageError] | None) -> Receipt:
        client, settings = self._client, self._settings
        if settings.strict and settings.enabled and not self._engine.recorded.is_on:
            client._account_needed()  # a missing key is told here and now

        def accept() -> None:  # Django wants its name, which a partial has not
            client._accept_with_care(message, problems or [])

        self._connection.on_commit(accept, robust=True)
        return Receipt(message)
