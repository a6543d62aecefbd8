"""Tens of thousands of messages from four threads, with faults of all kinds: memory stays, and every promise holds.

The sandbox is another process, so that neither its records nor its time are the client's, and writes down what arrives.
"""

from __future__ import annotations

import gc
import random
import re
import subprocess
import sys
import threading
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from interakt_track import Client, Receipt

PRODUCERS = 4
PEOPLE = 400
QUEUE_SIZE = 2_000
STATES = ("delivered", "rejected", "dropped")

SERVER = """
import re, sys
from interakt_track.sandbox import Fault, FaultPlan, Sandbox

kinds = {
    "taken": (Fault.html(202), Fault.empty(202), Fault.json_list(202), Fault.broken_json(202), Fault.garbage(202),
        Fault.bad_gzip(202), Fault.truncate(), Fault.slow(0.0005)),
    "passing": (Fault(status=500), Fault(status=503, retry_after="0.05"), Fault.html(502), Fault.truncate(503),
        Fault.garbage(500), Fault.slow(0.0005, 504), Fault.reset(), Fault.reset(early=True), Fault.reset(received=True),
        Fault.close(), Fault.close(received=True), Fault.not_http()),
    "refused": (Fault(status=400), Fault(status=413), Fault(status=422), Fault.html(404), Fault.false_result()),
    "pausing": (Fault(status=429, retry_after="0.2"),),
    "hanging": (Fault.hang(), Fault.hang(received=True)),
}
shares = {"taken": 0.011, "passing": 0.03, "refused": 0.008, "pausing": 0.0005, "hanging": 0.0005}  # 5 % in all
meaning = {fault.name: kind for kind, faults in kinds.items() for fault in faults}
chances = tuple((fault, shares[kind] / len(faults)) for kind, faults in kinds.items() for fault in faults)

def note(request):
    traits = request.body["traits"] if request.body else ()
    messages = ",".join(name[1:] for name in traits if re.fullmatch("n[0-9]+", name))
    kind = meaning[request.fault] if request.fault else "taken"
    print(request.number, kind, request.started, request.finished, int(request.is_abandoned), messages or "-",
        file=journal)

plan = FaultPlan(chances=chances, seed=7)
with open(sys.argv[1], "w") as journal, Sandbox(faults=plan, keep=100, on_request=note) as sandbox:
    print(sandbox.url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def sandbox_process(journal: Path) -> Iterator[str]:
    """Run a sandbox; yield its URL, and leave one line for each request in the journal."""
    command = [sys.executable, "-c", SERVER, str(journal)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
            process.communicate(timeout=20)
            assert process.returncode == 0
        finally:
            process.kill()


@dataclass(frozen=True)
class Arrival:
    """One request as the sandbox saw it; without messages where it was reset before it was read."""

    number: int
    kind: str
    started: float
    finished: float
    is_abandoned: bool
    messages: tuple[int, ...]


def read_journal(path: Path) -> list[Arrival]:
    arrivals = []
    for line in path.read_text().splitlines():
        number, kind, started, finished, is_abandoned, messages = line.split()
        held = () if messages == "-" else tuple(sorted(map(int, messages.split(","))))
        arrivals.append(Arrival(int(number), kind, float(started), float(finished), is_abandoned == "1", held))
    return sorted(arrivals, key=lambda arrival: arrival.number)


@dataclass
class Soak:
    """What is sent, and what is noted of it in places that were there before, so that noting takes no memory."""

    total: int
    seed: int = 7
    people: array[int] = field(init=False)
    places: array[int] = field(init=False)
    states: bytearray = field(init=False)
    reports: bytearray = field(init=False)
    most_waiting: int = 0
    wrong_sums: int = 0

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        self.people = array("i", [chance.randrange(PEOPLE) for _ in range(self.total)])
        self.places = array("i", bytes(4 * self.total))
        self.states = bytearray(self.total)
        self.reports = bytearray(self.total)
        self._next_places = array("i", bytes(4 * PEOPLE))
        self._locks = [threading.Lock() for _ in range(PEOPLE // 2)]

    def identifiers(self, message: int) -> dict[str, str]:
        """Who a message is about: two people share a phone number, and some messages name it."""
        person = self.people[message]
        phone = f"98765{person // 2:05}"
        return (
            {"user_id": f"u{person}"},
            {"user_id": f"u{person}"},
            {"user_id": f"u{person}", "phone_number": phone},
            {"phone_number": phone},
        )[message % 4]

    def call(self, client: Client, message: int) -> Receipt:
        """Queue a message; those who share a phone number take their places in turn, whichever thread calls."""
        couple = self.people[message] // 2
        traits = {f"n{message}": 1, "name": f"Ann {message}", "cart": [{"sku": message, "price": 0.5}]}
        rest: Any = {**self.identifiers(message), "priority": ("high", "low", *["normal"] * 18)[message % 20]}
        with self._locks[couple]:
            self._next_places[couple] += 1
            self.places[message] = self._next_places[couple]
            if message % 10 < 3:
                return client.identify(traits=traits, tags=["a", f"t{message % 7}"], **rest)
            return client.event(event="Order Placed", traits=traits, **rest)

    def note_failure(self, error: Any, queue_msg: Any) -> None:
        (name,) = (name for name in queue_msg["body"]["traits"] if re.fullmatch("n[0-9]+", name))
        self.reports[int(name[1:])] += 1

    def run_round(self, client: Client, messages: range) -> None:
        """Send some messages, wait until they are settled, and note what became of each."""
        receipts: list[Receipt | None] = [None] * len(messages)

        def produce(first: int) -> None:
            for index in range(first, len(messages), PRODUCERS):
                receipts[index] = self.call(client, messages[index])

        producers = [threading.Thread(target=produce, args=(first,)) for first in range(PRODUCERS)]
        for producer in producers:
            producer.start()
        while any(producer.is_alive() for producer in producers):
            self.look_at(client)
            producers[0].join(0.02) if producers[0].is_alive() else time.sleep(0.02)
        assert client.flush(120)
        self.look_at(client)
        for message, receipt in zip(messages, receipts, strict=True):
            assert receipt
            self.states[message] = 1 + STATES.index(receipt.status)

    def look_at(self, client: Client) -> None:
        stats = client.stats()
        ended = stats.delivered + stats.rejected + stats.dropped
        self.wrong_sums += stats.queued != ended + stats.waiting + stats.in_flight
        self.most_waiting = max(self.most_waiting, stats.waiting)


def resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:  # not Linux: the blocks have to do
        return 0


def test_memory_stays_and_every_promise_holds(
    is_soak: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds, size, warm_up = (10, 5_000, 5) if is_soak else (6, 500, 2)
    if not is_soak:  # in full, the warm-up is long enough for as many starts as are remembered
        monkeypatch.setattr("interakt_track._rate_limit.MAX_REMEMBERED", 100)
    soak = Soak(rounds * size)
    blocks, resident = array("q"), array("q")
    with sandbox_process(tmp_path / "journal") as url:
        client = Client(
            write_key="key", host=url, on_error=soak.note_failure, max_retries=1, timeout=3, flush_interval=0.05,
            max_queue_size=QUEUE_SIZE if is_soak else 200, when_full="block", block_timeout=60,
        )  # fmt: skip
        began = time.monotonic()
        for first in range(0, soak.total, size):
            soak.run_round(client, range(first, first + size))
            gc.collect()
            blocks.append(sys.getallocatedblocks())
            resident.append(resident_bytes())
        seconds = time.monotonic() - began
        stats = client.stats()
        client.shutdown(10)
    arrivals = read_journal(tmp_path / "journal")

    with capsys.disabled():
        if is_soak:
            print(
                f"\n{soak.total} messages in {seconds:.0f} s ({soak.total / seconds:.0f}/s), {len(arrivals)} requests"
            )
            print(f"{stats}\nmost waiting: {soak.most_waiting}; blocks: {list(blocks)}")
            print(f"resident MB: {[round(size / 2**20, 1) for size in resident]}")
    after_warm_up = soak.total - warm_up * size
    assert (blocks[-1] - blocks[warm_up - 1]) / after_warm_up < 0.5  # a leaked object per message would be 1
    assert not is_soak or resident[-1] - resident[warm_up - 1] < 16 * 2**20
    assert soak.most_waiting <= (QUEUE_SIZE if is_soak else 200) + PRODUCERS
    assert soak.wrong_sums == 0
    check_accounts(soak, stats)
    check_outcomes(soak, arrivals)
    check_order(soak, arrivals)


def check_accounts(soak: Soak, stats: Any) -> None:
    """Each message is in one final state, reported once if it is lost."""
    states = Counter(STATES[state - 1] for state in soak.states)
    assert stats.queued == soak.total == sum(states.values())
    assert (stats.waiting, stats.in_flight, sum(stats.refused.values())) == (0, 0, 0)
    assert {name: getattr(stats, name) for name in STATES} == {name: states[name] for name in STATES}
    assert soak.reports == bytes(state != 1 for state in soak.states)
    assert states["rejected"] > 0
    assert stats.retried > 0
    assert stats.merged > 0


def check_outcomes(soak: Soak, arrivals: list[Arrival]) -> None:
    """What became of a message is what its last request met, which no early reset hides."""
    met: dict[int, list[str]] = {}
    for arrival in arrivals:
        for message in arrival.messages:
            if arrival.kind != "refused" or len(arrival.messages) == 1:  # else one request for each follows
                met.setdefault(message, []).append(arrival.kind)
    for message, state in enumerate(soak.states):
        kinds = met.get(message, [])
        assert not {"taken", "refused"}.intersection(kinds[:-1])
        if STATES[state - 1] == "dropped":
            assert not {"taken", "refused"}.intersection(kinds)
        else:
            assert kinds[-1] == {"delivered": "taken", "rejected": "refused"}[STATES[state - 1]]


def check_order(soak: Soak, arrivals: list[Arrival]) -> None:
    """Of each identifier, a later message arrives only when the earlier one's last request is over."""
    of_identifier: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        for identifier in soak.identifiers(arrival.messages[0]).values() if arrival.messages else ():
            of_identifier.setdefault(identifier, []).append(arrival)
    for sequence in of_identifier.values():
        for before, after in pairwise(sequence):
            earlier = sorted(soak.places[message] for message in before.messages)
            later = sorted(soak.places[message] for message in after.messages)
            is_the_same = before.messages == after.messages
            is_taken_apart = len(later) == 1 and len(earlier) > 1 and later[0] == earlier[0]
            assert is_the_same or is_taken_apart or earlier[-1] < later[0]
            assert before.is_abandoned or before.finished <= after.started
