"""Calls that wait for the commit: checked and copied at once, queued when what they tell of is in the database."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction

import interakt_track
from interakt_track import SettingsError
from interakt_track._postponed import PostponedCalls

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from django.db.backends.base.base import BaseDatabaseWrapper

    from interakt_track import Client
    from interakt_track._arguments import Priority


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
    `track.event` does. What is rolled back, with an inner `atomic` too, is not sent; of `savepoint_rollback` Django
    tells nobody. Outside of a transaction, this is `track.event`.

    After the commit nothing raises: what a call would have raised then (`QueueFullError`, with `sync_mode` a
    `DeliveryError`) is logged by Django, and other callbacks go on. An earlier callback of the application's that
    raises, and was not made `robust`, ends those behind it, these too: that is Django's rule.

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
    if not _is_in_transaction(connection):
        return client
    return PostponedCalls(client, partial(connection.on_commit, robust=True))


def _is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether something may still be rolled back; no connection is made to find out.

    Django's `get_autocommit` would make one: a call would fail where the database is away, and in asynchronous code.
    """
    return connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)
