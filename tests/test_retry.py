"""The waits between attempts."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track._errors import DeliveryError, ExpiredError, ShutdownError, UnreachableError, api_error
from interakt_track._retry import MAX_DELAY, MAX_RETRY_AFTER, backoff, parse_retry_after, retry_delay

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120\t", 120.0),
        ("1.5", 1.5),
        ("2.", 2.0),
        (".5", 0.5),
        ("+7", 7.0),
    ],
)
def test_retry_after_in_seconds_is_waited_for(value: str, seconds: float) -> None:
    assert seconds == parse_retry_after(value, NOW)


@pytest.mark.parametrize(
    "value",
    [
        "Sun, 06 Nov 1994 08:50:07 GMT",
        "Sunday, 06-Nov-94 08:50:07 GMT",
        "Sun Nov  6 08:50:07 1994",
        "Sun, 06 Nov 1994 08:50:07 -0000",
        "Sun, 06 Nov 1994 14:20:07 +0530",
    ],
)
def test_retry_after_as_a_date_is_measured_against_the_clock(value: str) -> None:
    assert parse_retry_after(value, NOW) == 30.0


@pytest.mark.parametrize("value", ["-1", "-0.5", "Sun, 06 Nov 1994 08:49:36 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_negative_or_past_retry_after_counts_as_zero(value: str) -> None:
    assert parse_retry_after(value, NOW) == 0.0


@pytest.mark.parametrize("value", ["301", "86400", "9" * 5000, "Sun, 06 Nov 1994 10:49:37 GMT", formatdate(2e9)])
def test_a_long_retry_after_is_capped(value: str) -> None:
    assert parse_retry_after(value, NOW) == MAX_RETRY_AFTER


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "  ",
        "soon",
        "1e3",
        "1_000",
        "0x10",
        "nan",
        "inf",
        "٣",
        "5, 10",
        "1 minute",
        "Sun, 99 Foo 1994",
        "\x00",
    ],
)
def test_a_retry_after_of_nonsense_is_no_retry_after(value: str | None) -> None:
    assert parse_retry_after(value, NOW) is None


@given(st.text() | st.from_regex(r"\A(\w{3}, )?\d+[ -](\w{3}|\d+)[ -]\d+ [\d:]+ ?[+-]?\w*\Z"), st.floats(0, 4e9))
def test_no_retry_after_is_out_of_bounds_or_raises(value: str, now: float) -> None:
    seconds = parse_retry_after(value, now)

    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


def test_a_delay_doubles_up_to_half_a_minute() -> None:
    longest = [backoff(attempt, random=1.0) for attempt in range(1, 10)]

    assert longest == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_jitter_spreads_a_delay_from_nothing_to_its_longest(attempt: int, random: float) -> None:
    assert 0 <= backoff(attempt, random=random) <= MAX_DELAY
    assert backoff(attempt, random=0.0) == 0.0
    assert backoff(attempt, random=random) == pytest.approx(random * backoff(attempt, random=1.0))


@pytest.mark.parametrize("status_code", [408, 429, 500, 502, 503, 504, 520, 599])
def test_a_status_that_may_pass_is_tried_again(status_code: int) -> None:
    assert retry_delay(api_error(status_code, ""), 0, max_retries=3, random=1.0) == 0.5


@pytest.mark.parametrize("status_code", [101, 202, 301, 307, 400, 401, 403, 404, 405, 413, 422])
def test_any_other_answer_is_final(status_code: int) -> None:
    assert retry_delay(api_error(status_code, "", False), 0, max_retries=3, random=1.0) is None


@pytest.mark.parametrize("is_ambiguous", [False, True])
def test_a_network_error_is_tried_again(is_ambiguous: bool) -> None:
    error = UnreachableError("refused", is_ambiguous=is_ambiguous)

    assert retry_delay(error, 1, max_retries=3, random=1.0) == 1.0


@pytest.mark.parametrize("error", [DeliveryError("defect"), ExpiredError("late"), ShutdownError("left")])
def test_what_is_not_about_the_attempt_is_final(error: DeliveryError) -> None:
    assert retry_delay(error, 0, max_retries=3, random=1.0) is None


def test_retries_end_at_their_number() -> None:
    delays = [retry_delay(UnreachableError("refused"), retries, max_retries=2, random=1.0) for retries in range(4)]

    assert delays == [0.5, 1.0, None, None]
    assert retry_delay(UnreachableError("refused"), 0, max_retries=0, random=1.0) is None


def test_retry_after_is_the_least_that_is_waited() -> None:
    short, long = api_error(503, "", retry_after=0.0), api_error(503, "", retry_after=7.0)

    assert retry_delay(short, 0, max_retries=3, random=1.0) == 0.5
    assert retry_delay(long, 0, max_retries=3, random=1.0) == 7.0
