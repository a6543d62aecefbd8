"""Those who wait until something is settled: when they are woken, and when they stop."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from time import monotonic, sleep

from interakt_track._waiters import Bell, Waiters

LONG = 20.0  # seconds, real ones: a test that takes so long has failed


def test_one_who_waits_is_woken_when_it_is_over_and_not_at_each_change() -> None:
    lock = threading.RLock()
    waiters = Waiters(lock, monotonic)
    left = [50]
    looks: SimpleQueue[int] = SimpleQueue()

    def is_over() -> bool:
        looks.put(threading.get_ident())
        return left[0] == 0

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiters.wait_until, is_over, deadline=monotonic() + LONG)
        waiter = looks.get(timeout=LONG)
        while left[0]:
            with lock:
                left[0] -= 1
                waiters.tell()
            sleep(0.001)  # whoever was woken looks now
        has_ended = waiting.result(LONG)

    assert has_ended
    assert [looks.get() for _ in range(looks.qsize())].count(waiter) == 1


def test_patience_counts_from_the_last_change() -> None:
    lock = threading.RLock()
    now = [0.0]
    looks: SimpleQueue[float] = SimpleQueue()

    def clock() -> float:
        looks.put(now[0])
        return now[0]

    def see(moment: float) -> None:
        """Let it be so late, and wait until it was looked at the clock."""
        now[0] = moment
        while looks.get(timeout=LONG) != moment:
            pass

    waiters = Waiters(lock, clock)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiters.wait_until, lambda: False, deadline=float("inf"), patience=0.25)
        try:
            see(0.125)
            with lock:
                waiters.tell()
            see(0.3125)
            see(0.34375)  # it has looked before, and waits on
            was_waiting = not waiting.done()
        finally:
            now[0] = 0.5
        has_ended = waiting.result(LONG)

    assert was_waiting
    assert not has_ended


def test_who_has_waited_is_forgotten() -> None:
    waiters = Waiters(threading.RLock(), monotonic)

    assert not waiters.wait_until(lambda: False, deadline=monotonic() + 0.01)

    assert waiters._waiting == []


def test_one_who_looks_at_a_file_does_so_without_the_lock_and_after_each_change() -> None:
    lock = threading.RLock()
    waiters = Waiters(lock, monotonic)
    left = [3]
    looks: SimpleQueue[bool] = SimpleQueue()

    def is_over() -> bool:
        with ThreadPoolExecutor(1) as other:
            is_free = other.submit(lock.acquire, timeout=LONG).result(LONG)
            other.submit(lock.release).result(LONG)
        looks.put(is_free)
        return left[0] == 0

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiters.look_until, is_over, deadline=monotonic() + LONG)
        while left[0]:
            assert looks.get(timeout=LONG)
            with lock:
                left[0] -= 1
                waiters.tell()
        assert waiting.result(LONG)

    assert not waiters.has_any()
    assert not waiters.look_until(lambda: False, deadline=monotonic() + 0.01)


def test_a_change_during_a_look_at_a_file_is_not_missed() -> None:
    lock = threading.RLock()
    waiters = Waiters(lock, monotonic)
    answers = iter([False, True])

    def is_over() -> bool:
        answer = next(answers)
        with lock:
            waiters.tell()
        return answer

    assert waiters.look_until(is_over, deadline=monotonic() + LONG)


def test_a_bell_that_rang_before_ends_the_next_wait_and_no_other() -> None:
    bell = Bell()
    bell.notify()
    bell.notify()

    bell.wait(LONG)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bell.wait, LONG)
        sleep(0.01)
        assert not waiting.done()
        bell.notify()
        waiting.result(LONG)
