"""Every error this library raises or reports.

TrackError
├── SettingsError (ValueError)          a setting has a wrong value, or the write key is missing
├── InvalidMessageError (ValueError)    the arguments of a call cannot be sent
├── QueueFullError                      the queue held `max_queue_size` messages at the call
├── SpoolError                          the spool file cannot be used
├── UnusableClientError (RuntimeError)  an `AsyncClient` is closed, or belongs to another event loop
└── DeliveryError                       an accepted message was not delivered
    ├── UnreachableError                no answer: refused, DNS, TLS, timeout, reset
    ├── ExpiredError                    its time was up before it could be sent
    ├── ShutdownError                   the process left before it could be sent
    ├── CallCancelledError              the call was cancelled before the API answered
    └── APIError                        the API answered, and the answer was no
        ├── AuthenticationError         401, 403
        ├── RateLimitError              429
        ├── RejectedError               any other 4xx, a redirect, or a 2xx saying `"result": false`
        └── ServerError                 5xx
"""

from __future__ import annotations

from ._patterns import Pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias, TypedDict

    SpoolReason: TypeAlias = Literal[
        "missing", "full", "locked", "corrupt", "foreign", "newer", "forked", "closed", "unusable"
    ]

    class QueueMessage(TypedDict):
        """What would have been sent: the API's path, and the JSON body."""

        path: str
        body: dict[str, Any]


_EMAIL = Pattern(r"[^\s@\"'<>]+@[^\s@\"'<>]+")
_LONG_NUMBER = Pattern(r"\+?\d(?:[\s().-]?\d){6,}")


def mask_personal_data(text: str) -> str:
    """Replace emails and numbers of seven digits or more, the length a phone number starts at, by `***`."""
    return _LONG_NUMBER.compiled().sub("***", _EMAIL.compiled().sub("***", text))


class TrackError(Exception):
    """The root of all errors of this library."""


class SettingsError(TrackError, ValueError):
    """A setting has a wrong value, or one that is needed is missing; the text names it and says what it must be."""


class InvalidMessageError(TrackError, ValueError):
    """The arguments of a call cannot be sent; the text names the argument, never its personal value."""


class QueueFullError(TrackError):
    """The queue held `max_queue_size` messages when the call came; the receipt has it as its `error`."""


class SpoolError(TrackError):
    """The spool file cannot be used as it should; the text says why. No `identify` or `event` raises it.

    Attributes:
        reason: `"missing"`; `"full"`, its disk or up to `spool_max_bytes`; `"locked"` by another program; `"corrupt"`;
            `"foreign"`, another program's database; `"newer"`, made by a newer version; `"forked"`, open when the
            process was forked without Python's hooks; `"closed"`; or `"unusable"`: no folder, no permission, no disk.
    """

    def __init__(self, text: str, *, reason: SpoolReason = "unusable") -> None:
        super().__init__(text)
        self.reason: SpoolReason = reason


class UnusableClientError(TrackError, RuntimeError):
    """An `AsyncClient` cannot be used here: it is closed, belongs to another event loop, or nothing runs one."""


class DeliveryError(TrackError):
    """An accepted message was not delivered.

    Attributes:
        queue_msg: `{"path": …, "body": …}` as it would have been sent; None until the message is known.
        attempts: How many requests were made for it.
        is_ambiguous: Whether the API may have received the message all the same, in any of the attempts: no answer came
            in time, the connection broke after sending, or the answer was a 5xx other than 503. Surely not received is
            what was refused, a name not found, a 429 and a 503.
    """

    queue_msg: QueueMessage | None = None
    attempts: int = 0
    is_ambiguous: bool = False


class UnreachableError(DeliveryError):
    """No answer arrived: connection refused, DNS, TLS, timeout or reset."""

    def __init__(self, text: str, *, is_ambiguous: bool = False) -> None:
        super().__init__(text)
        self.is_ambiguous = is_ambiguous


class ExpiredError(DeliveryError):
    """The message's time was up before it could be sent."""


class ShutdownError(DeliveryError):
    """The process left before the message could be sent, or before the answer came."""

    def __init__(self, text: str, *, is_ambiguous: bool = False) -> None:
        super().__init__(text)
        self.is_ambiguous = is_ambiguous


class CallCancelledError(DeliveryError):
    """A call of an `AsyncClient` was cancelled, by a timeout as a rule; the `CancelledError`'s `__cause__`.

    Attributes:
        was_sent: Whether its message was sent. True: the API has taken it. False: the API surely has not. None: it may
            have, since the call was cancelled when the request was on its way.

    Example:
        >>> try:
        ...     async with asyncio.timeout(2):
        ...         await client.event(user_id="u1", event="Order Placed")
        ... except TimeoutError as error:
        ...     cancelled = track.CallCancelledError.of(error)
    """

    def __init__(self, was_sent: bool | None) -> None:
        super().__init__(was_sent)  # args are what repr and pickle show
        self.was_sent = was_sent
        self.is_ambiguous = was_sent is None

    def __str__(self) -> str:
        return f"the call was cancelled {_CANCELLED[self.was_sent]}"

    @classmethod
    def of(cls, error: BaseException | None) -> CallCancelledError | None:
        """Return what the cancelled call says that a `CancelledError` or `TimeoutError` came of; None: no such call."""
        if isinstance(error, TimeoutError) and error.__cause__ is None and not isinstance(error.__context__, Exception):
            error = error.__context__  # anyio's; of another error, the context may be an earlier call's
        for _ in range(10):  # chains have 2 links
            if error is None or isinstance(error, cls):
                return error
            error = error.__cause__
        return None


_CANCELLED = {
    True: "when the API had taken its message",
    False: "before its message was sent",
    None: "before the API answered; its message may have arrived",
}


class APIError(DeliveryError):
    """The API answered, and the answer was no.

    Attributes:
        status_code: HTTP status of the answer.
        message: What the API said: the envelope's `message`, else the first part of the body's text. May hold
            personal data the API repeats; `str(error)` masks it.
        status: The envelope's `result`, or None when the body was no envelope.
        retry_after: Seconds the API asked to wait (`Retry-After`, capped at 300), or None.
    """

    def __init__(
        self, status_code: int, message: str, status: object = None, *, retry_after: float | None = None
    ) -> None:
        super().__init__(status_code, mask_personal_data(message), status)  # args are what repr shows
        self.status_code = status_code
        self.message = message
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"the API answered {self.status_code}: {mask_personal_data(self.message) or 'no message'}"

    @property
    def is_from_api(self) -> bool:
        """Whether the answer was the API's own JSON envelope, not a gateway's page."""
        return self.status is not None


class AuthenticationError(APIError):
    """401 or 403: the write key is wrong, or the plan has no API access."""


class RateLimitError(APIError):
    """429: the account's requests per minute are used up."""


class RejectedError(APIError):
    """The API refused the message for good: a 4xx, a redirect, or a 2xx whose body says `"result": false`."""


class ServerError(APIError):
    """5xx: the API failed; sending again later may work."""

    def __init__(
        self, status_code: int, message: str, status: object = None, *, retry_after: float | None = None
    ) -> None:
        super().__init__(status_code, message, status, retry_after=retry_after)
        self.is_ambiguous = status_code != 503  # which alone says that it has not received the message


def api_error(status_code: int, message: str, status: object = None, *, retry_after: float | None = None) -> APIError:
    """Return the member of the tree that an answer's status code stands for."""
    kind: type[APIError] = RejectedError
    if status_code in (401, 403):
        kind = AuthenticationError
    elif status_code == 429:
        kind = RateLimitError
    elif status_code >= 500:
        kind = ServerError
    return kind(status_code, message, status, retry_after=retry_after)
