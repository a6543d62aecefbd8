"""Several real processes on one spool: one sends at a time, and when it goes another one does, whatever it went by."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from spool_shell import Shell
from spool_shop import LIFE, check_emptied, delivered, numbers_in, out_of_order, repeated, said, start_shop
from waiting import wait_until

from interakt_track.sandbox import Fault, FaultPlan, Request, Sandbox, parse_faults

pytestmark = [
    pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells which process holds a lock"),
    pytest.mark.timeout(120),
]

MAX_WORKERS = 4
SLACK = 4.0  # seconds that a process takes to start, to end or to be scheduled on a loaded machine


def holder(spool: Path) -> int | None:
    """Return the process that holds the lease, as the system knows it."""
    with suppress(OSError):
        lease = f":{Path(f'{spool}-lease').stat().st_ino}"
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, mode, pid, file, *_ = line.replace("->", "").split()
            if kind == "FLOCK" and mode == "WRITE" and file.endswith(lease):
                return int(pid)
    return None


NewShell = Callable[..., Shell]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "track.db"


@pytest.fixture
def new_shell(sandbox: Sandbox, spool: Path) -> Iterator[NewShell]:
    shells: list[Shell] = []

    def start(**settings: Any) -> Shell:
        shell = Shell(sandbox.url, spool, **settings)
        shells.append(shell)
        return shell

    yield start
    for shell in shells:
        shell.kill()


@pytest.fixture
def pair(new_shell: NewShell, sandbox: Sandbox, spool: Path) -> tuple[Shell, Shell]:
    """Two processes of which the first sends."""
    first, second = new_shell(), new_shell()
    assert first.ask("event('first').wait(20).status") == "delivered"
    assert holder(spool) == first.pid
    second.ask("event('second') and None")
    sandbox.wait_for(2)
    wait_until(lambda: first.ask("track.stats().spool_waiting") == 0)
    assert holder(spool) == first.pid
    sandbox.clear()
    return first, second


def arrivals(sandbox: Sandbox) -> Counter[int]:
    return Counter(number for request in sandbox.requests if request.received for number in numbers_in(request))


def is_about(user_id: str) -> Callable[[Request], bool]:
    return lambda request: request.user_id == user_id


class Crowd:
    """Processes that call as fast as they may, all on one spool; see `programs/spool_shop.py`."""

    def __init__(self, sandbox: Sandbox, folder: Path, *, pause: float, people: int, **settings: Any) -> None:
        self.spool = folder / "track.db"
        self.lines: list[str] = []
        self.killed_at: list[float] = []
        self._log = folder / "log"
        self._plan = {
            "threads": 2, "calls": 1_000_000, "pause": pause, "people": people,
            "settings": {"host": sandbox.url, "spool": str(self.spool), "max_workers": MAX_WORKERS,
                "flush_interval": 0.05, **settings},
        }  # fmt: skip
        self._processes: dict[int, tuple[subprocess.Popen[str], threading.Thread]] = {}
        self._started = 0

    def start_one(self, **plan: Any) -> None:
        self._started += 1
        plan = {**self._plan, "first": LIFE * self._started, **plan}
        process = start_shop(plan, self._log)
        assert process.stdout is not None
        reader = threading.Thread(target=self.lines.extend, args=(process.stdout,))
        reader.start()
        self._processes[process.pid] = process, reader

    def promised(self) -> int:
        return sum(line[0] == "=" for line in tuple(self.lines))

    def kill_holder(self, *, but: int | None = None) -> int:
        """Kill the process that sends, when it is another one than before, and return which it was."""
        wait_until(lambda: holder(self.spool) not in (None, but))
        pid = holder(self.spool)
        assert pid in self._processes
        self._processes[pid][0].kill()
        self.killed_at.append(time.monotonic())
        self._forget(pid, -signal.SIGKILL)
        return pid

    def end(self) -> None:
        """Let all end, and empty the spool in a last one."""
        for process, _ in self._processes.values():
            assert process.stdin is not None
            process.stdin.close()
        for pid in tuple(self._processes):
            self._forget(pid, 0)
        self.start_one(calls=0)
        for pid in tuple(self._processes):
            self._forget(pid, 0)

    def check_file(self) -> None:
        check_emptied(self.spool)
        log = self._log.read_text()
        assert "Traceback" not in log
        assert "98765" not in log
        assert "test-key" not in log

    def kill(self) -> None:
        for pid, (process, _) in tuple(self._processes.items()):
            process.kill()
            self._forget(pid, -signal.SIGKILL)

    def _forget(self, pid: int, code: int) -> None:
        process, reader = self._processes.pop(pid)
        with process:
            reader.join(100)  # until its output ends
        assert process.returncode == code, self._log.read_text()


@pytest.fixture
def crowd(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., Crowd]]:
    crowds: list[Crowd] = []

    def gather(**settings: Any) -> Crowd:
        crowds.append(Crowd(sandbox, tmp_path, **settings))
        return crowds[-1]

    yield gather
    for one in crowds:
        one.kill()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(write_key="test-key", keep=1_000_000) as sandbox:
        yield sandbox


def most_at_once(starts: Iterable[float], limit: int) -> float:
    """Return the largest burst beyond a steady `limit` a minute: what a bucket would have had to hold."""
    level = most = last = 0.0
    for start in sorted(starts):
        level = max(0.0, level - (start - last) * limit / 60) + 1
        most, last = max(most, level), start
    return most


def check_ration(sandbox: Sandbox, limit: int) -> None:
    """No minute held more than the limit, and after a burst of a tenth the pace was even, whoever sent."""
    jitter = 1 + 0.5 * limit / 60  # what arrives half a second late, with what arrives in time
    assert sandbox.busiest_window(60) <= limit
    assert most_at_once((request.started for request in sandbox.requests), limit) <= limit / 10 + jitter


def test_eight_processes_append_while_those_that_send_are_killed(
    crowd: Callable[..., Crowd], sandbox: Sandbox, is_soak: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    messages, kills, limit = (20_000, 24, 6_000) if is_soak else (1_600, 4, 9_000)
    sandbox.faults = parse_faults("latency=5ms, jitter=10ms")
    shop = crowd(pause=0.05, people=200, rate_limit=limit)
    began = time.monotonic()
    for _ in range(8):
        shop.start_one()

    killed = None
    for kill in range(kills):
        due = messages * (kill + 1) // (kills + 1)
        wait_until(lambda due=due: shop.promised() >= due, seconds=200)  # type: ignore[misc]  # a lambda's default
        killed = shop.kill_holder(but=killed)
        shop.start_one()
    wait_until(lambda: shop.promised() >= messages, seconds=200)
    shop.end()

    promised, again = said(shop.lines, "="), repeated(sandbox.requests)
    with capsys.disabled():
        if is_soak:
            print(
                f"\n{len(promised)} calls returned in {time.monotonic() - began:.0f} s, "
                f"{len(sandbox.requests)} requests, {kills} holders killed, {len(again)} "
                f"requests repeated (bound {kills * MAX_WORKERS}), "
                f"busiest minute {sandbox.busiest_window(60)} of {limit}"
            )
    assert len(promised) >= messages
    assert promised - delivered(sandbox.requests) == set()
    assert delivered(sandbox.requests) - said(shop.lines, "+") == set()
    assert out_of_order(sandbox.requests, lambda a, b: a // LIFE == b // LIFE) == []
    under_way = [(one.number, one.connection, one.started, one.finished) for one in again]
    assert len(again) <= kills * MAX_WORKERS, f"killed at {shop.killed_at}, repeated: {under_way}"
    check_ration(sandbox, limit)
    shop.check_file()


def test_no_window_is_exceeded_whoever_takes_over(
    crowd: Callable[..., Crowd], sandbox: Sandbox, is_soak: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    limit, kills, requests_of_each = (600, 12, 100) if is_soak else (120, 3, 4)
    shop = crowd(pause=0.01, people=20_000, rate_limit=limit)
    for _ in range(2):
        shop.start_one()
    sandbox.wait_for_requests(limit // 10)

    for _ in range(kills):
        # Those of the one that is killed, and then some of the next one's.
        shop.kill_holder()
        shop.start_one()
        sandbox.wait_for_requests(sandbox.counts.requests + requests_of_each, timeout=60)
    starts = [request.started for request in sandbox.requests]
    shop.kill()

    with capsys.disabled():
        if is_soak:
            seconds = starts[-1] - starts[0]
            print(
                f"\n{len(starts)} requests in {seconds:.0f} s with {kills} takeovers at {limit} a minute; "
                f"busiest minute {sandbox.busiest_window(60)}, largest burst {most_at_once(starts, limit):.1f}"
            )
    assert len(starts) >= limit // 10 + kills * requests_of_each
    check_ration(sandbox, limit)


def test_another_one_takes_over_when_the_sender_is_killed(
    pair: tuple[Shell, Shell], sandbox: Sandbox, spool: Path
) -> None:
    first, second = pair
    sandbox.fail_next(1, fault=Fault.hang(), when=is_about("a"))
    first.ask("[event('a', 1), event('b', 2), event('a', 3)] and None")
    second.ask("[event('a', 4), event('c', 5)] and None")
    sandbox.wait_for_requests(3)
    wait_until(lambda: second.ask("track.stats().spool_waiting") == 3)  # what was answered is removed

    first.kill()
    seconds = wait_until(lambda: holder(spool) == second.pid)
    sandbox.wait_for(5)

    assert seconds < 10
    assert arrivals(sandbox) == dict.fromkeys(range(1, 6), 1)
    assert out_of_order(sandbox.requests, lambda earlier, later: True) == []


def test_a_sender_that_ends_hands_over_at_once_and_waits_for_what_is_in_flight(
    new_shell: NewShell, sandbox: Sandbox, spool: Path
) -> None:
    first, second = (new_shell(rate_limit=60, shutdown_timeout=60, max_workers=1) for _ in range(2))
    sandbox.fail_next(1, fault=Fault(latency=1.5))
    first.ask("[event(f'u{n}', n) for n in range(30)] and None")
    second.ask("event('u30', 30) and None")
    sandbox.wait_for_requests(1)
    assert holder(spool) == first.pid

    began = time.monotonic()
    log = first.leave()
    seconds = time.monotonic() - began
    at_handover = sandbox.counts.requests
    sandbox.wait_for_requests(at_handover + 1, timeout=2)

    assert log == ""
    assert seconds < 1.5 + SLACK
    assert at_handover < 10  # the burst is six
    assert holder(spool) == second.pid
    second.ask("track.rate_limit = None")
    second.ask("event('u31', 31) and None")  # settings are followed by the next call
    sandbox.wait_for(32)
    assert arrivals(sandbox) == dict.fromkeys(range(32), 1)


def test_a_last_process_delivers_before_it_ends(pair: tuple[Shell, Shell], sandbox: Sandbox) -> None:
    first, second = pair
    sandbox.faults = FaultPlan(latency=0.1)
    second.ask("[event('a', n) for n in range(8)] and None")

    logs = first.leave(), second.leave()

    assert logs == ("", "")
    assert arrivals(sandbox) == dict.fromkeys(range(8), 1)


def test_a_last_process_delivers_though_its_file_is_read_late(pair: tuple[Shell, Shell], sandbox: Sandbox) -> None:
    """It has never sent, and from Python 3.12 on can start no thread when it ends."""
    first, second = pair
    second.ask("from interakt_track._spool import Spool; from time import sleep; step = Spool._step")
    second.ask("Spool._step = lambda *args: sleep(0.3) or step(*args)")
    second.ask("[event('a', n) for n in range(8)] and None")

    logs = first.leave(), second.leave()

    assert logs == ("", "")
    assert arrivals(sandbox) == dict.fromkeys(range(8), 1)


def test_a_stopped_sender_is_waited_for(pair: tuple[Shell, Shell], sandbox: Sandbox, spool: Path) -> None:
    first, second = pair
    first.process.send_signal(signal.SIGSTOP)
    second.ask("receipt = event('a', 1)")

    with pytest.raises(TimeoutError):
        sandbox.wait_for_requests(1, timeout=3)
    is_flushed = second.ask("track.flush(0.2)")
    pid = holder(spool)
    first.process.send_signal(signal.SIGCONT)

    assert not is_flushed
    assert pid == first.pid
    assert second.ask("receipt.wait(20).status") == "delivered"
    assert arrivals(sandbox) == {1: 1}


def test_flush_waits_for_what_was_called_here_and_for_nothing_else(pair: tuple[Shell, Shell], sandbox: Sandbox) -> None:
    first, second = pair
    sandbox.faults = FaultPlan(latency=0.2)
    sandbox.fail_next(1, fault=Fault.hang(), when=is_about("other"))
    first.ask("event('other', 1) and None")
    sandbox.wait_for_requests(1)
    second.ask("[event('own', n) for n in (2, 3, 4)] and None")

    is_flushed = second.ask("track.flush(20)")
    arrived = arrivals(sandbox)
    is_flushed_in_first = first.ask("track.flush(0.2)")

    assert is_flushed
    assert arrived == {2: 1, 3: 1, 4: 1}
    assert not is_flushed_in_first


def test_flush_of_a_process_that_is_not_to_send_tells_when_its_time_is_up(
    pair: tuple[Shell, Shell], sandbox: Sandbox
) -> None:
    _, second = pair
    sandbox.fail_next(1, fault=Fault.hang())
    second.ask("event('own', 1) and None")
    sandbox.wait_for_requests(1)

    assert second.ask("track.flush(0.3)") is False


def test_flush_outlives_the_process_that_sends(pair: tuple[Shell, Shell], sandbox: Sandbox) -> None:
    first, second = pair
    sandbox.fail_next(1, fault=Fault.hang())
    second.ask("[event('own', n) for n in (1, 2)] and None")
    sandbox.wait_for_requests(1)
    second.tell("track.flush(20)")

    first.kill()

    assert second.answer() is True
    assert arrivals(sandbox) == {1: 1, 2: 1}


def test_a_receipt_tells_what_another_process_did(pair: tuple[Shell, Shell], sandbox: Sandbox, spool: Path) -> None:
    first, second = pair
    sandbox.fail_next(1, status=400, when=is_about("refused"))

    second.ask("taken, refused = event('taken', 1), event('refused', 2)")
    statuses = second.ask("(taken.wait(20).status, refused.wait(20).status)")

    assert statuses == ("delivered", "rejected")
    assert second.ask("(type(refused.error).__name__, refused.error.status_code)") == ("RejectedError", 400)
    assert first.ask("track.flush(5)")
    assert first.ask("reports") == ["RejectedError refused"]
    assert second.ask("reports") == []
    assert holder(spool) == first.pid


def test_the_numbers_of_each_process_add_up(pair: tuple[Shell, Shell], sandbox: Sandbox) -> None:
    first, second = pair
    sandbox.fail_next(2, status=400, when=is_about("refused"))
    first.ask("[event(f'a{n}', n) for n in range(5)] and None")
    second.ask("[event('refused', n) for n in range(10, 12)] + [event(f'b{n}', n) for n in range(3)] and None")
    assert second.ask("track.flush(20)")
    assert first.ask("track.flush(20)")

    stats = [shell.ask("track.stats().as_dict()") for shell in (first, second)]

    for numbers in stats:
        ended = numbers["delivered"] + numbers["rejected"] + numbers["dropped"]
        assert numbers["queued"] == ended + numbers["waiting"] + numbers["in_flight"]
        assert numbers["waiting"] == numbers["in_flight"] == numbers["spool_waiting"] == numbers["dropped"] == 0
        assert numbers["spool_problem"] is None
    assert (stats[1]["delivered"], stats[1]["rejected"]) == (4, 2)  # one more, of the fixture


def test_a_call_in_sync_mode_has_its_answer_from_another_process(
    pair: tuple[Shell, Shell], sandbox: Sandbox, spool: Path
) -> None:
    first, second = pair
    sandbox.fail_next(1, status=400, when=is_about("refused"))
    second.ask("track.sync_mode = True")

    taken = second.ask("event('taken', 1).status")
    second.ask("track.strict = False")
    refused = second.ask("event('refused', 2).status")

    assert (taken, refused) == ("delivered", "rejected")
    assert holder(spool) == first.pid
    assert arrivals(sandbox) == {1: 1}


def test_many_processes_that_start_at_once_make_one_file(new_shell: NewShell, sandbox: Sandbox, spool: Path) -> None:
    shells = [new_shell() for _ in range(6)]
    for number, shell in enumerate(shells):
        shell.tell(f"event('u{number}', {number}).wait(20).status")

    statuses = [shell.answer() for shell in shells]

    assert statuses == ["delivered"] * 6
    assert arrivals(sandbox) == dict.fromkeys(range(6), 1)
    assert holder(spool) in [shell.pid for shell in shells]
    for shell in shells:
        assert shell.ask("track.stats().spool_problem") is None


def test_whoever_is_left_goes_on_when_one_after_the_other_is_killed(
    new_shell: NewShell, sandbox: Sandbox, spool: Path
) -> None:
    shells = {shell.pid: shell for shell in (new_shell() for _ in range(3))}
    for number, shell in enumerate(shells.values()):
        assert shell.ask(f"event('u{number}', {number}).wait(20).status") == "delivered"
    chance = random.Random(7)

    for number in range(10, 12):
        chance.choice(list(shells.values())).ask(f"event('u', {number}) and None")
        wait_until(lambda: holder(spool) in shells)
        shells.pop(holder(spool) or 0).kill()

    (last,) = shells.values()
    assert last.ask("event('u', 12).wait(20).status") == "delivered"
    assert set(arrivals(sandbox)) == {0, 1, 2, 10, 11, 12}
    assert out_of_order(sandbox.requests, lambda earlier, later: True) == []
