"""Whether an attempt is made again, and after how long: the server's wish, or a growing delay of our own."""

from __future__ import annotations

from ._errors import APIError, DeliveryError, RateLimitError, RejectedError, ServerError, UnreachableError
from ._locks import IMPORT_LOCK
from ._patterns import Pattern

MAX_RETRY_AFTER = 300.0  # beyond this a restart or the spool is the better answer; a typo must not stop us for a year
FIRST_DELAY = 0.5  # upper end of the first wait: long enough for a load balancer to change its mind
MAX_DELAY = 30.0  # upper end of any wait: an API that is back is noticed within half a minute

MAX_STRIKES = 20  # with the delays between them some minutes of a service that works for everybody else

_REQUEST_TIMEOUT = 408  # the one other 4xx that says "again" (RFC 9110 §15.5.9)
_SECONDS = Pattern(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_DOUBLINGS = 6  # 0.5 s doubled six times is past MAX_DELAY; more would only overflow for an old message


def retry_delay(error: DeliveryError, retries: int, *, max_retries: int, random: float) -> float | None:
    """Return the seconds to wait before a failed message is sent again, or None when it is given up.

    Tried again are network errors, 408, 429 and 5xx; any other answer would be the same the next time.

    Args:
        error: What the last attempt failed with; its `retry_after` is the least that is waited.
        retries: How many of the allowed retries the message has had.
        max_retries: How many it may have.
        random: As for `backoff`.
    """
    if retries >= max_retries or not _may_pass(error):
        return None
    delay = backoff(retries + 1, random=random)
    wished = error.retry_after if isinstance(error, APIError) else None
    return delay if wished is None else max(delay, wished)


def kept_delay(
    error: DeliveryError, failures: int, *, strikes: int, age: float, max_age: float, random: float
) -> float | None:
    """Return the seconds to wait before a message in a spool is sent again, or None when it is given up.

    An outage lasts as long as it lasts, so no number of failures ends a message. What ends it is an answer of the API
    itself that would be the same the next time, its age, and failing again and again while other people's do not.

    Args:
        error: As for `retry_delay`.
        failures: How often it has failed, as far as this process knows.
        strikes: How often it has failed while other people's messages did not.
        age: Seconds since its call.
        max_age: The age from which on a failure is its last.
        random: As for `backoff`.
    """
    if age >= max_age or strikes >= MAX_STRIKES or is_final(error):
        return None
    delay = backoff(failures, random=random)
    wished = error.retry_after if isinstance(error, APIError) else None
    return delay if wished is None else max(delay, wished)


def is_final(error: DeliveryError) -> bool:
    """Tell whether an answer is the API's own, and would be the same the next time.

    A page of HTML is a proxy's or a gateway's, and may be the answer to everything for an hour.
    """
    return isinstance(error, RejectedError) and error.is_from_api and not _may_pass(error)


def _may_pass(error: DeliveryError) -> bool:
    if isinstance(error, APIError) and error.status_code == _REQUEST_TIMEOUT:
        return True
    return isinstance(error, (UnreachableError, RateLimitError, ServerError))


def backoff(attempt: int, *, random: float) -> float:
    """Return the seconds to wait before the next attempt: exponential with full jitter.

    Args:
        attempt: How many attempts have failed; 1 after the first.
        random: From 0 up to 1, evenly spread, so that clients that failed together do not come back together.
    """
    return random * min(MAX_DELAY, FIRST_DELAY * 2.0 ** min(attempt - 1, _DOUBLINGS))


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds a `Retry-After` header asks to wait (RFC 9110 §10.2.3), or None when it says nothing usable.

    Args:
        value: The header: seconds, also decimal ones, or an HTTP-date in any of its three formats.
        now: The wall clock, as `time.time()`, that a date is measured against.

    Returns:
        From 0 (negative, or a date in the past) to `MAX_RETRY_AFTER`.
    """
    text = (value or "").strip()
    if not text:
        return None
    if _SECONDS.compiled().fullmatch(text):
        return _within_bounds(float(text))
    with IMPORT_LOCK:
        from datetime import UTC  # noqa: PLC0415 - with the next one 15 ms, and few answers carry a date
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - see above

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # the parser's ways to say it is no date
        return None
    if date.tzinfo is None:  # "-0000", or the asctime format, which is always UTC (RFC 9110 §5.6.7)
        date = date.replace(tzinfo=UTC)
    return _within_bounds(date.timestamp() - now)


def _within_bounds(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
