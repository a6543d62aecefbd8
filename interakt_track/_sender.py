"""A message to a request: sends through the generated client, and maps what goes wrong to our errors."""

from __future__ import annotations

from ._locks import IMPORT_LOCK
from ._receipt import Response
from ._requests import request_model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interakt_track_client import AuthenticatedClient

    from ._account import Account
    from ._attempt import Attempt
    from ._messages import Message

MAX_CLIENTS = 4  # accounts whose connections one thread keeps open; a host of many tenants has few at a time


class Sender:
    """Sends messages one at a time, over connections of its own; one per thread.

    A shared httpx client opened a connection for nearly every request under 32 threads; one per thread opens one each.
    """

    def __init__(self) -> None:
        self._clients: dict[Account, AuthenticatedClient] = {}

    def send(self, message: Message, *, timeout: float, with_call_time: bool) -> Response:
        """Make one request.

        Args:
            message: What to send; its account says where and with which key.
            timeout: Seconds the attempt may take, whatever the server does.
            with_call_time: Whether an event without a time of its own carries the time of its call.

        Raises:
            DeliveryError: The API did not take the message.
        """
        with IMPORT_LOCK:
            from interakt_track_client.api.track import create_event, create_user  # noqa: PLC0415 - on the first send
            from interakt_track_client.models import UserRequest  # noqa: PLC0415 - on the first send

            from ._http import build_client, delivering  # noqa: PLC0415 - on the first send

        account = message.account
        client = self._clients.get(account)
        if client is None:
            self._make_room()
            client = self._clients[account] = build_client(account.host, account.write_key, timeout=timeout)
        model = request_model(message, with_call_time=with_call_time)
        with delivering(timeout) as current:
            if isinstance(model, UserRequest):
                create_user.sync_detailed(client=client, body=model)
            else:
                create_event.sync_detailed(client=client, body=model)
        return response_of(current)

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.get_httpx_client().close()
        self._clients.clear()

    def _make_room(self) -> None:
        if len(self._clients) >= MAX_CLIENTS:
            oldest = next(iter(self._clients))
            self._clients.pop(oldest).get_httpx_client().close()


def response_of(current: Attempt) -> Response:
    """Return the answer of an attempt that was delivered."""
    return Response(current.status_code or 0, current.answer)
