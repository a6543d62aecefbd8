"""A small HTTP server, a process of its own, that answers every SDK after a set latency and counts what it answered.

The paths are Interakt's two, Segment's `/v1/batch` and PostHog's `/batch/`, plus two for the benchmark itself:
`GET /_wait?delivered=N` (or `received=N`) answers as soon as so many messages have been, and both that and
`GET /_counts` answer with all counts. It prints its port when it is ready. With a limit, it refuses what is more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time
from collections import deque
from typing import NamedTuple, cast
from urllib.parse import parse_qsl

ONE_RECORD = {
    b"/v1/public/track/users/": b'{"result":true,"message":"Customer with 0 updated successfully"}',
    b"/v1/public/track/events/": b'{"result":true,"message":"Event created successfully","id":"0"}',
}
REFUSAL = b'{"result":false,"message":"Rate limit exceeded"}'
BATCH = {b"/v1/batch": b'{"success":true}', b"/batch/": b'{"status":1}'}


class Request(NamedTuple):
    """The parts of a request that matter here; `target` is as on the request line."""

    target: bytes
    body: bytes


class Waiter(NamedTuple):
    """Somebody who wants to be answered when a count has come that far."""

    count_name: str
    at_least: int
    transport: asyncio.Transport


class Limit:
    """Lets so many requests through in any minute; those it refuses do not count.

    That is the sliding window, exactly. A fixed one lets all of that through too: it is one of those minutes.
    """

    def __init__(self, requests: int, minute: float) -> None:
        self.requests = requests
        self.minute = minute
        self._admitted: deque[float] = deque(maxlen=requests)

    def admits(self, now: float) -> bool:
        """Count a request, unless there is no room for it."""
        if len(self._admitted) == self._admitted.maxlen and now - self._admitted[0] < self.minute:
            return False
        self._admitted.append(now)
        return True


class Counter:
    """What was received and answered so far, and who waits for more.

    Args:
        latency: Seconds between a request and its answer; infinite: it is never answered.
        hold_after: Requests that come when this many messages have been received are never answered.
        limit: What it refuses is answered at once, and counts as refused only.
    """

    def __init__(self, latency: float, hold_after: float, limit: Limit | None) -> None:
        self.latency = latency
        self.hold_after = hold_after
        self.limit = limit
        self.counts = {"requests": 0, "received": 0, "delivered": 0, "refused": 0, "connections": 0, "unknown": 0}
        self._waiters: list[Waiter] = []

    def take(self, request: Request, transport: asyncio.Transport) -> None:
        """Count a request, and answer it when its time comes."""
        messages, answer = _messages_and_answer(request)
        self.counts["requests"] += 1
        if answer is None:
            self.counts["unknown"] += 1
            transport.write(_response(b"404 Not Found", b"{}"))
            return
        if self.limit and not self.limit.admits(time.monotonic()):
            self.counts["refused"] += 1
            transport.write(_response(b"429 Too Many Requests", REFUSAL))
            return
        is_held = self.counts["received"] >= self.hold_after or math.isinf(self.latency)
        self.counts["received"] += messages
        if not is_held and self.latency:
            asyncio.get_running_loop().call_later(self.latency, self._answer, transport, messages, answer)
        elif not is_held:
            self._answer(transport, messages, answer)
        if self._waiters:
            self._tell()

    def wait(self, waiter: Waiter) -> None:
        """Answer as soon as the count has come that far."""
        self._waiters.append(waiter)
        self._tell()

    def counts_response(self) -> bytes:
        """Return all counts, the seconds of CPU this process has used, and the limit if there is one."""
        limit = {"limit": self.limit.requests, "minute": self.limit.minute} if self.limit else {}
        return _response(b"200 OK", json.dumps({**self.counts, "cpu": time.process_time(), **limit}).encode())

    def _answer(self, transport: asyncio.Transport, messages: int, answer: bytes) -> None:
        self.counts["delivered"] += messages
        transport.write(_response(b"200 OK", answer))
        if self._waiters:
            self._tell()

    def _tell(self) -> None:
        for waiter in tuple(self._waiters):
            if self.counts[waiter.count_name] >= waiter.at_least:
                self._waiters.remove(waiter)
                waiter.transport.write(self.counts_response())


class Connection(asyncio.Protocol):
    """One kept-alive connection; asyncio sets TCP_NODELAY on it, without which each answer would come 40 ms late."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._buffer = b""
        self._is_counted = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Handle each request that is there in full."""
        self._buffer += data
        while (request := self._next_request()) is not None:
            path, _, query = request.target.partition(b"?")
            if path == b"/_counts":
                self._transport.write(self._counter.counts_response())
            elif path == b"/_wait":
                ((count, at_least),) = parse_qsl(query.decode())
                self._counter.wait(Waiter(count, int(at_least), self._transport))
            else:
                self._counter.counts["connections"] += not self._is_counted
                self._is_counted = True
                self._counter.take(request, self._transport)

    def _next_request(self) -> Request | None:
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return None
        head = self._buffer[:end]
        field = head.lower().partition(b"\r\ncontent-length:")[2]
        length = int(field[: field.find(b"\r\n")]) if field else 0
        if len(self._buffer) < end + length:
            return None
        body = self._buffer[end : end + length]
        self._buffer = self._buffer[end + length :]
        return Request(head.split(b" ", 2)[1], body)


def _messages_and_answer(request: Request) -> tuple[int, bytes | None]:
    answer = ONE_RECORD.get(request.target)
    if answer is not None:
        return 1, answer
    answer = BATCH.get(request.target)
    return (0, None) if answer is None else (len(json.loads(request.body)["batch"]), answer)


def _response(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


async def serve(latency: float, hold_after: float, limit: Limit | None) -> None:
    """Serve on a free port of this machine until the process is ended."""
    counter = Counter(latency, hold_after, limit)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(counter), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until the answer; inf: no answer at all")
    parser.add_argument("--hold-after", type=float, default=math.inf, help="messages after which nothing is answered")
    parser.add_argument("--limit", type=int, default=0, help="requests a minute that are let through; 0: all")
    parser.add_argument("--minute", type=float, default=60.0, help="how many seconds that minute has")
    arguments = parser.parse_args()
    limit = Limit(arguments.limit, arguments.minute) if arguments.limit else None
    asyncio.run(serve(arguments.latency, arguments.hold_after, limit))
