"""A WSGI application whose visitors' orders are tracked into a spool; served by `tests/test_spool_gunicorn.py`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import track

track.write_key = "test-key"
track.spool = os.environ["SHOP_SPOOL"]
track.flush_interval = 0.05

if os.environ["SHOP_TRACKS_WHEN_IMPORTED"] == "yes":  # with --preload, by the master
    track.event(user_id="shop", event="Shop Opened")


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    _, customer, number = environ["PATH_INFO"].split("/")
    who: Any = ({"user_id": customer}, {"user_id": customer, "phone_number": f"98765432{customer[1:]}"})[
        int(number) % 2
    ]
    traits = {f"n{number}": int(number)}
    if int(number) % 5 == 0:
        receipt = track.identify(traits=traits, **who)
    else:
        receipt = track.event(event="Order Placed", traits=traits, **who)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
    return [b"thanks" if receipt else b"sorry"]
