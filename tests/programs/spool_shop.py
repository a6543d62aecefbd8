"""A shop that tracks from several threads into a spool, and says which calls have returned; and what judges it.

Run by `tests/test_spool_*.py`, and killed by them. A message's number is the name of its trait, so that it can be told
from a request's body, also where several messages were merged into one request.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

LIFE = 1_000_000  # the numbers of a life, or of a process, begin at a multiple of this


class Shop:
    """Tracks about people of whom two share a phone number each; calls about such a pair come one after the other.

    Args:
        plan: What the test asks for: `first`, `threads`, `calls` of each thread, `pause` seconds between two, `people`,
            and `settings` of the client.
    """

    def __init__(self, plan: dict[str, Any]) -> None:
        import track  # the tests import this module for its other half

        self.plan = plan
        self.client = track.Client(write_key="test-key", **plan["settings"])
        self._numbers = itertools.count(plan["first"])
        self._is_over = threading.Event()
        self._pairs = [threading.Lock() for _ in range((plan["people"] + 1) // 2)]

    def call(self, chance: random.Random) -> None:
        """Make a call, and say so before it and when it has returned; the numbers of a pair rise with its calls."""
        person = chance.randrange(self.plan["people"])
        phone = f"98765{person // 2:05}"
        who: Any = chance.choice(
            (
                {"user_id": f"u{person}"},
                {"user_id": f"u{person}"},
                {"user_id": f"u{person}", "phone_number": phone},
                {"phone_number": phone},
            )
        )
        with self._pairs[person // 2]:
            number = next(self._numbers)
            traits = {f"n{number}": number, "name": f"Ann {number}", "cart": [{"sku": number}]}
            say(f"+{number}")
            if chance.random() < 0.4:
                receipt = self.client.identify(traits=traits, **who)
            else:
                receipt = self.client.event(event="Order Placed", traits=traits, **who)
            say(f"={number}" if receipt else f"!{number}")

    def work(self, seed: int) -> None:
        """Make a thread's calls."""
        chance = random.Random(seed)
        for _ in range(self.plan["calls"]):
            self.call(chance)
            if self._is_over.wait(chance.uniform(0.0, 2 * self.plan["pause"])):
                break

    def open(self) -> None:
        """Make calls until the input ends."""
        first, threads = self.plan["first"], self.plan["threads"]
        workers = [threading.Thread(target=self.work, args=(first + n,)) for n in range(threads)]
        for worker in workers:
            worker.start()
        sys.stdin.read()
        self._is_over.set()
        for worker in workers:
            worker.join()

    def empty(self) -> None:
        """Send until the spool is empty; a call opens it."""
        self.call(random.Random(0))
        while self.client.stats().spool_waiting != 0:
            self.client.flush(0.1)


def say(text: str) -> None:
    """Write a line at once: what a killed process has said stays in the pipe."""
    os.write(1, f"{text}\n".encode())


# The other half, for tests.


def start_shop(plan: dict[str, Any], log: Path) -> subprocess.Popen[str]:
    """Start a shop that reads its end from its input, says its calls to its output, and adds to a log."""
    with log.open("a") as errors:
        return subprocess.Popen(
            [sys.executable, "-W", "error", __file__, json.dumps(plan)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )


def numbers_in(request: Any) -> frozenset[int]:
    """Return which messages a request of the sandbox carried."""
    traits = (request.body or {}).get("traits") or {}
    return frozenset(int(name[1:]) for name in traits if re.fullmatch(r"n\d+", name))


def said(lines: Iterable[str], mark: str) -> set[int]:
    """Return the numbers that processes have said with a mark: + before a call, = after it, ! when it was refused."""
    return {int(line[1:]) for line in lines if line[0] == mark}


def delivered(requests: Iterable[Any]) -> set[int]:
    """Return which messages the API received."""
    return {number for request in requests if request.received for number in numbers_in(request)}


def repeated(requests: Iterable[Any]) -> list[Any]:
    """Return those received requests of which something was received again later."""
    found, latest = [], set[int]()
    for request in reversed([request for request in requests if request.received]):
        numbers = numbers_in(request)
        if numbers & latest:
            found.append(request)
        latest |= numbers
    return found[::-1]


def out_of_order(requests: Iterable[Any], is_certain: Callable[[int, int], bool]) -> list[tuple[str, int, int]]:
    """Return where an identifier's message was sent, or sent again, after a later one of it had been.

    What was merged with a message into one request is not after it.

    Args:
        requests: As they arrived, those included that were refused.
        is_certain: Given two rising numbers, tells whether the one surely was called after the other had returned.
    """
    wrong = []
    before: dict[str, list[frozenset[int]]] = {}
    for request in requests:
        numbers = numbers_in(request)
        body = request.body or {}
        for identifier in filter(None, (body.get("userId"), body.get("phoneNumber"))):
            earlier = before.setdefault(identifier, [])
            for number in numbers:
                wrong += [
                    (identifier, number, later)
                    for sent in earlier
                    for later in sent
                    if later > number and number not in sent and is_certain(number, later)
                ]
            if numbers:
                earlier.append(numbers)
    return wrong


def check_emptied(spool: Path) -> None:
    """See that a spool's file is whole, and that nothing is left in it."""
    import sqlite3  # a shop leaves that to the SDK

    with closing(sqlite3.connect(spool)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM waiting").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM failed").fetchone() == (0,)


if __name__ == "__main__":
    shop = Shop(json.loads(sys.argv[1]))
    shop.open() if shop.plan["calls"] else shop.empty()
