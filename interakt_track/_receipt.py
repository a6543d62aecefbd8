"""What a call gives back: a live view of what becomes of its message."""

from __future__ import annotations

from ._errors import SettingsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Literal

    from ._account import Account
    from ._errors import QueueMessage, TrackError
    from ._ledger import Epoch
    from ._messages import Message
    from ._queue import Queue

    Status = Literal["queued", "delivered", "rejected", "dropped", "disabled", "invalid"]


class Response:
    """The API's answer to a delivered message.

    Attributes:
        status_code: HTTP status, a 2xx.
        body: The JSON value of the body, `{"result": true, "message": …}` as a rule; None when it held none.
    """

    __slots__ = ("body", "status_code")

    def __init__(self, status_code: int, body: Any) -> None:
        self.status_code = status_code
        self.body = body

    def __repr__(self) -> str:
        return f"<Response {self.status_code}>"

    def json(self) -> Any:
        """Return `body`, as the response of 1.0.x did."""
        return self.body


class Outcome:
    """What became of a message.

    Attributes:
        is_final: Whether that has been reported too; until then `flush` and `wait` go on waiting.
        epoch: What of the ledger counts it until it is final.
    """

    __slots__ = ("epoch", "error", "is_final", "response", "status")

    def __init__(
        self,
        status: Status,
        error: TrackError | None = None,
        response: Response | None = None,
        *,
        is_final: bool = True,
    ) -> None:
        self.status: Status = status
        self.error = error
        self.response = response
        self.is_final = is_final
        self.epoch: Epoch | None = None


class Receipt:
    """What a call gives back: true when the message was accepted, and a live view of what becomes of it.

    Unpacks as `(ok, message)`, what calls of 1.0.x returned.

    Example:
        >>> receipt = track.event(user_id="u1", event="Order Placed")
        >>> receipt.status
        'queued'
    """

    __slots__ = ("_message", "_queue", "_refusal")

    def __init__(self, message: Message | None, queue: Queue | None = None, refusal: Outcome | None = None) -> None:
        self._message = message
        self._queue = queue
        self._refusal = refusal

    def __bool__(self) -> bool:
        return self._refusal is None

    def __iter__(self) -> Iterator[Any]:
        return iter((bool(self), self.message))

    def __repr__(self) -> str:
        return f"<Receipt {self.status}>"

    @property
    def status(self) -> Status:
        """Where the message is: `"queued"` until its one final state.

        `"delivered"`: the API took it. `"rejected"`: the API refused it. `"dropped"`: it was given up, or there was no
        room. `"disabled"`: `enabled` is False. `"invalid"`: it cannot be sent.
        """
        outcome = self._outcome()
        if outcome is None:
            return "queued"
        return outcome.status

    @property
    def message(self) -> QueueMessage:
        """`{"path": …, "body": …}` as it is sent; both empty when the arguments made no message."""
        if self._message is None:
            return {"path": "", "body": {}}
        from ._requests import wire  # noqa: PLC0415 - brings httpx and attrs, wanted only when asked for

        return wire(self._message)

    @property
    def response(self) -> Response | None:
        """The API's answer, once the message is delivered."""
        outcome = self._outcome()
        return None if outcome is None else outcome.response

    @property
    def error(self) -> TrackError | None:
        """Why the message was not accepted or not delivered."""
        outcome = self._outcome()
        return None if outcome is None else outcome.error

    def wait(self, timeout: float | None = None) -> Receipt:
        """Block until the message is delivered, or reported as lost.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes.

        Returns:
            This receipt; its `status` is `"queued"` when the time was up first, or when called in a thread of the SDK.
        """
        if self._queue is not None and self._message is not None and self._refusal is None:
            self._queue.wait_for(self._message, timeout)
        return self

    def _outcome(self) -> Outcome | None:
        if self._refusal is not None:
            return self._refusal
        return None if self._message is None else self._message.outcome


def checked_message(receipt: Receipt) -> Message:
    """Return the message of a call that queued nothing, for who queues it in another way.

    Raises:
        SettingsError: The call made no message, or its client had no write key.
    """
    message = receipt._message
    account: Account | None = None if message is None else message.account
    if message is None or account is None or receipt.status != "disabled":
        raise SettingsError("only what a client with enabled=False and a write_key has checked can be appended")
    return message
