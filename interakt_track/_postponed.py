"""A client's calls in two steps: checked and copied at once, accepted later, when somebody says so."""

from __future__ import annotations

from ._client import Client
from ._receipt import Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._errors import InvalidMessageError
    from ._messages import Message


class PostponedCalls(Client):
    """A client as it is at this moment, whose calls are accepted when what `postpone` is given is called.

    A call raises at once what is wrong with it, and returns a receipt that stays false: nothing is accepted yet. What
    accepting may raise (`QueueFullError`, with `sync_mode` a `DeliveryError`), it raises where it is called.

    Args:
        client: Whose calls these are. Host and key are those of the call, what it does with an accepted message is
            what its settings say at that later moment.
        postpone: Called once for each call, with the function that accepts it.
    """

    def __init__(self, client: Client, postpone: Callable[[Callable[[], None]], None]) -> None:
        vars(self).update(vars(client))
        self._client = client
        self._postpone = postpone

    def _accept(self, message: Message, problems: list[InvalidMessageError] | None) -> Receipt:
        client, settings = self._client, self._settings
        is_needed = settings.enabled and not self._engine.recorded.is_on
        if is_needed and settings.strict and not message.has_account:
            message.account = client._account_needed()  # a missing key is told here and now

        def accept() -> None:
            client._accept_with_care(message, problems or [])

        self._postpone(accept)
        return Receipt(message)
