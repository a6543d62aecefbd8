"""A process is killed at random instants, again and again: nothing is lost, and only what was under way is repeated."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from spool_shop import LIFE, check_emptied, delivered, out_of_order, repeated, said, start_shop

from interakt_track.sandbox import FaultPlan, Sandbox, parse_faults

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills in another way"),
    pytest.mark.timeout(120),
]

MAX_WORKERS = THREADS = 4
FIRST_LINES = 100  # that the first life says, two a call; others may be cut off before their first call


@dataclass
class Lives:
    """Lives of one program, one after the other, on one spool."""

    sandbox: Sandbox
    folder: Path
    settings: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)

    @property
    def spool(self) -> Path:
        return self.folder / "track.db"

    def begin(self, *, calls: int) -> subprocess.Popen[str]:
        plan = {
            "first": LIFE * (len(self.spans) + 1), "threads": THREADS, "calls": calls, "pause": 0.006, "people": 24,
            "settings": {"host": self.sandbox.url, "spool": str(self.spool), "max_workers": MAX_WORKERS,
                "flush_interval": 0.01, **self.settings},
        }  # fmt: skip
        return start_shop(plan, self.folder / "log")

    def live_and_be_killed(self, chance: random.Random) -> None:
        """Let a life make some calls, and kill it a moment later, whatever it is at."""
        started = time.monotonic()
        with self.begin(calls=10_000) as process:
            assert process.stdout is not None
            lines = chance.choice((0, 1, 2, *[chance.randrange(3, 250)] * 6)) if self.spans else FIRST_LINES
            for _ in range(lines):
                self.lines.append(process.stdout.readline())
            time.sleep(chance.uniform(0.0, 0.02))  # the instant is random, it waits for nothing
            process.kill()
            self.lines += process.stdout.readlines()  # the pipe holds what was said until the end
            process.wait()
        assert process.returncode == -signal.SIGKILL
        self.spans.append((started, time.monotonic()))

    def live_until_empty(self) -> None:
        with self.begin(calls=0) as process:
            out, _ = process.communicate(timeout=100)
        assert process.returncode == 0
        self.lines += out.splitlines()

    def life_of(self, request: Any) -> int:
        """Return which life sent a request, counted from 0; the last one is all that were not killed."""
        return next((n for n, (_, end) in enumerate(self.spans) if request.started <= end), len(self.spans))


@pytest.mark.parametrize(
    ("faults", "settings", "kills"),
    [
        pytest.param("latency=5ms, jitter=20ms", {}, (10, 200), id="all-goes-well"),
        pytest.param(
            "jitter=10ms, 5xx=5%, reset=2%, reset-received=2%",
            {"spool_sync": "full", "max_queue_size": 40},
            (4, 50),
            id="the-api-has-faults",
        ),
    ],
)
def test_whatever_a_call_promised_arrives_in_order(
    tmp_path: Path,
    is_soak: bool,
    capsys: pytest.CaptureFixture[str],
    faults: str,
    settings: dict[str, Any],
    kills: tuple[int, int],
) -> None:
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    plan = parse_faults(faults)
    began = time.monotonic()
    with Sandbox(write_key="test-key", faults=plan, keep=1_000_000) as sandbox:
        lives = Lives(sandbox, tmp_path, settings)

        for _ in range(kills[is_soak]):
            lives.live_and_be_killed(chance)
        sandbox.faults = FaultPlan()
        lives.live_until_empty()

        requests = sandbox.requests
    again = repeated(requests)
    by_life = Counter(map(lives.life_of, again))
    unanswered = sum(request.received and request.fault is not None for request in requests)
    with capsys.disabled():
        if is_soak:
            print(
                f"\n{faults}: {len(lives.spans)} kills in {time.monotonic() - began:.0f} s, "
                f"{len(said(lives.lines, '='))} calls returned, {len(requests)} requests, {len(again)} repeated "
                f"(bound {len(lives.spans) * MAX_WORKERS} + {unanswered} without an answer), at most "
                f"{max(by_life.values(), default=0)} of one life"
            )
    promised, begun = said(lives.lines, "="), said(lives.lines, "+")
    assert promised - delivered(requests) == set(), seed
    assert delivered(requests) - begun == set(), seed
    assert said(lives.lines, "!") == set()
    assert out_of_order(requests, lambda earlier, later: True) == [], seed
    assert len(again) <= len(lives.spans) * MAX_WORKERS + unanswered, seed
    assert unanswered or max(by_life.values(), default=0) <= MAX_WORKERS, seed
    assert by_life[len(lives.spans)] <= unanswered  # the last life was not killed
    assert len(promised) >= FIRST_LINES // 2 - THREADS  # each of its threads may have begun one more
    assert len(requests) > len(lives.spans)
    check_emptied(lives.spool)
    check_secrets(tmp_path)


def check_secrets(folder: Path) -> None:
    """No file holds the key, and the log no phone number."""
    for path in folder.iterdir():
        assert b"test-key" not in path.read_bytes(), path
        assert path.stat().st_mode & 0o077 == 0 or path.name == "log"
    log = (folder / "log").read_text()
    assert "98765" not in log
    assert "Traceback" not in log, log
