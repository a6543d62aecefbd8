"""Clients that share one spool, made by tests of what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interakt_track import Client
from interakt_track._settings import Settings
from interakt_track.sandbox import Sandbox

NewClient = Callable[..., Client]


@contextmanager
def clients_of_spool(sandbox: Sandbox, path: Path) -> Iterator[NewClient]:
    """Give what makes clients with the same spool; in the end each leaves without sending what waits."""
    clients: list[Client] = []

    def make(**settings: Any) -> Client:
        defaults = {"write_key": "test-key", "host": sandbox.url, "spool": path, "flush_interval": 0.01}
        client = Client(**{**defaults, **settings})
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.shutdown(0)


def change_settings(client: Client, **changes: Any) -> None:
    """Change some settings of a client, as the module's settings do."""
    settings = {name: getattr(client.settings, name) for name in type(client.settings).__slots__}
    client.configure(Settings(**{**settings, **changes}))
