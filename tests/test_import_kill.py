"""An import is killed at random instants, again and again: no row is skipped, and what may be twice is listed."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from interakt_track.sandbox import Sandbox, parse_faults

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills in another way"),
    pytest.mark.timeout(120),
]

ROWS = 1500
MAX_WORKERS = 4


def write_customers(path: Path, *, people: int) -> None:
    """Write rows with a trait of their own each; each tenth one is wrong."""
    lines = ["user_id,phone_number,name,row"]
    for row in range(2, ROWS + 2):
        phone = "9.88E+09" if row % 10 == 0 else ""
        lines.append(f"u{row % people},{phone},Asha,r{row}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def start(path: Path, sandbox: Sandbox) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "interakt_track", "import", "users", str(path)]
    command += ["--rate-limit", "600000", "--max-workers", str(MAX_WORKERS)]
    environment = {**os.environ, "INTERAKT_WRITE_KEY": "test-key", "INTERAKT_HOST": sandbox.url, "COLUMNS": "1000"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )


def live_and_be_killed(path: Path, sandbox: Sandbox, chance: random.Random) -> str:
    """Let an import run for a moment that is now and then before its first request, and kill it."""
    before = sandbox.counts.requests
    with start(path, sandbox) as process:
        if chance.random() < 0.25:
            time.sleep(chance.uniform(0.1, 0.6))  # the instant is random, it waits for nothing
        else:
            wanted = before + chance.randrange(1, 150)
            while process.poll() is None and sandbox.counts.requests < wanted:
                time.sleep(0.001)
            time.sleep(chance.uniform(0.0, 0.03))
        process.kill()
        out, _ = process.communicate()
    return out


def listed(out: str) -> set[int]:
    found = re.search(r"they may arrive twice: rows? ([\d, ]+), and", " ".join(out.split()))
    return set() if found is None else {int(number) for number in found[1].split(", ")}


@pytest.mark.parametrize("people", [ROWS * 2, 200], ids=["all-different", "merged"])
def test_no_row_is_skipped_and_only_what_was_under_way_is_repeated(
    tmp_path: Path, people: int, is_soak: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    path = tmp_path / "customers.csv"
    write_customers(path, people=people)
    kills = 100 if is_soak else 8
    with Sandbox(write_key="test-key", faults=parse_faults("latency=4ms, jitter=8ms"), keep=1_000_000) as sandbox:
        outs = [live_and_be_killed(path, sandbox, chance) for _ in range(kills)]
        with start(path, sandbox) as process:
            last, _ = process.communicate(timeout=100)

        requests = [request for request in sandbox.requests if request.received]
    arrived = Counter(str((request.body or {})["traits"]["row"]) for request in requests)
    fine = {f"r{row}" for row in range(2, ROWS + 2) if row % 10}
    again = {int(row[1:]) for row, count in arrived.items() if count > 1}
    could_be = set().union(*map(listed, [*outs, last]))
    if is_soak:
        with capsys.disabled():
            print(f"\n{kills} kills, {len(requests)} requests, repeated {len(again)}, listed {len(could_be)}")
    assert process.returncode in (1, 2), last  # 2: a kill has come after the end
    assert "finished" in last or "not sent as they were wrong" in last, last
    if people > ROWS:
        assert set(arrived) == fine, seed
        assert again <= could_be, seed
        assert sum(arrived.values()) - len(arrived) <= kills * MAX_WORKERS, seed
    else:
        newest = {person: f"r{row}" for row in range(2, ROWS + 2) if row % 10 for person in [f"u{row % people}"]}
        said = {str((request.body or {})["userId"]): str((request.body or {})["traits"]["row"]) for request in requests}
        assert said == newest, (
            seed
        )  # of several rows in one request the last one counts, and each person's are in order
    assert len((tmp_path / "customers.csv.rejected.csv").read_text().splitlines()) == 1 + ROWS // 10
    assert not (tmp_path / "customers.csv.import.db").exists()
