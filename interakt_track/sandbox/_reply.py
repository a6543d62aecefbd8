"""How an answer, or a fault in its place, goes out on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._answers import BODILESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Send

    from ._answers import Answer
    from ._connection import Connection
    from ._faults import Fault
    from ._script import Fate


async def reply(answer: Answer, fate: Fate, connection: Connection, send: Send, finish: Callable[[bool], None]) -> None:
    """Let the client meet an answer or a fault.

    Args:
        answer: As the API would give it.
        fate: What happens to it.
        connection: Of the client.
        send: ASGI's.
        finish: Called once, before the client can know the end of it; True says that the client left without waiting.
    """
    fault = fate.fault
    if not await connection.pause(fate.latency + (fault.latency if fault else 0.0)):
        finish(True)
        return
    if fault is None:
        finish(False)
        await _send_answer(answer, send)
    elif fault.raw is not None:
        finish(False)
        await _write_slowly(fault.raw, fault.byte_delay, connection)
        await connection.close()
    elif fault.ending == "close":
        finish(False)
        await connection.close()
    elif fault.ending in {"reset", "reset-early"}:
        finish(False)
        await connection.reset()
    elif fault.ending == "truncate":
        finish(False)
        answer = fault.answer(answer)
        await _send_start(answer, send)
        await _send_body(answer.body[: len(answer.body) // 2], send, is_last=False)
        await connection.close()
    else:
        await _send_slowly(fault, fault.answer(answer), connection, send, finish)


async def _send_slowly(
    fault: Fault, answer: Answer, connection: Connection, send: Send, finish: Callable[[bool], None]
) -> None:
    if not fault.byte_delay or not answer.body:
        finish(False)
        await _send_answer(answer, send)
        return
    await _send_start(answer, send)
    for position in range(len(answer.body)):
        if not await connection.pause(fault.byte_delay):
            finish(True)
            return
        is_last = position == len(answer.body) - 1
        if is_last:
            finish(False)
        await _send_body(answer.body[position : position + 1], send, is_last=is_last)


async def _write_slowly(data: bytes, byte_delay: float, connection: Connection) -> None:
    if not byte_delay:
        connection.write(data)
        return
    for position in range(len(data)):
        if not await connection.pause(byte_delay):
            return
        connection.write(data[position : position + 1])


async def _send_answer(answer: Answer, send: Send) -> None:
    await _send_start(answer, send)
    await _send_body(answer.body, send, is_last=True)


async def _send_start(answer: Answer, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    if answer.content_type:
        headers.append((b"content-type", answer.content_type.encode("latin-1")))
    if answer.status not in BODILESS:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _send_body(body: bytes, send: Send, *, is_last: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": not is_last})
