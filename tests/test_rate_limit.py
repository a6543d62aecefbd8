"""When the next request may start: the ration, the pauses, and the pace that is learned; an injected clock."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track._rate_limit import MAX_PAUSE, WINDOW, Pacer


def send_for(pacer: Pacer, seconds: float, *, start: float = 0.0, latency: float = 0.05) -> list[float]:
    """Start requests as soon as they may, for so long, and return when they started."""
    now, starts, ends = start, [], deque[float]()
    while now < start + seconds:
        while ends and ends[0] <= now:
            pacer.accept(ends.popleft())
        delay = pacer.delay(now)
        if delay > 0:
            now += min(delay, 0.01) if ends and delay == float("inf") else delay
            continue
        pacer.start(now)
        starts.append(now)
        ends.append(now + latency)
    return starts


def busiest(starts: list[float], window: float = 60.0) -> int:
    most, first = 0, 0
    for last, start in enumerate(starts):
        while starts[first] <= start - window:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("limit", [1, 7, 300, 600])
def test_no_window_holds_more_than_the_ration_and_a_backlog_uses_it(limit: int) -> None:
    starts = send_for(Pacer(limit), 600)

    assert busiest(starts) <= limit
    assert len(starts) >= 0.95 * limit * 10


@given(
    limit=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=200),
)
def test_no_window_holds_more_than_the_ration_whatever_comes_when(limit: int, gaps: list[float]) -> None:
    pacer, now, starts = Pacer(limit), 0.0, []
    for gap in gaps:
        now += gap
        now += pacer.delay(now)
        if pacer.delay(now) > 0:  # a rounding of the sum above
            now += 1e-6 + pacer.delay(now)
        pacer.start(now)
        pacer.accept(now)
        starts.append(now)

    assert busiest(starts, WINDOW - 1e-3) <= limit


def test_a_limit_above_what_is_remembered_holds_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interakt_track._rate_limit.MAX_REMEMBERED", 10)

    starts = send_for(Pacer(50), 200)

    assert busiest(starts) <= 50


def send_slowly(pacer: Pacer, gaps: list[float], *, start: float) -> float:
    """Start requests after these gaps, as soon as they may; return when the last one started."""
    now = start
    for gap in gaps:
        now += gap
        while (delay := pacer.delay(now)) > 0:
            now += delay
        pacer.start(now)
        pacer.accept(now)
    return now


@given(
    phases=st.lists(
        st.tuples(st.floats(0, 70, allow_nan=False), st.lists(st.floats(0.05, 20, allow_nan=False), max_size=40)),
        max_size=4,
    )
)
def test_no_start_waits_a_second_in_a_backlog_whatever_was_sent_before(phases: list[tuple[float, list[float]]]) -> None:
    pacer, now = Pacer(300), 0.0
    for seconds, gaps in phases:
        starts = send_for(pacer, seconds, start=now)
        now = send_slowly(pacer, gaps, start=max([now, *starts]))

    starts = send_for(pacer, 125, start=now)

    assert max(later - earlier for earlier, later in pairwise(starts)) < 0.45  # and 0.5 s until a message is released


def test_one_lone_message_is_not_delayed() -> None:
    assert Pacer(300).delay(1000.0) == 0


def test_without_a_ration_nothing_is_delayed() -> None:
    pacer = Pacer()

    for _ in range(1000):
        assert pacer.delay(5.0) == 0
        pacer.start(5.0)


def test_a_429_waits_for_retry_after() -> None:
    pacer = Pacer()
    pacer.start(0.0)

    pacer.refuse(1.0, 0.0, 7.0, jitter=0.5)

    assert pacer.delay(1.0) == 7.0
    assert pacer.delay(8.0) == 0


def test_a_429_without_retry_after_pauses_longer_each_time_up_to_a_minute() -> None:
    pacer, now, pauses = Pacer(), 0.0, []

    for _ in range(10):
        pacer.start(now)
        pacer.refuse(now, now, None, jitter=1.0)
        pauses.append(pacer.delay(now))
        now += pauses[-1]

    assert pauses[:4] == [2.0, 4.0, 8.0, 16.0]
    assert pauses[-1] == MAX_PAUSE


def test_of_several_429s_in_one_burst_the_first_says_all() -> None:
    pacer = Pacer()
    for _ in range(8):
        pacer.start(0.0)

    began = [pacer.refuse(0.1, 0.0, None, jitter=1.0) for _ in range(8)]

    assert began == [True] + [False] * 7
    assert pacer.delay(0.1) == pytest.approx(2.0)


def test_after_a_pause_one_request_goes_and_one_more_for_each_success() -> None:
    pacer = Pacer()
    pacer.start(0.0)
    pacer.refuse(0.0, 0.0, 1.0, jitter=0.0)

    pacer.start(1.0)
    assert pacer.delay(1.0) == float("inf")
    pacer.accept(1.1)
    pacer.start(1.1)
    assert pacer.delay(1.1) == 0
    pacer.start(1.1)

    assert pacer.delay(1.1) == float("inf")


def test_an_attempt_that_got_no_answer_gives_its_place_back() -> None:
    pacer = Pacer()
    pacer.start(0.0)
    pacer.refuse(0.0, 0.0, 1.0, jitter=0.0)
    pacer.start(1.0)

    pacer.abandon()

    assert pacer.delay(1.0) == 0


@pytest.mark.parametrize("is_sliding", [True, False])
def test_the_pace_is_learned_from_what_a_minute_accepted(is_sliding: bool) -> None:
    """A server of 300 a minute refuses at most one request a minute once a minute has been seen."""
    pacer, now, accepted, refusals = Pacer(), 0.0, deque[float](), []

    while now < 1200:
        delay = pacer.delay(now)
        if delay > 0:
            now += delay
            continue
        pacer.start(now)
        oldest = now - 60.0 if is_sliding else now - now % 60.0 - 1e-9
        while accepted and accepted[0] <= oldest:
            accepted.popleft()
        if len(accepted) < 300:
            accepted.append(now)
            pacer.accept(now + 0.001)
        else:
            refusals.append(now)
            pacer.refuse(now + 0.001, now, None, jitter=0.5)
        now += 0.002

    late = [time for time in refusals if time > 180]
    assert len(late) <= (1200 - 180) / 60
