"""What changes, told to one listener as it changes: server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Send

    from ._board import Bell, Board, News
    from ._connection import Connection

BATCH = 200  # records told at once
PACE = 0.05  # seconds between two batches: what comes meanwhile goes into one
SILENCE = 15.0  # seconds after which a listener is sent something, so that one that is gone is noticed
RECONNECT = 1000  # milliseconds after which a browser comes back


async def stream(
    board: Board,
    describe: Callable[[News], dict[str, Any]],
    cursor: str,
    connection: Connection,
    send: Send,
) -> None:
    """Tell a listener what changes until he leaves.

    What is not sent yet is kept nowhere: the listener has a cursor, and each batch is looked up when the one before is
    on its way. So a slow one costs no memory, and is told to load everything anew when what he missed is gone.

    Args:
        board: Which says what is new.
        describe: Makes the data of a batch.
        cursor: What the listener knows already, as an earlier event's id says.
        connection: The listener's.
        send: ASGI's.

    Raises:
        TooManyListenersError: Before anything was sent.
    """
    with board.listening() as bell:
        lost = asyncio.ensure_future(connection.lost.wait())
        lost.add_done_callback(lambda _: bell.ring())
        try:
            await _send_start(send)
            await _tell(board, describe, cursor, bell, connection, send)
        finally:
            lost.cancel()


async def _tell(
    board: Board,
    describe: Callable[[News], dict[str, Any]],
    cursor: str,
    bell: Bell,
    connection: Connection,
    send: Send,
) -> None:
    second = 0
    while not connection.lost.is_set():
        news = board.news(cursor, second, BATCH)
        await _send(send, event(news, describe(news)))  # waits while the listener does not read
        is_all = news.numbers is None or len(news.numbers) < BATCH
        cursor = news.cursor
        second = max((beat[0] for beat in news.pulse), default=second)
        await connection.pause(PACE)
        if is_all:
            await _wait(bell, send)


def event(news: News, data: dict[str, Any]) -> str:
    """Return the text of one event: `news`, or `anew` where everything has to be loaded again."""
    kind = "anew" if news.numbers is None else "news"
    return f"id: {news.cursor}\nevent: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


async def _wait(bell: Bell, send: Send) -> None:
    while True:
        try:
            async with asyncio.timeout(SILENCE):
                await bell.heard()
        except TimeoutError:
            await _send(send, ": nothing new\n\n")
        else:
            return


async def _send_start(send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await _send(send, f"retry: {RECONNECT}\n\n")


async def _send(send: Send, text: str) -> None:
    body = text.encode(errors="replace")  # half a surrogate pair may have come in a header's or a path's place
    await send({"type": "http.response.body", "body": body, "more_body": True})
