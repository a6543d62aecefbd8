"""Functions for `tests/test_lambda.py`: they track as an event says, and tell what they find of earlier invocations."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from waiting import wait_until

import track
from interakt_track import _queue, _takers
from interakt_track.serverless import flushing

_queue.LINGER = _takers.LINGER = 1e6  # a thread that is not told to end stays, and its connection
track.flush_interval = 60
track.max_workers = 2
track.event(user_id="init", event="Function Started")

Event = dict[str, Any]


def track_orders(event: Event) -> None:
    for number in event["orders"]:
        track.event(user_id=event.get("customer", f"user-{number}"), event="Order Placed", traits={"number": number})


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]


@flushing
def handler(event: Event, context: object) -> Event:
    if "waits" in event:
        wait_until(lambda: threads() == [], seconds=10)
    track_orders(event)
    if "fails" in event:
        raise LookupError(event["fails"])
    return track.stats().as_dict()


def by_hand(event: Event, context: object) -> Event:
    """Flush without ending the threads, so that their connections stay open."""
    track_orders(event)
    track.flush()
    return track.stats().as_dict()


def forgetful(event: Event, context: object) -> None:
    """Trust in the background, which a frozen process has not."""
    track_orders(event)


@flushing
async def handle(event: Event, context: object) -> None:
    track_orders(event)


def asynchronous(event: Event, context: object) -> None:
    asyncio.run(handle(event, context))
