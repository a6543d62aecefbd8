"""What a failed attempt means, for its account and for its message; threads and tasks decide alike."""

from __future__ import annotations

from ._errors import APIError, AuthenticationError, DeliveryError, RateLimitError, RejectedError
from ._locks import IMPORT_LOCK
from ._messages import USER
from ._retry import retry_delay
from ._values import random

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from ._logs import Quiet
    from ._messages import Message
    from ._order import Unit
    from ._receipt import Status
    from ._settings import Settings

    Error = TypeVar("Error", bound=DeliveryError)


def is_key_refused(error: DeliveryError) -> bool:
    """Tell whether the API itself refused the account's key, and so all that is sent with it."""
    return isinstance(error, AuthenticationError) and error.is_from_api


def tell_account(unit: Unit, error: DeliveryError, now: float, quiet: Quiet, *, keeps: bool) -> None:
    """Give back the place of a failed attempt in its account, which pauses after a 429, and is barred by a 401.

    Args:
        unit: What was tried.
        error: What the attempt failed with.
        now: The time of its end, by the clock that its start was noted by.
        quiet: What the log is told through.
        keeps: Whether messages wait until the key is good again; else they are rejected.
    """
    account = unit.lane.account
    if isinstance(error, RateLimitError):
        if account.refuse(now, unit.started, error.retry_after, random()):
            quiet.warn("rate-limit", "the API refuses more requests for now (429); sending pauses")
    elif isinstance(error, AuthenticationError) and error.is_from_api:
        if account.bar(now, error):
            others = "wait in the spool" if keeps else "are rejected"
            quiet.warn("key", f"{error}; one message a minute tries it again, all others {others}", is_error=True)
    else:
        is_key_good = isinstance(error, RejectedError) and error.is_from_api
        account.settle(now, is_accepted=isinstance(error, APIError), is_key_good=is_key_good)


def delay_of_retry(unit: Unit, error: DeliveryError, settings: Settings) -> float | None:
    """Return the seconds until a failed unit that is in no file is tried again, or None when it is given up."""
    if error.is_ambiguous and not may_repeat(unit.current, settings):
        return None
    retries = unit.attempts - 1 - unit.free_attempts
    return retry_delay(error, retries, max_retries=settings.max_retries, random=random())


def may_repeat(message: Message, settings: Settings) -> bool:
    """Tell whether a message may be sent that the API may have: an identify says the same again."""
    return message.kind == USER or settings.on_ambiguous == "retry"


def status_of_loss(error: DeliveryError) -> Status:
    """Return the final status of a message that is given up: whether the API refused it, or nobody took it."""
    return "rejected" if isinstance(error, (RejectedError, AuthenticationError)) else "dropped"


def error_of_its_own(error: Error) -> Error:
    """Return an error of its own for one of several messages that share a failure."""
    with IMPORT_LOCK:
        from copy import copy  # noqa: PLC0415 - wanted where something is lost only

    own = copy(error)
    own.__cause__ = error.__cause__
    return own
