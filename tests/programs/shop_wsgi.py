"""A WSGI application that tracks while it is imported, and with each request; served by `tests/test_gunicorn.py`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import track

track.write_key = "test-key"
track.flush_interval = float(os.environ["SHOP_FLUSH_INTERVAL"])

for number in range(int(os.environ["SHOP_IMPORT_EVENTS"])):
    track.event(user_id=f"import-{number}", event="Shop Imported", traits={"number": number, "pid": os.getpid()})


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    order = environ["PATH_INFO"].strip("/")
    track.event(user_id=f"user-{order}", event="Order Placed", traits={"number": int(order), "pid": os.getpid()})
    print(f"Order {order}", file=sys.stderr, flush=True)
    time.sleep(0.01)  # a shop's work, so that other workers have a part in it
    start_response("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
    return [b"thanks"]
