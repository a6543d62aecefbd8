"""Visitors of the shops in `examples/flask` and `examples/fastapi`, who note what they were promised."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException

from interakt_track.sandbox import Sandbox

VISITORS = 6


class Visitors:
    """Each registers a new customer and places an order, again and again.

    Attributes:
        promised: The numbers of the customers whose registration and whose order were both answered with 201.
        asked: Those who tried.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._numbers = itertools.count()
        self._more = threading.Condition()
        self.promised: set[int] = set()
        self.asked: set[int] = set()

    def visit(self, times: int) -> None:
        """Have so many customers served, several at the same time, and expect that all are."""
        with ThreadPoolExecutor(VISITORS) as visitors:
            assert all(visitors.map(lambda _: self._visit_once(), range(times)))

    @contextmanager
    def visiting(self) -> Iterator[None]:
        """Go on for the time of the block, whether the shop is there or not."""
        is_over = threading.Event()

        def visit() -> None:
            while not is_over.is_set():
                if not self._visit_once():
                    is_over.wait(0.05)  # it is closed, or being closed

        threads = [threading.Thread(target=visit) for _ in range(VISITORS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            is_over.set()
            for thread in threads:
                thread.join()

    def wait_for_promises(self, more: int) -> None:
        """Wait until so many more were served."""
        with self._more:
            goal = len(self.promised) + more
            assert self._more.wait_for(lambda: len(self.promised) >= goal, 40)

    def post(self, path: str, body: dict[str, object]) -> bool:
        """Return whether it was answered with 201."""
        with suppress(OSError, HTTPException), closing(HTTPConnection("127.0.0.1", self._port, timeout=30)) as shop:
            shop.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            return shop.getresponse().status == 201
        return False

    def _visit_once(self) -> bool:
        number = next(self._numbers)
        self.asked.add(number)
        customer = {"id": f"u{number}", "phone": f"98765{number:05}", "name": "Asha"}
        order = {"customer": f"u{number}", "id": f"A-{number}", "total": 2998}
        if not (self.post("/customers", customer) and self.post("/orders", order)):
            return False
        with self._more:
            self.promised.add(number)
            self._more.notify_all()
        return True


def check_what_arrived(sandbox: Sandbox, visitors: Visitors) -> None:
    """Assert that what was promised arrived, once, and that nothing else did."""
    orders = Counter(int(body["traits"]["order_id"].removeprefix("A-")) for body in sandbox.events)
    customers = Counter(int(body["userId"].removeprefix("u")) for body in sandbox.users)
    for arrived in (orders, customers):
        assert visitors.promised - arrived.keys() == set()
        assert arrived.keys() - visitors.asked == set()
        assert set(arrived.values()) == {1}
